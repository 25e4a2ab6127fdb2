"""What the figures of subtask induction have in common: the transfers of a run, their names, colours and accuracies."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes

from core.store import Run
from paper.figure import BLUE, DARK, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from paper.measure import PERCENT, Measure, Row
from tasks.induction.conditions_options import WITH_MASK, Cell

HEADING = "Does a transplanted subnetwork carry its rule along? Subtask induction"
TASK = "induction_math"
NAMES = {
    "subnet": "subnet", "random": "random, same size", "complement": "of its complement, same size",
    "magnitude": "largest weights, same size", "inverse": "all but the subnet", "rest": "no masked weights",
    "full": "whole base", "scratch": "from scratch",
}  # fmt: skip
COLOURS = {
    "subnet": BLUE, "random": ORANGE, "complement": VERMILLION, "magnitude": PURPLE, "inverse": SKY, "rest": GREEN,
    "full": DARK, "scratch": GREY,
}  # fmt: skip
KINDS = {"last": "last", "valid": "valid_selected", "oracle": "oracle_selected"}
WHAT_VARIES = (
    "mean and sample standard deviation over seeds, of which each has its own pairs, base, mask, random masks and "
    "transfers; of several transfers of a run the mean counts."
)


def of_task(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of the task."""
    return [run for run in runs if run.task == TASK]


def chosen(runs: Sequence[Run], option: str) -> list:
    """Return every item that a list among the transfers' options has in some run, in order."""
    return list(dict.fromkeys(item for run in runs for item in run.options[f"transfer.{option}"]))


def counts(runs: Sequence[Run]) -> list[int]:
    """Return the numbers of disambiguating pairs, ascending."""
    return sorted(chosen(runs, "disambiguating"))


def accuracy(
    runs: Sequence[Run], condition: str, count: int, trained: bool = False, kind: str = "last", key: str = ""
) -> Measure:
    """Return the accuracy of a transfer on the test pairs, or another number of it.

    Args:
        runs: one for each seed.
        condition, count, trained: which transfer.
        kind: one of `KINDS`.
        key: another key behind final/<cell>/.
    """
    return Measure.of(((run, _value(run, condition, count, trained, key or KINDS[kind])) for run in runs), PERCENT)


def _value(run: Run, condition: str, count: int, trained: bool, key: str) -> float | None:
    """Return the mean over a run's repeats; None unless it has them all."""
    cells = [Cell(condition, count, trained, repeat).name for repeat in range(run.options["transfer.repeats"])]
    found = [value for cell in cells if (value := run.summary.get(f"final/{cell}/{key}")) is not None]
    return statistics.fmean(found) if len(found) == len(cells) else None


def frozen_first(runs: Sequence[Run], condition: str) -> bool:
    """Return how the donor's part of a condition is treated in a figure with one curve for each: frozen, if it was."""
    return condition in WITH_MASK and "frozen" not in chosen(runs, "donor")


def majority(runs: Sequence[Run]) -> Measure:
    """Return the accuracy of always giving the target's most frequent answer."""
    return Measure.of(((run, run.summary.get("majority/target")) for run in runs), PERCENT)


def count_axis(axes: Axes, places: Sequence[int]) -> None:
    """Give the x axis the numbers of disambiguating pairs: log-spaced, with room for 0."""
    first = min((place for place in places if place), default=1)
    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    ticks: list[int] = []
    for place in places:  # labels that stand too close are left out
        if not ticks or math.log1p(place / first) - math.log1p(ticks[-1] / first) > 0.45:
            ticks.append(place)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(-0.12 * first, max(places, default=1) * 1.3 + 0.12 * first)
    axes.set_xlabel("disambiguating pairs")


def curves(rows: Sequence[Row]) -> dict[str, tuple[list[int], list[Measure]]]:
    """Return (numbers of pairs, accuracies) of each condition of a table with "condition", "pairs", "accuracy"."""
    found: dict[str, tuple[list[int], list[Measure]]] = {}
    for row in rows:
        places, measures = found.setdefault(row["condition"], ([], []))
        places.append(row["pairs"])
        measures.append(row["accuracy"])
    return found
