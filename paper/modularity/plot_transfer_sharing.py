"""Fraction of each permutation's mask that earlier masks also keep, and each permutation's accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from core.store import Run
from paper.figure import COLOURS, DARK, GREY, Plot, figure
from paper.marks import line
from paper.measure import Row, measured, with_numbers
from paper.modularity.arithmetic import CHANCE, weights
from paper.modularity.language_images import HEADING

ACCURACY, RANDOM = "accuracy", "accuracy, random mask of the same size"
DASHED = (0, (3, 1.5))


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the shared part of every layer, and the accuracy, of each permutation."""
    shared = [
        (name, f"layer {layer}")
        for name, layer in weights(runs)
        if any(f"sharing/perm_1/{name}" in run.summary for run in runs)
    ]
    count = max((run.options["transfer.permutations"] for run in runs if run.task == "permuted_mnist"), default=0)
    rows: list[Row] = []
    for i in range(count):
        name = f"perm_{i}"
        row: Row = {"permutation": f"T{i + 1}"}
        for parameter, layer in shared:
            later = runs if i else ()  # nothing is before the first
            row[layer] = measured(later, f"sharing/{name}/{parameter}")
            row[f"{layer}, {CHANCE}"] = measured(later, f"sharing_random/{name}/{parameter}")
        row[ACCURACY] = measured(runs, f"final/{name}/test/accuracy/total")
        row[RANDOM] = measured(runs, f"random/{name}/test/accuracy/total")
        rows.append(row)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw what is shared, a line for each layer, and the accuracies beside it."""
    fig, (left, right) = figure(8.2, 4.0, 2)
    places = range(len(rows))
    layers = [column for column in rows[0] if column.startswith("layer") and CHANCE not in column]
    for layer, colour in zip(layers, cycle(COLOURS), strict=False):
        line(left, places, [row[layer] for row in rows], layer, color=colour)
        chance = [row[f"{layer}, {CHANCE}"] for row in rows]
        line(left, places, chance, "", "none", colour, linestyle=DASHED, linewidth=1.2)
    line(right, places, [row[ACCURACY] for row in rows], "mask of the permutation", color=DARK)
    line(right, places, [row[RANDOM] for row in rows], "random mask of its size", color=GREY)
    for axes in (left, right):
        axes.set_xticks(places, [row["permutation"] for row in rows])
        axes.set_xlabel("permutation")
        axes.set_ylim(-2, 104)
    left.set_ylabel("shared with earlier masks [%]")
    right.set_ylabel("accuracy [%]")
    handles, labels = left.get_legend_handles_labels()
    handles.append(Line2D([], [], color=GREY, linestyle=DASHED, linewidth=1.2))
    more = right.get_legend_handles_labels()
    fig.legend([*handles, *more[0]], [*labels, CHANCE, *more[1]], loc="outside lower center", ncols=3)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Weights that later permutations reuse from earlier ones",
    caption=(
        "Pixel permutations are learned one after the other (T1: unpermuted images); weights that a mask keeps are "
        "frozen from then on, and the others are reinitialised. Left: fraction of each mask that some earlier mask "
        "also keeps, by layer; dashed: expected value for a random mask of the same size. Every permutation has its "
        "own first layer (transfer.reset_first_layer), which is left out, as are biases. Right: accuracy on the "
        "permuted test images through the permutation's mask and through a random mask of the same size. Points: "
        "mean; error bars: sample standard deviation over seeds; small dots: single seeds."
    ),
    family=HEADING,
    order=8,
    sweeps=("transfer_sharing", "transfer_sharing_prefer_old", "transfer_sharing_prefer_old_even_more"),
    per="group",
    paper="Later permutations reuse only some of the old weights, unless their scores are initialised to prefer them.",
)
