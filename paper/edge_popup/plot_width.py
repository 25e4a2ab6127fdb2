"""Accuracy of a subnetwork of a random network against the network's width."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.edge_popup.random_nets import COLOURS, DASHES, HEADING, drawn, trained
from paper.edge_popup.random_nets import network as name_of
from paper.figure import GREEN, GREY, Plot, figure
from paper.marks import line
from paper.measure import Row, measured, with_numbers


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the accuracy for each network, way to draw its weights, and width."""
    mine = [run for run in runs if run.task == "edge_popup"]
    rows: list[Row] = []
    for network in sorted({name_of(run, width=False) for run in mine}):
        here = [run for run in mine if name_of(run, width=False) == network]
        for way in dict.fromkeys(_drawn(run) for run in here):
            part = [run for run in here if _drawn(run) == way]
            for width in sorted({run.options["width"] for run in part}):
                at = [run for run in part if run.options["width"] == width]
                accuracy = measured(at, "final/test/accuracy")
                rows.append({"network": network, "weights": way, "width": width, "accuracy": accuracy})
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a panel for each network, a line for each way to draw its weights."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    fig, panels = figure(1.8 + 3.4 * len(networks), 3.7, len(networks), squeeze=False, sharey=True)
    for axes, network in zip(panels[0], networks, strict=True):
        here = [row for row in rows if row["network"] == network]
        for way in dict.fromkeys(row["weights"] for row in here):
            part = [row for row in here if row["weights"] == way]
            colour = GREY if way in DASHES else COLOURS.get(way, GREEN)
            places, found = [row["width"] for row in part], [row["accuracy"] for row in part]
            line(axes, places, found, way, color=colour, linestyle=DASHES.get(way, "-"))
        widths = sorted({row["width"] for row in here})
        axes.set_xscale("log", base=2)
        axes.set_xticks(widths, [f"{width:g}" for width in widths])
        axes.minorticks_off()
        axes.set_title(network, loc="left")
        axes.set_xlabel("width factor")
    panels[0][0].set_ylabel("accuracy on the test set [%]")
    fig.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def _drawn(run: Run) -> str:
    return trained(run) if run.options["trained"] == "weights" else drawn(run)


PLOT = Plot(
    table=table,
    draw=draw,
    title="Subnetworks of wider random networks",
    caption=(
        "Test accuracy of the subnetwork that edge-popup finds in a network with fixed random weights, against the "
        "width of the network, a factor on the number of channels of every layer. Grey, dashes: the same network "
        "without a mask and with trained weights. Points: mean at the end of training; error bars: sample standard "
        "deviation over seeds; small dots: single seeds. The accuracy axis need not start at 0."
    ),
    family=HEADING,
    order=2,
    sweeps=("edge_popup_wide", "edge_popup_wide_dense", "edge_popup_wide_dense_adam"),
    paper=(
        "On CIFAR-10, from about 1.5 to 2 times the width, a subnetwork of Conv-4 and Conv-6 is as good as the trained "
        "network."
    ),
)
