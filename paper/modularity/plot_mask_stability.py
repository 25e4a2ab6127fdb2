"""Overlap of two masks of the same classes on the same network."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, Plot, figure, legend, per_cent
from paper.marks import bars
from paper.measure import Row, measured, with_numbers
from paper.modularity.arithmetic import CHANCE
from paper.modularity.language_images import HEADING, class_names

OF_CLASSES = re.compile(r"stability/((?:pair_|without_)[\d_]+)/iou/total")
MEAN = "mean"


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the overlap of the two masks of all classes that masks were learned for."""
    names = class_names(runs)
    found = {match[1] for run in runs for key in run.summary if (match := OF_CLASSES.fullmatch(key))}
    sets = sorted(found, key=lambda name: [int(number) for number in name.split("_")[1:]])
    rows: list[Row] = []
    for chosen in [*sets, MEAN]:
        kind, *numbers = chosen.split("_")
        words = " and ".join(names[int(number)] for number in numbers)
        rows.append(
            {
                "masks of": {"pair": words, "without": f"all but {words}"}.get(kind, MEAN),
                "IoU": measured(runs, f"stability/{chosen}/iou/total"),
                f"IoU, {CHANCE}": measured(runs, f"stability/{chosen}/iou_random/total"),
                "IoU with the last layer": measured(runs, f"stability/{chosen}/iou_published/total"),
            }
        )
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a bar for each pair of classes, and one for their mean."""
    longest = max(len(row["masks of"]) for row in rows)
    fig, axes = figure(min(max(5.4, 1.4 + 0.36 * len(rows)), 14.0), 3.0 + 0.08 * longest)
    positions = [i + 0.5 * (row["masks of"] == MEAN) for i, row in enumerate(rows)]  # the mean stands apart
    bars(axes, positions, rows, {"IoU": "two masks"}, (BLUE,), CHANCE)
    axes.set_xticks(positions, [row["masks of"] for row in rows], rotation=90)
    axes.set_xlim(-0.8, positions[-1] + 0.8)
    per_cent(axes, "IoU [%]")
    legend(axes, CHANCE)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Overlap of two masks of the same classes",
    caption=(
        "Two masks are trained on the same network and images with different random samples: intersection over union "
        "(IoU) of the two, over all masked weights except those of a last layer that all masks have in common "
        "(keep_last_layer). Dashes: expected value for random masks of the same sizes. The pairs of classes are drawn "
        "from the seed, so that few are trained with several seeds; mean: over the pairs of each seed, then over "
        "seeds. Bars: mean; error bars: sample standard deviation over seeds; dots: single seeds. In the table: IoU "
        "including the common last layer, as in the original program."
    ),
    family=HEADING,
    order=7,
    sweeps=("cifar10_mask_stability",),
    per="group",
    paper="Masks are fairly stable.",
)
