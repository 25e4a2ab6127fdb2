"""Predictions of the network when the weights that only one class needs are removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from core.store import Run
from paper.figure import DARK, Plot
from paper.measure import Measure, Row, said, with_numbers
from paper.modularity.language_images import HEADING, class_names, removed_classes
from paper.results import array

COLUMNS = 5
NAMED = 20  # more classes than these are not named at the axes


def table(runs: Sequence[Run]) -> list[Row]:
    """Return for each removed class and each class how much more often each answer is given."""
    names, rows = class_names(runs), []
    for removed in removed_classes(runs):
        found = [(run, change) for run in runs if (change := _change(run, removed, len(names))) is not None]
        for i, name in enumerate(names):
            cells = {
                f"answer {answer}": Measure.of(((run, change[i, j]) for run, change in found), "%")
                for j, answer in enumerate(names)
            }
            rows.append({"removed": names[removed], "class": name} | cells)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a heat map for each removed class."""
    names = [column.removeprefix("answer ") for column in rows[0] if column.startswith("answer ")]
    removed = list(dict.fromkeys(row["removed"] for row in rows))
    columns = min(COLUMNS, len(removed))
    lines = -(-len(removed) // columns)
    maps = {}
    for name in removed:
        mine = {row["class"]: row for row in rows if row["removed"] == name}
        cells = [[mine[a][f"answer {b}"].mean if a in mine else np.nan for b in names] for a in names]
        maps[name] = 100 * np.array(cells)
    most = max(max(np.nanmax(np.abs(values)) for values in maps.values()), 1.0)
    fig = Figure(figsize=(2.3 + 1.95 * columns, 1.5 + 2.05 * lines))
    panels = fig.subplots(lines, columns, squeeze=False)
    for (line, column), axes in np.ndenumerate(panels):
        i = line * columns + column
        if i >= len(removed):
            axes.remove()
            continue
        image = axes.imshow(maps[removed[i]], cmap="RdBu_r", vmin=-most, vmax=most)
        framed = names.index(removed[i])
        frame: dict[str, Any] = {"fill": False, "edgecolor": DARK, "linewidth": 0.8, "clip_on": False}
        axes.add_patch(Rectangle((-0.5, framed - 0.5), len(names), 1, **frame))
        answers = (row[f"answer {b}"] for row in rows if row["removed"] == removed[i] for b in names)
        axes.set_title(f"without {removed[i]}{said(answers, chr(10))}", fontsize=8.5)
        below = i + columns >= len(removed)
        shown = range(len(names)) if len(names) <= NAMED else ()
        axes.set_xticks(shown, names if below and shown else [""] * len(shown), rotation=90, fontsize=6.5)
        axes.set_yticks(shown, names if column == 0 and shown else [""] * len(shown), fontsize=6.5)
        axes.grid(False)
        axes.spines[:].set_visible(False)
    bar = fig.colorbar(image, ax=panels, shrink=0.75, aspect=30, label="change [percentage points]")
    bar.outline.set_visible(False)
    fig.supxlabel("predicted class", fontsize=9)
    fig.supylabel("true class", fontsize=9)
    return fig


def _change(run: Run, removed: int, classes: int) -> np.ndarray | None:
    before, after = (array(run, f"confusion_{subnet}", "counts") for subnet in ("control", f"without_{removed}"))
    if before is None or after is None or {before.shape, after.shape} != {(classes, classes)}:
        return None
    with np.errstate(invalid="ignore"):  # NaN where a class has no test images
        return after / after.sum(1, keepdims=True) - before / before.sum(1, keepdims=True)


PLOT = Plot(
    table=table,
    draw=draw,
    title="Change of the predictions when a class is removed",
    caption=(
        "For the mask of all classes but one: the fraction of test images of a class (row) that receive each "
        "prediction (column), minus that of the control mask, in percentage points. Mean over seeds; the standard "
        "deviations are in the table. The removed class is framed: blue on the diagonal is the accuracy it loses, red "
        "the classes predicted instead. Every mask uses the control's scores in the last layer (keep_last_layer), so "
        "that the removed class can still be predicted."
    ),
    family=HEADING,
    order=5,
    sweeps=("cifar10", "cifar10_no_dropout", "cifar10_resnet"),
    per="group",
    paper="Removing the weights of a class mainly destroys that class.",
)
