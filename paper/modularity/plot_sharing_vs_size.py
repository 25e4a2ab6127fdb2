"""Whether larger networks share less between + and ×."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import COLOURS, Plot, figure, legend, per_cent
from paper.marks import bars
from paper.measure import Row, measured, with_numbers
from paper.modularity.arithmetic import CHANCE, HEADING, subtasks, word
from paper.modularity.networks import networks


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the sharing of each mask for every network, smallest first."""
    rows: list[Row] = []
    for name, part in networks([run for run in runs if subtasks([run])]):
        weights = next((run.summary["size/total"] for run in part if "size/total" in run.summary), 0)
        row: Row = {"network": name.partition(", ")[2] or name, "weights": int(weights)}
        for subtask in subtasks(part):
            row[f"shared of {word(subtask)}"] = measured(part, f"sharing/{subtask}/total")
            row[f"shared of {word(subtask)}, {CHANCE}"] = measured(part, f"sharing_random/{subtask}/total")
            row[f"kept for {word(subtask)}"] = measured(part, f"kept/{subtask}/total", "")
        rows.append(row)
    return sorted(with_numbers(rows), key=lambda row: row["weights"])


def draw(rows: list[Row]) -> Figure:
    """Draw two bars for each network."""
    shared = [column for column in rows[0] if column.startswith("shared of") and CHANCE not in column]
    columns = {column: column.replace("shared of", "mask of") for column in shared}
    fig, axes = figure(max(5.6, 1.2 + 1.35 * len(rows)), 3.4)
    bars(axes, range(len(rows)), rows, columns, COLOURS, CHANCE)
    ticks = [f"{_sizes(row['network'])}\n({_short(row['weights'])} weights)" for row in rows]
    axes.set_xticks(range(len(rows)), ticks)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    per_cent(axes, "shared with the other mask [%]", rows)
    legend(axes, CHANCE)
    return fig


def _sizes(network: str) -> str:
    return network.removeprefix("feed-forward ").replace(", ", ",\n")


def _short(number: int) -> str:
    if number >= 1e6:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1e4 else f"{number:,}"


PLOT = Plot(
    table=table,
    draw=draw,
    title="Sharing against network size",
    caption=(
        "Fraction of each operation's mask that the other operation's mask also keeps, over all masked weights, for "
        "feed-forward networks of increasing size. Dashes: expected value for random masks of the same sizes. Bars: "
        "mean; error bars: sample standard deviation over seeds; dots: single seeds."
    ),
    family=HEADING,
    order=5,
    sweeps=("addmul_ff", "addmul_ff_big", "addmul_ff_huge"),
    paper="Larger networks share less.",
)
