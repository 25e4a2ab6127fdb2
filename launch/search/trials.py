"""The trials of a sweep, as its run folders record them: what each has measured, and which of them end early."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import SieveError
from core.files import write_json
from core.history import rows_of
from core.run_state import EARLY, OVER, mapping
from core.values import as_text
from launch.points import Point, aligned
from launch.schema import is_number
from launch.search.hyperband import Hyperband
from launch.sweep import Sweep

log = logging.getLogger("sieve")


@dataclass(frozen=True)
class Metric:
    """`metric:` of a sweep.

    Attributes:
        name: key of the history or the summary.
        sign: 1 to minimise it, -1 to maximise it.
    """

    name: str
    sign: int

    @classmethod
    def of(cls, sweep: Sweep, what: str) -> Metric:
        """Return the metric of a sweep.

        Args:
            sweep: the file.
            what: what needs it, for the error.

        Raises:
            SweepError: it has none.
        """
        root = sweep.document.root
        if "metric" not in root:
            key = what.rstrip(":")
            line = root[key].line if key in root else 0
            raise sweep.document.error(line, f"{what} needs metric: {{name: ..., goal: ...}}")
        keys = root["metric"].plain()
        return cls(keys["name"], -1 if keys.get("goal", "minimize") == "maximize" else 1)

    def values(self, folder: Path) -> list[float]:
        """Return the metric's values in the history of a run, times `sign`: smaller is better."""
        path = folder / "history.jsonl"
        try:
            found: list[Any] = [row.get(self.name) for row in rows_of(path.read_bytes(), path)]
        except FileNotFoundError:
            return []
        except (OSError, SieveError) as error:
            log.warning("left out of the search: %s", error)
            return []
        return [self.sign * float(value) for value in found if is_number(value)]

    def at_end(self, folder: Path) -> list[float]:
        """Return the metric's value in the summary of a run, times `sign`, in a list; an empty one if there is none."""
        try:
            value: Any = mapping(folder / "summary.json").get(self.name)
        except SieveError:
            return []
        return [self.sign * float(value)] if is_number(value) else []


class Trials:
    """The runs in the folder of a sweep, whoever runs them.

    Args:
        sweep: the file.
        folder: of the sweep.

    Attributes:
        rule: of `early_terminate:`, or None.

    Raises:
        SweepError: `early_terminate:` lacks the metric, or has no band.
    """

    def __init__(self, sweep: Sweep, folder: Path):
        self.folder, self.rule = folder, rule_of(sweep)
        self.metric = Metric.of(sweep, "early_terminate:") if self.rule else None
        self.known: dict[Path, tuple[tuple[int, int], list[float]]] = {}

    def end_early(self, running: Sequence[Path]) -> dict[Path, str]:
        """Judge running runs against all in the folder, and record in theirs which are to end.

        Returns:
            Why, by folder of the runs that are to end. Their processes have yet to be told.

        Raises:
            StoreError: the record cannot be written.
        """
        assert self.rule is not None and self.metric is not None
        values = {path.parent: self._values(path) for path in sorted(self.folder.glob("*/history.jsonl"))}
        found = {}
        for folder in running:
            if verdict := self.rule.judge(values.get(folder, []), list(values.values())):
                sign = self.metric.sign
                numbers = {"value": sign * verdict.value, "threshold": sign * verdict.threshold}
                steps = {"step": self._step(folder, verdict.band), "iterations": len(values[folder])}
                record = asdict(verdict) | numbers | steps | {"rule": "hyperband", "metric": self.metric.name}
                write_json(folder / EARLY, record)
                found[folder] = said(record)
        return found

    def _values(self, path: Path) -> list[float]:
        """Return what `Metric.values` does, and read the file only if it has changed."""
        assert self.metric is not None
        try:
            found = path.stat()
        except OSError:
            return []
        stamp = (found.st_size, found.st_mtime_ns)
        if path not in self.known or self.known[path][0] != stamp:
            self.known[path] = stamp, self.metric.values(path.parent)
        return self.known[path][1]

    def _step(self, folder: Path, band: int) -> int:
        """Return the training step of the row in which the metric was measured for the `band`-th time."""
        assert self.metric is not None
        path = folder / "history.jsonl"
        rows = [row for row in rows_of(path.read_bytes(), path) if is_number(row.get(self.metric.name))]
        return int(rows[min(band, len(rows)) - 1]["step"])


def rule_of(sweep: Sweep) -> Hyperband | None:
    """Return the rule of `early_terminate:`, or None.

    Raises:
        SweepError: it has no band.
    """
    item = sweep.document.root.get("early_terminate")
    if item is None:
        return None
    keys = item.plain()
    if "max_iter" in keys and "s" not in keys:
        raise sweep.document.error(item.line, "early_terminate: max_iter: needs s:")
    rule = Hyperband.of(keys)
    if not rule.bands:
        text = "early_terminate: has no band: s: below 1, or max_iter: below eta:"
        raise sweep.document.error(item.line, text)
    return rule


def said(record: dict[str, Any]) -> str:
    """Return in words why a run has ended early: the contents of its ended_early.json."""
    return (
        f"{record['metric']} {record['value']:.10g} is worse than {record['threshold']:.10g}, "
        f"the threshold of band {record['band']} (step {record['step']}, {record['runs']} runs)"
    )


def early_remarks(points: Iterable[Point]) -> list[str]:
    """Return a line for each run that has ended early: why."""
    lines = []
    for point in points:
        if point.state == "ended early":
            try:
                lines.append(f"run {point.index} ended early: {said(mapping(point.folder / EARLY))}")
            except (SieveError, KeyError, TypeError, ValueError):
                lines.append(f"run {point.index} ended early; {point.folder / EARLY} cannot be read")
    return lines


def best(sweep: Sweep, points: Iterable[Point], count: int) -> list[str]:
    """Return a table of the best points by `metric:`, the best first: its best value so far and its last one.

    Raises:
        SweepError: the sweep has no metric.
    """
    metric = Metric.of(sweep, "--best")
    found = []
    for point in points:
        if point.state in (*OVER, "running", "stopped", "failed"):
            history = metric.values(point.folder)
            values = history + metric.at_end(point.folder)
            if values:
                found.append((min(values), values[-1], point))
    found.sort(key=lambda one: (one[0], one[2].index))
    varying = found[0][2].varying if found else ()
    rows = [["run", "state", metric.name, "last", *varying, "signature"]]
    for value, last, point in found[:count]:
        numbers = [f"{metric.sign * value:.6g}", f"{metric.sign * last:.6g}"]
        texts = [as_text(point.values[name]) for name in varying]
        rows.append([str(point.index), point.state, *numbers, *texts, point.signature])
    return aligned(rows) if found else [f"no run has measured {metric.name} yet"]
