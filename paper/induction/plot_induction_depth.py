"""The same curves for networks of each depth."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import DASHES, Plot, legend_below
from paper.induction import plot_induction_curve
from paper.induction.cells import COLOURS, HEADING, NAMES, WHAT_VARIES, count_axis, curves, of_task
from paper.marks import level, line
from paper.measure import Row, with_numbers

IN_A_ROW = 3


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the accuracy for each depth, condition and number of disambiguating pairs."""
    runs = of_task(runs)
    rows: list[Row] = []
    for layers in sorted({run.options["layers"] for run in runs}):
        mine = [run for run in runs if run.options["layers"] == layers]
        rows += [{"layers": layers, **row} for row in plot_induction_curve.table(mine)]
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a panel for each depth."""
    depths = list(dict.fromkeys(row["layers"] for row in rows))
    down = -(-len(depths) // IN_A_ROW)
    across = min(IN_A_ROW, len(depths))
    fig = Figure(figsize=(1.2 + 3.1 * max(across, 2), 1.4 + 2.6 * down))
    panels = fig.subplots(down, across, sharey=True, squeeze=False).flat
    for layers, axes in zip(depths, panels, strict=False):  # in this order no panel is lost at the end
        mine = [row for row in rows if row["layers"] == layers]
        level(axes, mine[0]["majority"], "most frequent answer", **DASHES)
        for condition, (places, measures) in curves(mine).items():
            line(axes, places, measures, NAMES[condition], color=COLOURS[condition])
        count_axis(axes, sorted({row["pairs"] for row in mine}))
        axes.set_title(f"{layers} layer{'s' if layers > 1 else ''}", loc="left")
    for axes in list(panels):  # those that are left
        axes.set_axis_off()
    every = max(fig.axes, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    fig.axes[0].set_ylabel("accuracy on the test pairs [%]")
    legend_below(fig, every, columns=3)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Disambiguating examples and the depth of the network",
    caption=(
        "Accuracy of the target rule on test pairs after the last step, against the number of training pairs that "
        "tell it from its rivals, in a panel for each number of layers of base and transfers. Dashes: always the "
        "most frequent "
        "answer. Points and bars: " + WHAT_VARIES + " Small dots: single seeds. The accuracy axis need not start at 0."
    ),
    family=HEADING,
    order=2,
    sweeps=("induction_math", "induction_math_8_layers"),
    paper=(
        "At n = 250, one run for each depth, 2, 4, 6, 8, 10, 12 layers, in %: subnet 62, 81, 85, 87, 89, 85; whole "
        "base 62, 73, 71, 80, 70, 79; sampled 43, 45, 48, 45, 45, 44; from scratch 42, 45, 44, 46, 43, 45."
    ),
)
