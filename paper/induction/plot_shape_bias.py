"""Which cue networks go by that began with a subnetwork for shapes, or with a control."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, GREEN, GREY, ORANGE, Plot, figure, legend, per_cent
from paper.induction.cells import HEADING, accuracy
from paper.induction.vision_cells import SWEEPS, WHAT_VARIES, cells, label, of_task
from paper.marks import bars
from paper.measure import Row, with_numbers

PANELS = (
    {"shape_bias": "shape bias"},
    {"shape_rate": "by shape", "texture_rate": "by texture"},
    {"accuracy": "normal images", "pooled_accuracy": "mean-pooled images"},
)
COLOURS = ((BLUE,), (BLUE, ORANGE), (GREY, GREEN))


def table(runs: Sequence[Run]) -> list[Row]:
    """Return bias, rates and accuracies of every transfer."""
    runs = of_task(runs)
    found = cells(runs) if runs else []
    several = len({cell.count for cell in found}) > 1
    return with_numbers(
        {"begins with": label(cell, several)}
        | {
            words: accuracy(runs, cell.condition, cell.count, cell.trained, key=key)
            for panel in PANELS for key, words in panel.items()
        }
        for cell in found
    )  # fmt: skip


def draw(rows: list[Row]) -> Figure:
    """Draw the three panels, a group of bars for each transfer."""
    fig, axes = figure(3.6 + 1.35 * len(rows), 4.4, 3, width_ratios=(1, 1.6, 1.6))
    places = range(len(rows))
    for panel, columns, colours in zip(axes, PANELS, COLOURS, strict=True):
        bars(panel, places, rows, {words: words for words in columns.values()}, colours)
        panel.set_xticks(places, [fill(row["begins with"], 22) for row in rows], rotation=60, ha="right", fontsize=7)
        per_cent(panel, "answers [%]")
        legend(panel)
    axes[0].set_ylabel("shape bias [%]")
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Shape or texture?",
    caption=(
        "Networks that learned from normal images, in which shape and texture say the same, and what they began with. "
        "Left: shape bias, the answers by shape among all answers by shape or by texture, on images whose cues "
        "contradict "
        "each other. Middle: how many of all answers to these images are by either. Right: answers that are right on "
        "normal images and on mean-pooled ones. A network that has learned little may have a high bias: it is "
        "worth what "
        "the other two panels say. Bars: "
        + WHAT_VARIES
        + " Small dots: single seeds. n: images whose texture contradicts the label."
    ),
    family=HEADING,
    order=5,
    sweeps=SWEEPS,
    per="group",
    paper=(
        "The bias is not given as a number; on 16 classes of ImageNet, right at the end of training, in %: ResNet-18 "
        "from the subnetwork 83 of normal and 51 of mean-pooled images, from scratch 72 and 25; ViT-B/16 86 and 67, "
        "65 and 24."
    ),
)
