"""W&B's hyperband as a pure rule: which running runs of a sweep are to end early.

An iteration of a run is a row of its history in which the metric is a finite number. Values are such that smaller is
better; the caller negates those of a metric to be maximised. Source: the early termination of W&B's `sweeps` 0.3.0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ETA = 3.0
MOST_BANDS = 100
LONGEST = 10**12  # iterations; no run has as many


@dataclass(frozen=True)
class Verdict:
    """Why a run ends early.

    Attributes:
        band: the iteration at which the runs were compared.
        value: of the run: at the band, or its best so far where the rule is not strict.
        threshold: what the value is worse than.
        runs: how many had reached the band.
    """

    band: int
    value: float
    threshold: float
    runs: int


@dataclass(frozen=True)
class Hyperband:
    """The rule of one sweep.

    Attributes:
        bands: the iterations at which runs are compared, ascending.
        eta: one in so many of the runs that have reached a band stays below its threshold.
        strict: judge by the value at the band; otherwise by the best value so far.
    """

    bands: tuple[int, ...]
    eta: float = ETA
    strict: bool = True

    @classmethod
    def of(cls, keys: Mapping[str, Any]) -> Hyperband:
        """Return the rule that `early_terminate:` describes.

        Args:
            keys: min_iter, or max_iter and s; eta (3), strict (true).

        Raises:
            KeyError: max_iter without s, or neither max_iter nor min_iter.
        """
        eta = keys.get("eta", ETA)
        if "max_iter" in keys:  # it counts where both are given
            powers = (keys["max_iter"] / eta**power for power in range(1, min(int(keys["s"]), MOST_BANDS) + 1))
            bands = tuple(int(band) for band in itertools.takewhile(lambda band: band >= 1, powers))[::-1]
        else:
            growing = itertools.accumulate(range(MOST_BANDS - 1), lambda band, _: band * eta, initial=keys["min_iter"])
            bands = tuple(int(band) for band in itertools.takewhile(lambda band: band < LONGEST, growing))
        return cls(bands, eta, keys.get("strict", True))

    def threshold(self, band: int, runs: Sequence[Sequence[float]]) -> tuple[float, int]:
        """Return the threshold of a band, infinity where no run has reached it, and how many have."""
        values = sorted(values[band - 1] for values in runs if len(values) >= band)
        return (values[int(1 / self.eta * len(values))] if values else math.inf), len(values)

    def judge(self, values: Sequence[float], runs: Sequence[Sequence[float]]) -> Verdict | None:
        """Return why a running run is to end now, or None where it goes on.

        Args:
            values: of the run, an entry for each iteration.
            runs: the same of every run of the sweep in whatever state, this one included.
        """
        band = max((band for band in self.bands if band <= len(values)), default=0)
        if not band:
            return None
        threshold, count = self.threshold(band, runs)
        value = values[band - 1] if self.strict else min(values)
        return Verdict(band, value, threshold, count) if value > threshold else None
