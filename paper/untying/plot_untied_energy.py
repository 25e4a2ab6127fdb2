"""How far untied networks deviate from convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import Plot, figure
from paper.marks import line
from paper.measure import Measure, Row, with_numbers
from paper.untying.untying import COLOURS, HEADING, NAMES, rates, split_axis, splits

PARTS = {"tied": "tied", "untied": "untied, local", "off_local": "off-local"}
KINDS = ("elcn", "efcn")
DASHES = {"tied": "-", "untied": (0, (4, 1.5)), "off_local": (0, (1, 1.5))}  # colours are of the networks, as elsewhere


def table(runs: Sequence[Run], rate: str = "first") -> list[Row]:
    """Return the share of each part in the norm, and the distance moved in it, for each kind of branch and split."""
    found: list[Row] = []
    chosen = rates(runs)[-1 if rate == "last" else 0 :][:1]
    for lr in chosen:
        for kind in KINDS:
            for split in splits(runs, kind, lr):
                label = f"{kind}_{lr}/{split}"
                row: Row = {"branch": kind, "learning rate": lr, "split": split}
                for part, words in PARTS.items():
                    squares = [(run, run.summary.get(f"{label}/moved/{part}/total")) for run in runs]
                    row[f"share, {words}"] = Measure.of((run, _share(run, label, part)) for run in runs)
                    row[f"moved, {words}"] = Measure.of((run, s**0.5) for run, s in squares if s is not None)
                found.append(row)
    return with_numbers(found)


def draw(rows: list[Row]) -> Figure:
    """Draw shares on the left and distances on the right."""
    fig, (left, right) = figure(9.2, 3.9, 2)
    for kind in KINDS:
        mine = [row for row in rows if row["branch"] == kind]
        places = [row["split"] for row in mine]
        for part, words in PARTS.items():
            if kind == "elcn" and part == "off_local":
                continue
            drawn: dict[str, Any] = {"color": COLOURS[kind], "linestyle": DASHES[part]}
            if part != "tied":
                line(left, places, [row[f"share, {words}"] for row in mine], **drawn)
            line(right, places, [row[f"moved, {words}"] for row in mine], f"{NAMES[kind]}: {words}", **drawn)
    for axes in (left, right):
        axes.set_yscale("log")
        split_axis(axes, sorted({row["split"] for row in rows}))
    left.set_ylabel("fraction of the norm")
    right.set_ylabel("distance moved since the split")
    fig.legend(*right.get_legend_handles_labels(), loc="outside right center")
    return fig


def _share(run: Run, label: str, part: str) -> float | None:
    found = {p: run.summary.get(f"{label}/energy/{p}/total") for p in PARTS}
    parts = {p: float(energy) for p, energy in found.items() if energy is not None}
    if len(parts) < len(PARTS) or not sum(parts.values()):
        return None
    share: float = (parts[part] / sum(parts.values())) ** 0.5
    return share


PLOT = Plot(
    table=table,
    draw=draw,
    title="How far untied networks deviate from convolutions",
    caption=(
        "The weights of the layers that were convolutions, decomposed into three parts: the part that is the same at "
        "all sites (tied), the part that differs between sites but lies in the local blocks (untied), and the part "
        "that connects a site to pixels beyond its patch (off-local, only in an eFCN). Left: norm of the latter two "
        "as a fraction of the norm of these weights at the end of training. Right: distance moved since the split, by "
        "part. Points: mean; error bars: sample standard deviation over seeds; small dots: single seeds. Both axes "
        "are logarithmic; first learning rate of the branches, --set rate=last shows the last."
    ),
    family=HEADING,
    order=3,
    sweeps=("cnn_elcn", "cnn_efcn", "cnn_elcn_multiplier"),
    per="group",
    options={"rate": ("first", "last")},
    paper=(
        "d'Ascoli et al.: for all switch times the deviation from the convolutional subspace is small, and it is "
        "smaller the later the switch."
    ),
)
