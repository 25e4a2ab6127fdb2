"""Accuracy on hard questions of a mask trained on easy ones."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, GREY, ORANGE, Plot, figure, legend_below, per_cent
from paper.marks import bars
from paper.measure import Row, with_numbers
from paper.modularity.arithmetic import CHANCE
from paper.modularity.language_images import HEADING, accuracies, with_masks
from paper.modularity.networks import module, networks

SUBNETS = ("trained network", "control mask", "mask of the easy ones")


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the accuracy of each subnet on the hard questions, for every network and module."""
    rows: list[Row] = []
    for name, part in networks(with_masks(runs, "deepmind_math")):
        options = part[0].options
        modules, learned_from = options["dm_math.modules"], options["dm_math.mask_splits"]
        parts = {name: "total"} if len(modules) == 1 else {f"{module(m)} (of {name})": m for m in modules}
        for label, key in parts.items():
            row: Row = {
                "module": label,
                "mask learned from": " and ".join(learned_from),
                "questions": "generated" if options["dm_math.generate"] else "archive",
            }
            subnets = dict(zip(SUBNETS, ("network", "control", "_".join(learned_from)), strict=True))
            rows.append(row | accuracies(part, subnets, f"hard/accuracy/{key}"))
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw three bars for each module."""
    fig, axes = figure(max(6.4, 1.4 + 1.35 * len(rows)), 3.8)
    easy = all(row["mask learned from"] == "easy" for row in rows)
    columns = {column: column for column in SUBNETS[:2]} | {SUBNETS[2]: SUBNETS[2] if easy else "mask of some"}
    bars(axes, range(len(rows)), rows, columns, (GREY, BLUE, ORANGE), CHANCE)
    ticks = [row["module"] if easy else f"{row['module']}, {row['mask learned from']}" for row in rows]
    axes.set_xticks(range(len(rows)), [fill(text, 16) for text in ticks])
    axes.set_xlim(-0.6, len(rows) - 0.4)
    per_cent(axes, "accuracy on hard questions [%]")
    legend_below(fig, axes, CHANCE)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="DeepMind mathematics: hard questions with the weights for easy ones",
    caption=(
        "Accuracy on the hard test questions of each module: of the network, which is trained on easy, medium and "
        "hard questions (dm_math.train_splits), of the mask trained on the same questions (control), and of the mask "
        "trained on the easy ones (dm_math.mask_splits). An answer is correct if every character and the length are. "
        "Dashes: random masks with the same number of weights per tensor. Bars: mean; error bars: sample standard "
        "deviation over seeds; dots: single seeds. The laptop-sized sweeps generate their questions "
        "(dm_math.generate)."
    ),
    family=HEADING,
    order=4,
    sweeps=("dm_math_add_or_sub", "dm_math_lin1d", "dm_math_diff", "dm_math_sort", "dm_math_polycollect"),
    paper="Masks trained on easy questions fail on hard ones; control masks do not.",
)
