"""Shared by the figures of untied networks: the branches of a run, their names and colours, their curves."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes

from core.store import Run
from paper.figure import BLUE, DARK, GREEN, GREY, ORANGE, PURPLE, VERMILLION
from paper.measure import PERCENT, Measure, measured
from tasks.untying.branches import rate_name

HEADING = "When does weight sharing stop mattering? CNN, eLCN, eFCN"
RETIED = "retied"
NAMES = {
    "control": "CNN continued (control)", "elcn": "eLCN", "efcn": "eFCN", RETIED: "eLCN, re-tied",
    "lcn": "LCN from scratch", "fcn": "FCN from scratch",
}  # fmt: skip
COLOURS = {"control": DARK, "elcn": BLUE, "efcn": ORANGE, RETIED: GREEN, "lcn": PURPLE, "fcn": VERMILLION, "cnn": GREY}


def rates(runs: Sequence[Run]) -> list[str]:
    """Return the branches' learning rates as they stand in keys, "0.01"."""
    return list(dict.fromkeys(rate_name(rate) for run in runs for rate in run.options.get("split.lr", ())))


def splits(runs: Sequence[Run], kind: str, rate: str) -> list[int]:
    """Return the epochs at which branches of a kind left the CNN."""
    pattern = re.compile(re.escape(f"{kind}_{rate}/") + r"(\d+)/test/accuracy")
    return sorted({int(m[1]) for run in runs for m in map(pattern.fullmatch, run.summary) if m})


@lru_cache(maxsize=256)
def rows(run: Run) -> tuple[dict[str, Any], ...]:
    """Return a run's history, read once."""
    return tuple(run.history())


def curve(runs: Sequence[Run], stage: str, key: str, unit: str = "") -> dict[int, Measure]:
    """Return epoch (of the stage) -> measure of a key of the history."""
    found: dict[int, list[tuple[Run, Any]]] = {}
    for run in runs:
        for row in rows(run):
            if f"{stage}/epoch" in row and key in row:
                found.setdefault(int(row[f"{stage}/epoch"]), []).append((run, row[key]))
    return {epoch: Measure.of(values, unit) for epoch, values in sorted(found.items())}


def accuracy(runs: Sequence[Run], kind: str, rate: str, split: int, part: str = "test") -> Measure:
    """Return the last accuracy of a branch; of a network from scratch, that after as many epochs in all."""
    if kind in ("lcn", "fcn"):
        stage, epochs = f"{kind}_{rate}", {run.options["split.epochs"] for run in runs}
        whole = curve(runs, stage, f"{stage}/{part}/accuracy", PERCENT)
        return whole.get(split + epochs.pop(), Measure((), PERCENT)) if len(epochs) == 1 else Measure((), PERCENT)
    middle = "/retied" if kind == RETIED else ""
    key = f"{'elcn' if kind == RETIED else kind}_{rate}/{split}{middle}/{part}/accuracy"
    return measured(runs, key)


def all_splits(runs: Sequence[Run], rate: str) -> list[int]:
    """Return the epochs at which branches of any kind left the CNN."""
    return sorted({split for kind in NAMES for split in splits(runs, kind, rate)})


def split_axis(axes: Axes, places: Sequence[int]) -> None:
    """Give the x axis the epochs of the splits: log-spaced, with room for 0."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks: list[int] = []
    for place in places:  # labels that stand too close are left out
        if not ticks or math.log1p(place) - math.log1p(ticks[-1]) > 0.35:
            ticks.append(place)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(-0.15, max(places, default=1) * 1.25 + 0.1)
    axes.set_xlabel("epoch of the split")
