"""Effect of the mask regulariser's weight on accuracy, and on how much the operations share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import DARK, GREY, VERMILLION, Plot, figure, legend
from paper.marks import line
from paper.measure import Measure, Row, measured, with_numbers
from paper.modularity.arithmetic import CHANCE, HEADING

PUBLISHED = 1e-4


def table(runs: Sequence[Run]) -> list[Row]:
    """Return accuracy, sharing and weights kept for each penalty, smallest first."""
    rows: list[Row] = []
    penalties = sorted({run.options["mask.penalty"] for run in runs if "mask.penalty" in run.options})
    for penalty in penalties:
        part = [
            run
            for run in runs
            if run.options.get("mask.penalty") == penalty
            and None not in map(run.summary.get, ("final/control/test/accuracy/total", "sharing/add/total"))
        ]
        rows.append(
            {
                "penalty": penalty,
                "published": "yes" if penalty == PUBLISHED else "",
                "accuracy": measured(part, "final/control/test/accuracy/total"),
                "shared of +": measured(part, "sharing/add/total"),
                f"shared of +, {CHANCE}": measured(part, "sharing_random/add/total"),
                "kept for +": measured(part, "kept/add/total", ""),
                "kept for ×": measured(part, "kept/mul/total", ""),
            }
        )
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a dot for each run, a line through the means and a star at the published penalty."""
    fig, axes = figure(5.6, 3.6)
    points = [
        (row["penalty"], 100 * accuracy, 100 * shared)
        for row in rows
        for accuracy, shared in both(row["accuracy"], row["shared of +"])
    ]
    line(axes, [row["penalty"] for row in rows], [row["accuracy"] for row in rows], "", "none", GREY, linewidth=1)
    x, y, colour = zip(*points, strict=True)
    dots = axes.scatter(x, y, c=colour, cmap="viridis", s=26, edgecolor="white", linewidth=0.5, zorder=3)
    for row in rows:
        if row["published"]:
            star = {"marker": "*", "s": 150, "color": VERMILLION, "edgecolor": DARK, "linewidth": 0.6}
            label = f"mean at the published penalty, {PUBLISHED:g}"
            axes.scatter(row["penalty"], 100 * row["accuracy"].mean, zorder=4, label=label, **star)
            legend(axes)
    axes.set_xscale("log")
    axes.set_xlabel("penalty (mask.penalty)")
    lowest = max(0, 10 * math.floor((min(y) - 5) / 10))
    axes.set_ylim(lowest, 100 + 0.04 * (100 - lowest))
    axes.set_yticks(range(lowest, 101, (100 - lowest) // 5))
    axes.set_ylabel("accuracy of the control mask [%]")
    bar = fig.colorbar(dots, ax=axes, pad=0.02)
    bar.set_label("shared fraction of the + mask [%]")
    bar.outline.set_visible(False)
    return fig


def both(first: Measure, second: Measure) -> list[tuple[float, float]]:
    """Return the pairs of values of the seeds that have measured both."""
    others = dict(zip(second.seeds, second.values, strict=True))
    return [(v, others[seed]) for seed, v in zip(first.seeds, first.values, strict=True) if seed in others]


PLOT = Plot(
    table=table,
    draw=draw,
    title="Effect of the penalty on accuracy and sharing",
    caption=(
        "Accuracy of the control mask on the test set (operand pairs never seen in training, unless data.split says "
        "otherwise), against mask.penalty; one dot per run, coloured by the fraction of the + mask that the × mask "
        "also keeps (all masked weights). Line: mean over seeds. Star: the mean at the penalty of the published "
        "experiments, 0.0001, where it was run. Penalties do not transfer from the published to the laptop-sized "
        "networks. The accuracy axis need not start at 0."
    ),
    family=HEADING,
    order=6,
    sweeps=("addmul_ff_penalty",),
    per="group",
    free=("mask.penalty",),
    paper=(
        "The authors chose 0.0001. The colour scale of their plot, the sharing of the + mask over all penalties, "
        "ranges from 25 to 55 %."
    ),
)
