"""Accuracy drop of a class when the weights that only it needs are removed, and of the others."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import COLOURS, GREY, Plot, legend_below
from paper.marks import bars
from paper.measure import Measure, Row, with_numbers
from paper.modularity.language_images import HEADING, class_names, removed_classes
from paper.modularity.networks import networks

RELATIVE, OTHER = "loss relative to the control", "largest other loss relative to the control"
RATIO = "largest other relative loss / that of the class"
PANELS = {RELATIVE: "loss of the removed class [%]", RATIO: "largest other loss [% of that]"}


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the losses of the removed class and of the others, for each class and network."""
    rows: list[Row] = []
    for name, part in networks(runs):
        names = class_names(part)
        for removed in removed_classes(part):
            found = [(run, drops) for run in part if (drops := _drops(run, removed, len(names)))]
            rows.append(
                {
                    "network": name,
                    "class": names[removed],
                    "number": removed,
                    "accuracy, control mask": Measure.of(((run, drops.right) for run, drops in found), "%"),
                    "loss of the class": Measure.of(((run, drops.target) for run, drops in found), "%"),
                    "largest other loss": Measure.of(((run, drops.other) for run, drops in found), "%"),
                    RELATIVE: Measure.of(((run, drops.relative) for run, drops in found if drops.right), "%"),
                    OTHER: Measure.of(((run, drops.relative_other) for run, drops in found), "%"),
                    RATIO: Measure.of(
                        (
                            (run, drops.relative_other / drops.relative)
                            for run, drops in found
                            if drops.right and drops.target > 0
                        ),
                        "%",
                    ),
                }
            )
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a bar for each class and network, the two losses above each other."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    classes = {number: "" for number in sorted({row["number"] for row in rows})}
    for number in classes:
        words = {row["class"] for row in rows if row["number"] == number}
        classes[number] = words.pop() if len(words) == 1 else str(number)
    width = min(max(6.0, 1.4 + 0.3 * len(classes) * (len(networks) + 0.5)), 16.0)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(networks))]
    fig = Figure(figsize=(width, 5.4))
    for axes, (column, label) in zip(fig.subplots(2, 1, sharex=True), PANELS.items(), strict=True):
        cells = {(row["number"], row["network"]): row[column] for row in rows}
        pivoted = [{n: cells.get((number, n), Measure((), "%")) for n in networks} for number in classes]
        bars(axes, range(len(classes)), pivoted, {n: fill(n, 40) for n in networks}, colours)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.spines["bottom"].set_visible(False)
        axes.set_ylabel(label)
    axes.set_xticks(range(len(classes)), classes.values())
    axes.set_xlim(-0.6, len(classes) - 0.4)
    axes.set_xlabel("removed class")
    legend_below(fig, axes, columns=3)
    return fig


class _Drops(NamedTuple):
    """What a run loses with a class; `other` is the largest loss of another class, negative where all gain.

    Attributes:
        right: the class's accuracy by the control mask.
        target, other: losses of accuracy.
        relative_other: the largest other loss in parts of the other's accuracy by the control mask, at least 0.
    """

    right: float
    target: float
    other: float
    relative_other: float

    @property
    def relative(self) -> float:
        """The class's loss in parts of its accuracy by the control mask."""
        return self.target / self.right


def _drops(run: Run, removed: int, classes: int) -> _Drops | None:
    """Return what a run loses with a class, None where it has not measured it."""
    keys = [f"test/accuracy/{i}" for i in range(classes)]
    before, after = (
        [value for key in keys if (value := run.summary.get(f"final/{s}/{key}")) is not None]
        for s in ("control", f"without_{removed}")
    )
    if not len(before) == len(after) == classes:
        return None
    lost = [a - b for a, b in zip(before, after, strict=True)]
    others = [i for i in range(classes) if i != removed]
    if not others:
        return None
    relative = [lost[i] / before[i] for i in others if before[i]]  # what the control never recognises loses nothing
    return _Drops(before[removed], lost[removed], max(lost[i] for i in others), max([0.0, *relative]))


PLOT = Plot(
    table=table,
    draw=draw,
    title="Accuracy drop of the removed class, and of the others",
    caption=(
        "Test accuracy of single classes through the mask of all classes but one, compared with the control mask. "
        "Top: drop of the removed class, in per cent of its accuracy through the control mask. Bottom: the largest "
        "drop of any other class, also relative to its accuracy through the control mask (0 if all others gain), in "
        "per cent of the removed class's relative drop; since it is a maximum over classes, it is above 0 even if all "
        "drops are due to chance. Bars: mean; error bars: sample standard deviation over seeds; dots: single seeds. "
        "Left out: seeds in which the control mask never recognises the class (both panels) or the removed class "
        "loses nothing (bottom)."
    ),
    family=HEADING,
    order=6,
    sweeps=("cifar10", "cifar10_no_dropout", "cifar10_resnet"),
    paper=(
        "Removing the weights of a class mainly destroys that class. The axis of the published figure for the largest "
        "drop of another class ends at 10 % of that of the removed class."
    ),
)
