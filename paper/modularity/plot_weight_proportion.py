"""Number of weights that each part of the task keeps, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from core.store import Run
from paper.figure import COLOURS, Plot, figure, layer_ticks, legend
from paper.marks import bars
from paper.measure import Row, measured, said, with_numbers
from paper.modularity.arithmetic import HEADING, subtasks, weights, word


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the size of each weight matrix and the weights each part keeps of it."""
    parts = subtasks(runs)
    rows: list[Row] = []
    for parameter, layer in [*weights(runs), ("total", "all")] if parts else []:
        size = next((v for run in runs if (v := run.summary.get(f"size/{parameter}")) is not None), 0)
        kept = {f"kept for {word(part)}": measured(runs, f"kept/{part}/{parameter}", "") for part in parts}
        rows.append({"layer": layer, "parameter": parameter, "weights": int(size)} | kept)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw two bars for each layer; the totals stand in the legend."""
    *layers, total = rows
    columns = {
        column: f"{column.removeprefix('kept for ')} ({_whole(cell.mean)} in all{said([cell], ', ')})"
        for column, cell in total.items()
        if column.startswith("kept for")
    }
    fig, axes = figure(max(5.0, 1.6 + 0.85 * len(layers)), 3.4)
    bars(axes, range(len(layers)), layers, columns, COLOURS)
    layer_ticks(axes, range(len(layers)), [row["layer"] for row in layers])
    axes.set_ylim(0)
    axes.set_ylabel("weights kept")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _whole(value)))
    legend(axes)
    return fig


def _whole(number: float) -> str:
    return f"{number:,.0f}"


PLOT = Plot(
    table=table,
    draw=draw,
    title="Number of weights that each part needs",
    caption=(
        "Number of weights kept by the mask of each part, for every weight matrix from input to output (the matrices "
        "differ in size; the table gives the sizes). Biases are excluded from the layers; the total in the legend "
        "includes all masked parameters. Bars: mean; error bars: sample standard deviation over seeds; dots: single "
        "seeds."
    ),
    family=HEADING,
    order=3,
    sweeps=("addmul_ff_big", "addmul_ff", "addmul_rnn", "tuple_ff", "tuple_rnn"),
    per="group",
    paper=(
        "× uses more weights than +. The axis of the authors' plot ends at 22,000 weights per layer of the "
        "feed-forward network 2000x4."
    ),
)
