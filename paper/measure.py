"""A number that was measured once for each seed: its mean, its spread, and how it is written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.store import Run

PERCENT = "%"


@dataclass(frozen=True)
class Measure:
    """One value for each run that has it.

    Attributes:
        values: the runs' values; fractions when the unit is "%".
        unit: "%" to be shown in per cent, or "" for a plain number.
    """

    values: tuple[float, ...]
    unit: str = ""

    @classmethod
    def of(cls, values: Iterable[float | None], unit: str = "") -> Measure:
        """Return the measure of these values; what is no finite number (not measured) is left out."""
        return cls(tuple(float(v) for v in values if isinstance(v, (int, float)) and math.isfinite(v)), unit)

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean, NaN of nothing."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def sd(self) -> float:
        """Sample standard deviation (n - 1); 0 of a single value, NaN of nothing."""
        if not self.values:
            return math.nan
        return statistics.stdev(self.values) if self.n > 1 else 0.0

    def text(self) -> str:
        """Return "98.7 ± 0.4 %"; no spread of a single value, a dash of nothing."""
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
    return Measure.of((run.summary.get(key) for run in runs), unit)


def with_numbers(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in which at least one run has measured something."""
    return [row for row in rows if any(cell.n for cell in row.values() if isinstance(cell, Measure))]
