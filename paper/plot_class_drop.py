"""How much of a class is lost with the weights that only it needs, and how much of the others."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import COLOURS, GREY, legend_below
from paper.language_images import HEADING, class_names, removed_classes
from paper.marks import bars
from paper.measure import Measure, Row, with_numbers
from paper.networks import networks

NAME = "class_drop"
TITLE = "Loss of the removed class, and of the others"
CAPTION = (
    "Test accuracy of single classes by the mask of all classes but one, compared with the control mask. Above: loss "
    "of the removed class, in per cent of its accuracy by the control mask. Below: the largest loss of any other "
    "class, in per cent of the removed class's loss; as the largest of several it is above 0 even where nothing is "
    "lost but by chance. Bars: mean; error bars: sample standard deviation over seeds; dots: single seeds. Left out: "
    "seeds in which the control mask never recognises the class (both panels) or the removed class loses nothing "
    "(below)."
)
FAMILY = HEADING
ORDER = 6
SWEEPS = ("cifar10", "cifar10_no_dropout", "cifar10_resnet")
PER = "scale"
FREE = ()
OPTIONS: dict[str, tuple[str, ...]] = {}
PAPER = (
    "Removing the weights of a class destroys mainly that class. The axis of the published figure of the largest "
    "other loss ends at 10 % of the class's own."
)
RELATIVE, RATIO = "loss relative to the control", "largest other loss / loss of the class"
PANELS = {RELATIVE: "loss of the removed class [%]", RATIO: "largest other loss [% of that]"}


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the losses of the removed class and of the others, for each class and network."""
    rows: list[Row] = []
    for name, part in networks(runs):
        names = class_names(part)
        for removed in removed_classes(part):
            found = [(run, *drops) for run in part if (drops := _drops(run, removed, len(names)))]
            rows.append({
                "network": name, "class": names[removed], "number": removed,
                "accuracy, control mask": Measure.of(((run, right) for run, right, _, _ in found), "%"),
                "loss of the class": Measure.of(((run, target) for run, _, target, _ in found), "%"),
                "largest other loss": Measure.of(((run, other) for run, _, _, other in found), "%"),
                RELATIVE: Measure.of(((run, lost / right) for run, right, lost, _ in found if right), "%"),
                RATIO: Measure.of(
                    ((run, other / lost) for run, right, lost, other in found if right and lost > 0), "%"
                ),
            })
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


def _drops(run: Run, removed: int, classes: int) -> tuple[float, float, float] | None:
    """Return the class's accuracy by the control mask, its loss, and the largest loss of another class."""
    keys = [f"test/accuracy/{i}" for i in range(classes)]
    before, after = ([run.summary.get(f"final/{s}/{key}") for key in keys] for s in ("control", f"without_{removed}"))
    if None in before or None in after:
        return None
    lost = [a - b for a, b in zip(before, after, strict=True)]
    others = [loss for i, loss in enumerate(lost) if i != removed]
    return (before[removed], lost[removed], max(others)) if others else None
