"""Test accuracy on a split of the mask of its training commands, compared with the mask of all commands."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, GREY, ORANGE, Plot, figure, legend_below, per_cent
from paper.marks import bars
from paper.measure import Row, with_numbers
from paper.modularity.arithmetic import CHANCE
from paper.modularity.language_images import HEADING, SPLITS, accuracies, with_masks
from paper.modularity.networks import networks

SUBNETS = ("trained network", "control mask", "mask of the split")
SWEEPS = ("scan", "trafo_scan")


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the accuracy of each subnet on each split's test, for every network."""
    rows: list[Row] = []
    for name, part in networks(with_masks(runs, *SWEEPS)):
        for split, words in SPLITS.items():
            subnets = dict(zip(SUBNETS, ("network", "control", split), strict=True))
            found = accuracies(part, subnets, f"{split}/accuracy/total")
            rows.append({"network": name, "split": words} | found)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw three bars for each split, in a panel for each network."""
    names = list(dict.fromkeys(row["network"] for row in rows))
    fig, panels = figure(1.4 + 3.6 * len(names), 4.0, len(names), sharey=True, squeeze=False)
    for name, axes in zip(names, panels[0], strict=True):
        mine = [row for row in rows if row["network"] == name]
        bars(axes, range(len(mine)), mine, {column: column for column in SUBNETS}, (GREY, BLUE, ORANGE), CHANCE)
        axes.set_xticks(range(len(mine)), [row["split"] for row in mine])
        axes.set_xlabel("test of the split")
        axes.set_title(fill(name.removeprefix("SCAN, "), 40), loc="left")
    per_cent(panels[0][0], "accuracy [%]")
    legend_below(fig, panels[0][0], CHANCE)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="SCAN: commands held out by a split",
    caption=(
        "Accuracy on the test commands of three splits of SCAN: of the network, which is trained on the training "
        "commands of the simple split (scan.train_split), of the mask trained on the same commands (control), and of "
        "the mask trained on the split's own training commands, which lack commands of the tested kind. An answer is "
        "correct if every word and the length are. Dashes: random masks with the same number of weights per tensor. "
        "Bars: mean; error bars: sample standard deviation over seeds; dots: single seeds."
    ),
    family=HEADING,
    order=1,
    sweeps=SWEEPS,
    paper=(
        "The mask of all commands solves nearly all of every split's test set. The mask of a split's training commands "
        "solves much less of the split's test set: least for jump, then length, then turn left."
    ),
)
