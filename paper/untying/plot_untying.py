"""Norm and accuracy of the CNN and of the networks untied from it, over the epochs of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from core.store import Run
from paper.figure import DARK, Plot, figure
from paper.marks import line
from paper.measure import PERCENT, Measure, Row, with_numbers
from paper.untying.untying import HEADING, NAMES, curve, rates, splits

PANELS = {"log norm / margin": "norm/per_margin", "train accuracy": "train/accuracy", "test accuracy": "test/accuracy"}


def table(runs: Sequence[Run], branch: str = "", margin: str = "correct") -> list[Row]:
    """Return every measured epoch of the CNN and of each branch.

    Args:
        runs: runs of one group.
        branch: elcn, efcn or control; by default the first that there is.
        margin: correct or published.
    """
    found: list[Row] = []
    for rate in rates(runs):
        kind = branch or next((kind for kind in ("elcn", "efcn", "control") if splits(runs, kind, rate)), "elcn")
        found += _rows(runs, "CNN", rate, 0, "cnn", "cnn", margin)
        for split in splits(runs, kind, rate):
            stage = f"{kind}_{rate}"
            found += _rows(runs, NAMES[kind], rate, split, stage, f"{stage}/{split}", margin)
    return with_numbers(found) if any(row["network"] != "CNN" for row in found) else []


def draw(rows: list[Row]) -> Figure:
    """Draw three panels for each learning rate."""
    lrs = list(dict.fromkeys(row["learning rate"] for row in rows))
    fig, _ = figure(9.2, 0.6 + 2.7 * len(lrs), 1)
    fig.clear()
    grid = fig.subplots(len(lrs), 3, squeeze=False, sharex=True)
    last = max(row["split"] for row in rows)
    shade = LogNorm(1, last + 1 if last else 2)
    for lr, panels in zip(lrs, grid, strict=True):
        mine = [row for row in rows if row["learning rate"] == lr]
        for axes, column in zip(panels, PANELS, strict=True):
            for split in sorted({row["split"] for row in mine if row["network"] != "CNN"}, reverse=True):
                part = [row for row in mine if row["network"] != "CNN" and row["split"] == split]
                colour = matplotlib.colormaps["viridis"](0.92 * shade(split + 1))
                _line(axes, part, column, f"{part[0]['network']} from epoch {split}", color=colour)
            _line(axes, [row for row in mine if row["network"] == "CNN"], column, "CNN", color=DARK, zorder=4)
            axes.set_ylabel(column + (" [%]" if "accuracy" in column else ""))
            if lr == lrs[-1]:
                axes.set_xlabel("epoch")
        if len(lrs) > 1:
            panels[0].set_title(f"branches at learning rate {lr}", loc="left")
    handles, labels = grid[0][1].get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: (labels[i] != "CNN", -i))
    fig.legend([handles[i] for i in order], [labels[i] for i in order], loc="outside lower center", ncols=4)
    return fig


def _line(axes: Axes, part: Sequence[Row], column: str, label: str, **style: Any) -> None:
    line(axes, [row["epoch"] for row in part], [row[column] for row in part], label, "band", **style)


def _rows(runs: Sequence[Run], network: str, lr: str, split: int, stage: str, label: str, margin: str) -> list[Row]:
    ending = "_published" if margin == "published" else ""
    keys = {c: f"{label}/{key}{ending if key == 'norm/per_margin' else ''}" for c, key in PANELS.items()}
    curves = {c: curve(runs, stage, key, PERCENT if "accuracy" in c else "") for c, key in keys.items()}
    epochs = sorted(set().union(*curves.values()))
    nothing = {c: Measure((), PERCENT if "accuracy" in c else "") for c in PANELS}
    return [
        {"learning rate": lr, "network": network, "split": split, "epoch": split + epoch}
        | {c: curves[c].get(epoch, nothing[c]) for c in PANELS}
        for epoch in epochs
    ]


PLOT = Plot(
    table=table,
    draw=draw,
    title="Norm and accuracy before and after untying",
    caption=(
        "The CNN (black) and the networks split off it at some epoch (colour), over the epochs of both. Left: log of "
        "the product of the layers' Frobenius norms, each layer counted as its untied form would store it, divided by "
        "the mean margin on the test set; a seed whose mean margin is not positive has no value there. Middle, right: "
        "accuracy on the training and the test set. Lines: mean over seeds; bands: sample standard deviation. One row "
        "of panels per learning rate of the branches. --set branch=efcn or control shows other branches, --set "
        "margin=published the published margin, which compares the correct logit with the second smallest one."
    ),
    family=HEADING,
    order=1,
    sweeps=("cnn_elcn", "cnn_efcn", "cnn_elcn_multiplier"),
    per="group",
    options={"branch": ("elcn", "efcn", "control"), "margin": ("correct", "published")},
    paper=(
        "SkinnyNet, CIFAR-10, 150 epochs, one seed: the CNN ends at 73.2 % on the test set; eLCNs from epochs 1, 9, "
        "28 and 85 at 67.7, 72.4, 75.4 and 73.7 %. The earlier the split, the lower the norm and the worse the "
        "accuracy; an intermediate split beats the CNN. It uses only the published margin, and its CNN is never "
        "trained at the eLCNs' learning rate: see the control."
    ),
)
