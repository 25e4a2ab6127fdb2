"""Accuracy of a subnetwork of a random network against the fraction kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from core.store import Run
from paper.edge_popup.random_nets import COLOURS, DASHES, HEADING, RANDOM, drawn, trained
from paper.edge_popup.random_nets import network as name_of
from paper.figure import GREEN, GREY, PURPLE, Plot, figure
from paper.marks import level, line
from paper.measure import Row, measured, with_numbers

OTHERS = (GREEN, PURPLE)


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the accuracy for each network, way to draw its weights, and fraction kept."""
    mine = [run for run in runs if run.task == "edge_popup"]
    scored = [run for run in mine if run.options.get("trained") == "scores" and "mask.keep" in run.options]
    rows: list[Row] = []
    for network in sorted({name_of(run) for run in mine}, key=lambda words: (not words.startswith("fully"), words)):
        here = [run for run in scored if name_of(run) == network]
        dense = [run for run in mine if run.options.get("trained") == "weights" and name_of(run) == network]
        for way in dict.fromkeys(drawn(run) for run in here):
            for keep in sorted({run.options["mask.keep"] for run in here if drawn(run) == way}):
                part = [run for run in here if drawn(run) == way and run.options["mask.keep"] == keep]
                rows.append(
                    {
                        "network": network,
                        "weights": way,
                        "keep": keep,
                        "accuracy": measured(part, "final/test/accuracy"),
                        RANDOM: measured(part, "random/test/accuracy"),
                        **{
                            words: measured([run for run in dense if trained(run) == words], "final/test/accuracy")
                            for words in DASHES
                        },
                    }
                )
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a panel for each network, a line for each way to draw its weights."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    columns = min(2, len(networks))
    fig, _ = figure(1.8 + 3.4 * columns, 0.5 + 3.1 * math.ceil(len(networks) / columns), 1)
    fig.clear()
    grid = fig.subplots(math.ceil(len(networks) / columns), columns, squeeze=False, sharey=True)
    entries: dict[str, Artist] = {}
    for axes in grid.flat[len(networks) :]:
        axes.set_visible(False)
    for axes, network in zip(grid.flat, networks, strict=False):
        here = [row for row in rows if row["network"] == network]
        others = iter(OTHERS)
        for way in dict.fromkeys(row["weights"] for row in here):
            part = [row for row in here if row["weights"] == way]
            colour = COLOURS.get(way) or next(others, GREEN)
            line(axes, [row["keep"] for row in part], [row["accuracy"] for row in part], way, color=colour)
            line(axes, [row["keep"] for row in part], [row[RANDOM] for row in part], RANDOM, color=GREY)
        for words, dashes in DASHES.items():
            level(axes, here[0][words], words, color=GREY, linestyle=dashes)
        axes.set_title(network, loc="left")
        axes.set_xlabel("fraction of weights kept")
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 104)
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy on the test set [%]")
    fig.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Subnetworks of random networks",
    caption=(
        "Test accuracy of the subnetwork that edge-popup finds in a network with fixed random weights, against the "
        "fraction of weights kept, for each initialisation of the weights; scaled: multiplied by sqrt(1 / keep). "
        "Grey: random masks of the same size on the same weights (one line per initialisation). Dashes: the same "
        "network without a mask and with trained weights, where such runs exist. Points: mean at the end of training; "
        "error bars: sample standard deviation over seeds; small dots: single seeds."
    ),
    family=HEADING,
    order=1,
    sweeps=(
        "edge_popup_fc",
        "edge_popup_conv",
        "edge_popup_init",
        "edge_popup_resnet",
        "edge_popup_dense",
        "edge_popup_dense_fc",
        "edge_popup_dense_adam",
        "edge_popup_dense_adam_conv2",
        "edge_popup_dense_adam_fc",
        "edge_popup_resnet_dense",
    ),
    paper=(
        "The best subnetworks keep 30 to 70 % of the weights; the full random network is at chance. Signed constants "
        "are better than Kaiming normal weights, and scaling helps when few weights are kept. At the depth of Conv-8, "
        "a subnetwork matches the trained network. CIFAR-10, read off the figures: about 77.5, 86, 88, 88.5 % for "
        "Conv-2, 4, 6, 8."
    ),
)
