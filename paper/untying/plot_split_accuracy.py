"""Benefit of untying a CNN at a given epoch, compared with the same learning rate and time without untying."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import Plot, figure
from paper.marks import level, line
from paper.measure import Row, measured, with_numbers
from paper.untying.untying import COLOURS, HEADING, NAMES, accuracy, all_splits, rates, split_axis


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the accuracy of every kind of branch for each learning rate and split."""
    found: list[Row] = []
    for rate in rates(runs):
        for split in all_splits(runs, rate):
            row: Row = {"learning rate": rate, "split": split, "CNN": measured(runs, "cnn/test/accuracy")}
            found.append(row | {name: accuracy(runs, kind, rate, split) for kind, name in NAMES.items()})
    return with_numbers(found)


def draw(rows: list[Row]) -> Figure:
    """Draw a line for each kind of branch, in a panel for each learning rate."""
    lrs = list(dict.fromkeys(row["learning rate"] for row in rows))
    fig, panels = figure(1.6 + 4.6 * len(lrs), 3.9, len(lrs), sharey=True, squeeze=False)
    for lr, axes in zip(lrs, panels[0], strict=True):
        mine = [row for row in rows if row["learning rate"] == lr]
        places = [row["split"] for row in mine]
        level(axes, mine[0]["CNN"], "CNN, end of training", color=COLOURS["cnn"], linestyle=(0, (3, 1.5)))
        for kind, name in NAMES.items():
            line(axes, places, [row[name] for row in mine], name, color=COLOURS[kind])
        split_axis(axes, places)
        axes.set_title(f"learning rate of the branches {lr}", loc="left")
    panels[0][0].set_ylabel("accuracy on the test set [%]")
    fig.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right center")
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Final accuracy against the epoch of the split",
    caption=(
        "Test accuracy at the end of training, against the epoch at which the network was split off the CNN. Control: "
        "the CNN continues with shared weights, at the learning rate and for the epochs of the untied branches, on "
        "the same batches. Re-tied: the eLCN with each layer averaged over its sites, without further training. From "
        "scratch: the same layers trained from random initialisation, after as many epochs as the CNN and the branch "
        "together. Dashes: the CNN at the end of its own training. No selection: every split is shown, at its last "
        "epoch. Points: mean; error bars: sample standard deviation over seeds; small dots: single seeds. The "
        "accuracy axis need not start at 0."
    ),
    family=HEADING,
    order=2,
    sweeps=("cnn_elcn", "cnn_efcn", "cnn_elcn_multiplier"),
    per="group",
    paper=(
        "eLCN (R-norm, one seed, no control): 67.7, 72.4, 75.4 and 73.7 % from epochs 1, 9, 28 and 85, the CNN 73.2 %. "
        "eFCN (d'Ascoli et al.): at every split above the fully connected network from scratch, at some above the CNN. "
        "Neither has the control: a CNN that continues at the lower learning rate."
    ),
)
