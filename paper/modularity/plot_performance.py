"""Accuracy of masks, their inverses and random masks on each part of the task."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import COLOURS, Plot, figure, legend, per_cent
from paper.marks import bars
from paper.measure import Measure, Row, measured, with_numbers
from paper.modularity.arithmetic import HEADING, subtasks, word

WAYS = {"none": "inverted", "control": "control mask", "ones": "unmasked"}
LAYERS = "input and output layers"


def table(runs: Sequence[Run], inverse_io: str = "") -> list[Row]:
    """Return accuracy on each part, and the share of weights kept, of each subnet.

    Args:
        runs: runs of one group.
        inverse_io: which inverse-mask test; by default "none", or the first that was measured.
    """
    parts = subtasks(runs)
    if not parts:
        return []
    measured_ways = [
        way
        for way in WAYS
        for part in parts
        if any(f"inverse/{part}/{way}/test/accuracy/{part}" in run.summary for run in runs)
    ]
    way = inverse_io or next(iter(measured_ways), "none")
    rows = [_row(runs, "network", "final/network"), _row(runs, "control mask", "final/control", "control")]
    for part in parts:
        name, inverse = word(part), f"inverse/{part}/{way}"
        rows.append(_row(runs, f"mask of {name}", f"final/{part}", part))
        rows.append(_row(runs, f"inverted mask of {name}", inverse, layers=WAYS[way]))
    rows.append(_row(runs, "random mask", "random/control", "control"))
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw two bars for each subnet, one for each part of the task."""
    columns = {column: column for column in rows[0] if column.startswith("accuracy")}
    fig, axes = figure(7.2, 3.5)
    bars(axes, range(len(rows)), rows, columns, COLOURS)
    axes.set_xticks(range(len(rows)), [fill(row["subnet"], 10) for row in rows])
    axes.set_xlim(-0.6, len(rows) - 0.4)
    per_cent(axes, "accuracy on the test set [%]")
    layers = next((row[LAYERS] for row in rows if row[LAYERS]), WAYS["none"])
    if layers != WAYS["none"]:
        axes.set_xlabel(f"input and output layers of the inverted masks: {layers}")
    legend(axes)
    return fig


def _row(runs: Sequence[Run], name: str, prefix: str, kept: str = "", layers: str = "") -> Row:
    accuracy = {
        f"accuracy on {word(part)}": measured(runs, f"{prefix}/test/accuracy/{part}") for part in subtasks(runs)
    }
    return {"subnet": name, LAYERS: layers} | accuracy | {"weights kept": kept_share(runs, kept)}


def kept_share(runs: Sequence[Run], subnet: str) -> Measure:
    """Return the share of the maskable weights that a subnet keeps."""
    found = [(run, run.summary.get(f"kept/{subnet}/total"), run.summary.get("size/total")) for run in runs]
    return Measure.of(((run, kept / size) for run, kept, size in found if kept is not None and size), "%")


PLOT = Plot(
    table=table,
    draw=draw,
    title="What each subnetwork can do",
    caption=(
        "Accuracy on the test set (operand pairs never seen in training, unless data.split says otherwise): of the "
        "trained network, of the mask trained for the whole task (control) and for each part, of the complements of "
        "those masks (inverted), and of a random mask with as many weights per tensor as the control mask. Bars: "
        "mean; error bars: sample standard deviation over seeds; dots: single seeds. Inverted masks also invert the "
        "input and output layers; --set inverse_io=control applies the control mask to these layers instead, --set "
        "inverse_io=ones leaves them unmasked."
    ),
    family=HEADING,
    order=1,
    sweeps=(
        "tuple_ff",
        "tuple_rnn",
        "tuple_ff_copyweight",
        "tuple_ff_first_full_mask",
        "tuple_rnn_first_full_mask",
        "addmul_ff_big",
        "addmul_ff",
        "addmul_rnn",
    ),
    per="group",
    options={"inverse_io": ("none", "control", "ones")},
    paper=(
        "Double addition: each pair's mask solves its pair (about 100 %) but not the other; the inverted mask fails "
        "on its own pair and largely preserves the other. Showing each pair only in its own time steps, or copying "
        "the input and output weights, does not change this. In general, functions specialise but submodules are not "
        "reused."
    ),
)
