"""Output weights of the whole task's mask that are missing from a split's mask, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from core.store import Run
from paper.figure import GREEN, ORANGE, PURPLE, Plot, legend_below, per_cent
from paper.marks import bars
from paper.measure import Measure, Row, with_numbers
from paper.modularity.language_images import HEADING, SPLITS, with_masks
from paper.modularity.networks import networks
from paper.results import mask

OUTPUT = {"scan": "output.weight", "trafo_scan": "output_map.weight"}
COLUMNS = {split: f"lacking in the mask of {words}" for split, words in SPLITS.items()}
ALL = "all"
SWEEPS = ("scan", "trafo_scan")


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the removed part of every word's weights, for each split and network."""
    from data.scan import ACTIONS  # reads torch

    rows: list[Row] = []
    for name, part in networks(with_masks(runs, *SWEEPS)):
        found = {split: [(run, _removed(run, split)) for run in part] for split in COLUMNS}
        for i, word in enumerate((*ACTIONS, "END", ALL)):
            cells = {
                column: Measure.of(((run, removed[i]) for run, removed in found[split] if i < len(removed)), "%")
                for split, column in COLUMNS.items()
            }
            rows.append({"network": name, "word": word} | cells)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a bar for each word and split, in a panel for each network."""
    names = list(dict.fromkeys(row["network"] for row in rows))
    splits = {column: column for column in COLUMNS.values() if any(row[column].n for row in rows)}
    colours = dict(zip(COLUMNS.values(), (PURPLE, ORANGE, GREEN), strict=True))
    fig = Figure(figsize=(8, 1.2 + 2.3 * len(names)))
    for name, axes in zip(names, fig.subplots(len(names), 1, squeeze=False)[:, 0], strict=True):
        mine = [row for row in rows if row["network"] == name]
        positions = [i + 0.25 * (row["word"] == ALL) for i, row in enumerate(mine)]  # all words stand apart
        bars(axes, positions, mine, splits, [colours[column] for column in splits])
        axes.set_xticks(positions, [row["word"].removeprefix("I_").replace("_", " ") for row in mine])
        axes.set_xlim(-0.6, positions[-1] + 0.6)
        axes.set_title(fill(name.removeprefix("SCAN, "), 100), loc="left")
        per_cent(axes, "removed weights [%]", [{column: row[column] for column in splits} for row in mine])
    legend_below(fig, axes)
    return fig


def _removed(run: Run, split: str) -> list[float]:
    """Return the part of the control's weights that the split's mask lacks: of each word, and of all."""
    control, other = (mask(run, subnet, OUTPUT[run.task]) for subnet in ("control", split))
    if control is None or other is None:
        return []
    kept, lacking = (weights.sum(1).astype(float) for weights in (control, control & ~other))
    with np.errstate(invalid="ignore"):  # NaN where nothing is kept
        return [*(lacking / kept).tolist(), float(lacking.sum() / kept.sum())]


PLOT = Plot(
    table=table,
    draw=draw,
    title="SCAN: output weights missing from the mask of a split",
    caption=(
        "Of the weights into each output word that the control mask keeps, the fraction that the mask of a split's "
        "training commands does not keep; all: over all words together. END ends an answer. Biases are not masked. "
        "Bars: mean; error bars: sample standard deviation over seeds; dots: single seeds. Left out: words of which "
        "the control mask keeps no weight."
    ),
    family=HEADING,
    order=2,
    sweeps=SWEEPS,
    paper="LSTM, mask of the split jump: the weights missing in the output layer belong mostly to the word I_JUMP.",
)
