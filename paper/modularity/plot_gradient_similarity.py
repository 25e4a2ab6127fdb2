"""How much masks on the last layers rotate the gradient of the remaining weights."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import COLOURS, Plot, figure
from paper.marks import Spread, line
from paper.measure import Row, measured, with_numbers
from paper.modularity.language_images import HEADING, class_names

OF_MASK = re.compile(r"cosine/without_(\d+)/(\d+)/total")


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the cosine for each removed class and number of masked layers."""
    names = class_names(runs)
    found = {match for run in runs for key in run.summary if (match := OF_MASK.fullmatch(key))}
    return with_numbers(
        {
            "mask of": f"all but {names[removed]}",
            "masked layers": count,
            "cosine": measured(runs, f"cosine/without_{removed}/{count}/total", ""),
        }
        for removed, count in sorted({(int(match[1]), int(match[2])) for match in found})
    )


def draw(rows: list[Row]) -> Figure:
    """Draw a line for each mask."""
    fig, axes = figure(5.8, 3.7)
    masks = list(dict.fromkeys(row["mask of"] for row in rows))
    spread: Spread = "dots" if len(masks) < 4 else "band"
    for i, name in enumerate(masks):
        mine = [row for row in rows if row["mask of"] == name]
        places = [row["masked layers"] for row in mine]
        line(axes, places, [row["cosine"] for row in mine], name, spread, color=COLOURS[i % len(COLOURS)])
    axes.axhline(0, color="#E6E6E6", linewidth=0.8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1.04)
    axes.set_xlabel("number of masked layers, from the output")
    axes.set_ylabel("cosine similarity of the gradients")
    axes.legend(loc="best", title="mask of")
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Gradients with and without masks on the last layers",
    caption=(
        "Cosine similarity between two gradients of the loss on held-out images of all classes, over the remaining "
        "weights: that of the full network, and that of the network with the mask of all classes but one on its last "
        "layers. 0 masked layers: the same network. Points: mean; error bars: sample standard deviation over seeds; "
        "small dots: single seeds; with more than three masks, bands instead."
    ),
    family=HEADING,
    order=9,
    sweeps=("cifar10_grad_cos_distance",),
    per="group",
)
