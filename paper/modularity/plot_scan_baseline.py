"""A mask trained on a split's training commands, compared with a network trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import GREY, ORANGE, Plot, figure, legend_below, per_cent
from paper.marks import bars
from paper.measure import Row, measured, with_numbers
from paper.modularity.language_images import HEADING, SPLITS
from paper.modularity.networks import networks
from paper.results import series

SUBNETS = ("network trained on the split", "mask of the split")
BASELINE = "train_baseline"
OF_TRAINING = (BASELINE, "scan.analyze_splits", "train.eval_batch_size")  # in which the two kinds of runs may differ


def table(runs: Sequence[Run]) -> list[Row]:
    """Return both accuracies for every split and network."""
    mine = [run for run in runs if run.task in ("scan", "trafo_scan")]
    free = {*OF_TRAINING, *(name for run in mine for name in run.options if name.startswith("mask."))}
    rows: list[Row] = []
    for name, part in networks(mine, tuple(free)):
        trained = [run for run in part if run.options[BASELINE]]
        for differs, masked in series([run for run in part if not run.options[BASELINE]]) or [({}, [])]:
            label = ", ".join([name, *(f"{key} {text}" for key, text in differs.items())])
            for split, words in SPLITS.items():
                same = [run for run in trained if tuple(run.options["scan.analyze_splits"]) == (split,)]
                rows.append(
                    {
                        "network": label,
                        "split": words,
                        SUBNETS[0]: measured(same, f"final/network/{split}/accuracy/total"),
                        SUBNETS[1]: measured(masked, f"final/{split}/{split}/accuracy/total"),
                    }
                )
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw two bars for each split, in a panel for each network."""
    names = list(dict.fromkeys(row["network"] for row in rows))
    fig, panels = figure(1.8 + 3.2 * len(names), 3.8, len(names), sharey=True, squeeze=False)
    for name, axes in zip(names, panels[0], strict=True):
        mine = [row for row in rows if row["network"] == name]
        bars(axes, range(len(mine)), mine, {column: column for column in SUBNETS}, (GREY, ORANGE))
        axes.set_xticks(range(len(mine)), [row["split"] for row in mine])
        axes.set_xlim(-0.6, len(mine) - 0.4)
        axes.set_xlabel("test of the split")
        axes.set_title(fill(name.removeprefix("SCAN, "), 40), loc="left")
    per_cent(panels[0][0], "accuracy [%]")
    legend_below(fig, panels[0][0])
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="SCAN: masks of a split, and networks trained on the split",
    caption=(
        "Accuracy on the test commands of three splits of SCAN: of networks trained on the split's training commands, "
        "and of masks trained on the same commands, on networks trained on the simple split (scan.train_split), which "
        "contains all kinds of commands. An answer is correct if every word and the length are. Bars: mean; error "
        "bars: sample standard deviation over seeds; dots: single seeds."
    ),
    family=HEADING,
    order=3,
    sweeps=("scan_baseline", "scan", "trafo_scan"),
    paper="The accuracy left after masking is similar to that of networks trained on the split.",
)
