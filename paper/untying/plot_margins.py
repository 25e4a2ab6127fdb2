"""Histogram of the margins, before and after untying."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from core.store import Run
from paper.figure import DARK, Plot, figure
from paper.measure import PERCENT, Measure, Row, said, with_numbers
from paper.results import array
from paper.untying.untying import HEADING, NAMES, rates, splits

BINS, SHARE = 60, "share of the images"


def table(runs: Sequence[Run], branch: str = "", images: str = "test") -> list[Row]:
    """Return the share of images in each bin of the margin, for the CNN and each branch of one kind.

    Args:
        runs: runs of one group.
        branch: elcn, efcn or control; by default the first that there is.
        images: test or train.
    """
    for lr in rates(runs)[:1]:
        kind = branch or next((kind for kind in ("elcn", "efcn", "control") if splits(runs, kind, lr)), "elcn")
        names = {("CNN", 0): "margins_cnn"}
        names |= {(NAMES[kind], split): f"margins_{kind}_{lr}_{split}" for split in splits(runs, kind, lr)}
        found = {key: _margins(runs, name, images) for key, name in names.items()}
        if any(found[key] for key in found if key[0] != "CNN"):
            return _rows(found)
    return []


def draw(rows: list[Row]) -> Figure:
    """Draw a line of steps for each network."""
    fig, axes = figure(7.2, 3.9)
    shade = LogNorm(1, max(2, max(row["split"] for row in rows) + 1))
    for network, split in dict.fromkeys((row["network"], row["split"]) for row in rows):
        mine = [row for row in rows if (row["network"], row["split"]) == (network, split)]
        edges = [mine[0]["from"], *(row["to"] for row in mine)]
        colour = DARK if network == "CNN" else matplotlib.colormaps["viridis"](0.92 * shade(split + 1))
        label = network if network == "CNN" else f"{network} from epoch {split}"
        label += said((row[SHARE] for row in mine), ", ")
        means = np.array([row[SHARE].factor * row[SHARE].mean for row in mine])
        sds = np.nan_to_num([row[SHARE].factor * row[SHARE].sd for row in mine])  # a single run has no band
        axes.stairs(means, edges, baseline=None, color=colour, linewidth=1.4, label=label, zorder=3)
        axes.stairs(means + sds, edges, baseline=means - sds, color=colour, alpha=0.15, fill=True)
    axes.set_ylim(0)
    axes.vlines(0, *axes.get_ylim(), color=DARK, linestyle=(0, (3, 1.5)), linewidth=0.8)
    axes.set_xlabel("margin")
    axes.set_ylabel("fraction of the images [%]")
    fig.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return fig


def _margins(runs: Sequence[Run], name: str, images: str) -> list[tuple[Run, np.ndarray]]:
    """Return the margins of the runs that have them; one that diverged has none."""
    found = [(run, array(run, name, images)) for run in runs]
    return [(run, margins) for run, margins in found if margins is not None and np.isfinite(margins).all()]


def _rows(found: dict[tuple[str, int], list[tuple[Run, np.ndarray]]]) -> list[Row]:
    every = np.concatenate([margins for each in found.values() for _, margins in each])
    edges = np.linspace(every.min(), max(every.max(), every.min() + 1e-6), BINS + 1)
    rows: list[Row] = []
    for (network, split), each in found.items():
        shares = [(run, np.histogram(margins, edges)[0] / len(margins)) for run, margins in each]
        for i in range(BINS):
            row: Row = {"network": network, "split": split, "from": float(edges[i]), "to": float(edges[i + 1])}
            rows.append(row | {SHARE: Measure.of(((run, float(share[i])) for run, share in shares), PERCENT)})
    return with_numbers(rows)


PLOT = Plot(
    table=table,
    draw=draw,
    title="Margins of single images",
    caption=(
        "Margin of every image of the test set at the end of training: the logit of the correct class minus the "
        "largest of the others, negative if the prediction is wrong (left of the dashes). Lines: fraction of the "
        "images in each of 60 bins, mean over seeds; bands: sample standard deviation. The CNN (black) and the "
        "networks that were split off it at some epoch (colour), first learning rate of the branches; runs that "
        "diverged have no margins. --set branch=efcn or control shows other branches, --set images=train the training "
        "set."
    ),
    family=HEADING,
    order=5,
    sweeps=("cnn_elcn", "cnn_efcn", "cnn_elcn_multiplier"),
    per="group",
    options={"branch": ("elcn", "efcn", "control"), "images": ("test", "train")},
    paper=(
        "Ardeshir, Hsu, Sanford: modes at 25 (CNN) and 16 (eLCN from epoch 37) on the training set, with a gap at 1 "
        "to 5 that comes from comparing the correct logit with the second smallest one."
    ),
)
