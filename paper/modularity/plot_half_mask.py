"""Accuracy drop from masking the early or the late half of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import GREEN, GREY, PURPLE, Plot, figure, legend
from paper.marks import bars
from paper.measure import Measure, Row, measured, with_numbers
from paper.modularity.arithmetic import HEADING
from paper.modularity.networks import networks

HALVES = {"early": "loss, early half masked", "late": "loss, late half masked"}


def table(runs: Sequence[Run]) -> list[Row]:
    """Return each network's accuracy and what it loses when one half is masked."""
    rows: list[Row] = []
    for name, part in networks(runs):
        row: Row = {"network": name, "accuracy, unmasked": measured(part, f"final/network/{_test(part)}")}
        rows.append(row | {column: _loss(part, half) for half, column in HALVES.items()})
    return [row for row in with_numbers(rows) if any(row[column].n for column in HALVES.values())]


def draw(rows: list[Row]) -> Figure:
    """Draw two bars for each network."""
    fig, axes = figure(max(4.6, 1.4 + 1.15 * len(rows)), 3.5)
    columns = {column: column.removeprefix("loss, ") for column in HALVES.values()}
    bars(axes, range(len(rows)), rows, columns, (GREEN, PURPLE))
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    ticks = ["\n".join(fill(words, 16) for words in row["network"].split(", ")) for row in rows]
    axes.set_xticks(range(len(rows)), ticks)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylabel("drop in accuracy [percentage points]")
    legend(axes)
    return fig


def _loss(runs: Sequence[Run], half: str) -> Measure:
    whole, rest = f"final/network/{_test(runs)}", f"half/{half}/{_test(runs)}"
    pairs = [(run, run.summary.get(whole), run.summary.get(rest)) for run in runs]
    return Measure.of(((run, a - b) for run, a, b in pairs if a is not None and b is not None), "%")


def _test(runs: Sequence[Run]) -> str:
    return f"{runs[0].options.get('scan.train_split', 'test')}/accuracy/total"


PLOT = Plot(
    table=table,
    draw=draw,
    title="Masking the early or the late half of the layers",
    caption=(
        "Drop in test accuracy relative to the unmasked network, in percentage points, when the control mask is "
        "applied to the early or the late half of the layers and the other half is unmasked. Test sets: operand pairs "
        "never seen in training (unless data.split says otherwise), test commands of the SCAN split that the network "
        "is trained on, test images. Bars: mean; error bars: sample standard deviation over seeds; dots: single "
        "seeds."
    ),
    family=HEADING,
    order=7,
    sweeps=(
        "tuple_ff",
        "tuple_ff_small_halfmask",
        "tuple_rnn",
        "addmul_ff_big",
        "addmul_rnn",
        "scan",
        "trafo_scan",
        "cifar10",
        "cifar10_no_dropout",
        "cifar10_resnet",
    ),
)
