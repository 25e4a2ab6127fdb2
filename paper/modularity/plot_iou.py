"""How much the masks of the two parts overlap, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, SKY, Plot, figure, layer_ticks, legend, per_cent
from paper.marks import bars
from paper.measure import Row, measured, with_numbers
from paper.modularity.arithmetic import CHANCE, HEADING, subtasks, weights, word

MEASURES = {"IoU": "iou", "IoMin": "iomin"}


def table(runs: Sequence[Run]) -> list[Row]:
    """Return IoU and IoMin of the two parts' masks, and of random masks, per layer."""
    both = subtasks(runs)
    parts = " and ".join(map(word, both)) if len(both) == 2 else ""
    rows = []
    for parameter, layer in [*weights(runs), ("total", "all")] if parts else []:
        row: Row = {"masks": parts, "layer": layer, "parameter": parameter}
        for name, key in MEASURES.items():
            row[name] = measured(runs, f"{key}/{parameter}")
            row[f"{name}, {CHANCE}"] = measured(runs, f"{key}_random/{parameter}")
        rows.append(row)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw two bars for each layer, with dashes at chance."""
    fig, axes = figure(max(5.4, 1.6 + 0.85 * len(rows)), 3.4)
    positions = [float(i) for i in range(len(rows) - 1)] + [len(rows) - 0.75]  # the total stands apart
    bars(axes, positions, rows, {name: name for name in MEASURES}, (BLUE, SKY), CHANCE)
    layer_ticks(axes, positions, [row["layer"] for row in rows])
    per_cent(axes, f"overlap of {rows[0]['masks']} [%]", rows)
    legend(axes, CHANCE)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Overlap of the two parts' masks",
    caption=(
        "Intersection over union (IoU) and over the smaller mask (IoMin) of the masks of the two parts, for every "
        "weight matrix from input to output and for all masked weights. Dashes: expected value for random masks of "
        "the same sizes; an overlap at that level is no evidence of reuse. Biases are excluded from the layers. Bars: "
        "mean; error bars: sample standard deviation over seeds; dots: single seeds."
    ),
    family=HEADING,
    order=2,
    sweeps=("tuple_ff", "tuple_rnn", "tuple_ff_copyweight", "addmul_ff_big", "addmul_ff", "addmul_rnn"),
    per="group",
    paper=(
        "Double addition: the overlap of hidden weights between two identical functions is small, in the feed-forward "
        "network and in the LSTM. + and ×: sharing is high at input and output, low in the middle."
    ),
)
