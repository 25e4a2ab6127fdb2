"""Stacked bars of what one or two subnets use of each part of a network; drawn by `paper.subnetwork_report`."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.subnet_parts import By, Part, parts
from core.errors import MaskError
from masks.algebra import Masks
from paper.figure import BLUE, DASHES, GREEN, GREY, ORANGE, Plot, figure, legend_below
from paper.measure import PERCENT, Measure, Row, with_numbers

CHANCE = "shared by random masks of the same sizes"
LIGHT = "#E4E4E4"


def table(names: Sequence[str], pairs: Sequence[tuple[Masks, ...]], seeds: Sequence[int], by: By) -> list[Row]:
    """Return the share of each part's weights that both subnets use, either alone, and neither.

    Args:
        names: of the one or two subnets.
        pairs: the masks of each run; every run's are of the same network.
        seeds: of the runs.
        by: what a row is.

    Raises:
        MaskError: two masks are not of the same tensors.
    """
    counted = [parts(masks[0], masks[1] if len(masks) > 1 else None, by) for masks in pairs]
    rows: list[Row] = []
    for same in zip(*counted, strict=True):
        if len({(part.name, part.weights) for part in same}) > 1:
            raise MaskError(f"{same[0].name} has {same[0].weights} weights in one run, and not in another")
        cells = {column: [_share(part, n) for part, n in zip(same, numbers, strict=True)]
                 for column, numbers in _columns(names, same).items()}  # fmt: skip
        measures = {column: Measure(tuple(values), PERCENT, tuple(seeds)) for column, values in cells.items()}
        rows.append({by: same[0].name, "weights": same[0].weights} | measures)
    return with_numbers(rows)


def _columns(names: Sequence[str], same: Sequence[Part]) -> dict[str, list[float]]:
    """Return the counts of one part in all runs, by column; those that are stacked in the order of the bars."""
    if len(names) == 1:
        return {f"used by {names[0]}": [p.first for p in same], "unused": [p.unused for p in same]}
    return {
        "shared": [p.shared for p in same],
        f"only {names[0]}": [p.first for p in same],
        f"only {names[1]}": [p.second for p in same],
        "unused": [p.unused for p in same],
        CHANCE: [p.chance for p in same],
    }


def _share(part: Part, number: float) -> float:
    return number / part.weights if part.weights else 0.0


def draw(rows: list[Row]) -> Figure:
    """Draw a bar for each part from left to right, the first part at the top."""
    columns = [column for column in rows[0] if isinstance(rows[0][column], Measure) and column != CHANCE]
    colours = (GREEN, BLUE, ORANGE, LIGHT) if len(columns) == 4 else (BLUE, LIGHT)
    labels = [next(cell for cell in row.values() if isinstance(cell, str)) for row in rows]
    longest = max(map(len, labels))
    fig, axes = figure(5.6 + 0.062 * longest, 1.75 + 0.27 * len(rows))
    left = [0.0] * len(rows)
    for column, colour in zip(columns, colours, strict=True):
        means = [100 * row[column].mean for row in rows]
        axes.barh(range(len(rows)), means, 0.74, left=left, color=colour, label=column, zorder=2)
        left = [a + b for a, b in zip(left, means, strict=True)]
    chance = [100 * row[CHANCE].mean for row in rows] if CHANCE in rows[0] else []
    for y, x in enumerate(chance):
        axes.vlines(x, y - 0.37, y + 0.37, zorder=6, **DASHES)
    axes.set_yticks(
        range(len(rows)), [f"{label} ({row['weights']:,})" for label, row in zip(labels, rows, strict=True)]
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("weights [%]")
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=GREY, alpha=0.2)
    legend_below(fig, axes, CHANCE if chance else "", columns=2)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="What subnetworks use",
    caption=(
        "Share of the maskable weights that both subnets use, that one of them uses alone, and that neither uses; in "
        "parentheses the number of weights. Bars: mean over the runs; their deviations are in the table. Dashes: what "
        "two random masks would share that keep as many weights of each tensor. A weight whose sign a mask flips "
        "counts as used."
    ),
    family="Any subnetworks",
    order=0,
    sweeps=(),
    paper="none: a report on runs, sweeps or mask files, made by python -m paper.subnetwork_report.",
    name="subnetwork_report",
)
