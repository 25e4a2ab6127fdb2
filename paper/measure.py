"""A number measured once per seed: its mean, its standard deviation, its seeds, and its text form."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.store import Run

PERCENT = "%"


@dataclass(frozen=True)
class Measure:
    """One value for each run that has it.

    Attributes:
        values: the runs' values; fractions when the unit is "%".
        unit: "%" to be shown in per cent, or "" for a plain number.
        seeds: of the runs that the values come from.
        usual: the largest n of the table, stated above the figure; a smaller n is annotated where it occurs.
    """

    values: tuple[float, ...]
    unit: str = ""
    seeds: tuple[int, ...] = ()
    usual: int = 0

    @classmethod
    def of(cls, pairs: Iterable[tuple[Run, float | None]], unit: str = "") -> Measure:
        """Return the measure of (run, value) pairs.

        Values that are not finite (not measured) are left out. A run that two sweeps have in common counts once.
        """
        once = {run.signature: (run.options.get("seed", 0), value) for run, value in pairs}.values()
        found = [(seed, float(v)) for seed, v in once if isinstance(v, (int, float)) and math.isfinite(v)]
        return cls(tuple(value for _, value in found), unit, tuple(seed for seed, _ in found))

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean; NaN if empty."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def sd(self) -> float:
        """Sample standard deviation (n - 1); NaN for fewer than two values."""
        return statistics.stdev(self.values) if self.n > 1 else math.nan

    @property
    def factor(self) -> int:
        """What a value is multiplied by to be shown in its unit."""
        return 100 if self.unit == PERCENT else 1

    def text(self) -> str:
        """Return "98.7 ± 0.4 %"; no standard deviation for a single value, a dash if empty."""
        if not self.values:
            return "-"
        if self.unit == PERCENT:
            parts, end = [f"{100 * v:.1f}" for v in (self.mean, self.sd)], " %"
        else:
            digits = 0 if abs(self.mean) >= 100 else 3
            parts, end = [f"{v:,.{digits}f}" for v in (self.mean, self.sd)], ""
        return " ± ".join(parts[: min(self.n, 2)]) + end


Row = dict[str, Any]  # column -> text, number or Measure


def measured(runs: Sequence[Run], key: str, unit: str = PERCENT) -> Measure:
    """Return the measure of one key of the runs' summaries."""
    return Measure.of(((run, run.summary.get(key)) for run in runs), unit)


def with_numbers(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in which at least one run has measured something, their measures told the largest n of all."""
    found = [row for row in rows if any(cell.n for cell in row.values() if isinstance(cell, Measure))]
    usual = max((cell.n for cell in _cells(found)), default=0)
    return [{k: replace(v, usual=usual) if isinstance(v, Measure) else v for k, v in row.items()} for row in found]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of texts as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    cells = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return ["  ".join(line).rstrip() for line in cells]


def said(measures: Iterable[Measure], before: str = "") -> str:
    """Return `before` and "n = 2" or "n = 1, 2", the seeds that these have; "" where that is the table's usual n."""
    counts = {measure.n: measure.n == measure.usual for measure in measures if measure.n}
    return "" if all(counts.values()) else f"{before}n = {', '.join(map(str, sorted(counts)))}"


def seeds_note(rows: Sequence[Row]) -> str:
    """Return what the head of a picture says about n."""
    counts = Counter(cell.n for cell in _cells(rows) if cell.n)
    if not counts:
        return ""
    usual, numbers = max(counts), sum(counts.values())
    if len(counts) == 1:
        return f"n = {usual}" + (", no spread" if usual == 1 else "")
    others = ", ".join(f"n = {n} in {counts[n]}" for n in sorted(counts) if n != usual)
    note = f"n = {usual} unless another n stands there: {others} of the table's {numbers} numbers"
    return note + ("; n = 1 has no spread" if 1 in counts else "")


def _cells(rows: Iterable[Row]) -> list[Measure]:
    return [cell for row in rows for cell in row.values() if isinstance(cell, Measure)]
