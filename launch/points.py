"""A point of a sweep: one combination of values, checked, and the run that belongs to it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SieveError
from core.option_groups import TaskOptions
from core.provenance import commits
from core.run_state import damage, state_of
from core.store import Run
from core.values import as_text
from tasks.options import outdated


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        index: number in the whole sweep, from 1; what `--only` takes.
        values: the sweep's values by dotted option name, as the file or the command line gave them.
        options: the checked options.
        signature: the run's name.
        folder: where the run lies.
        varying: the names among `values` that differ between the points of the sweep.
    """

    index: int
    values: dict[str, Any]
    options: TaskOptions
    signature: str
    folder: Path
    varying: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """One of core.run_state.STATES."""
        return state_of(self.folder)

    @property
    def label(self) -> str:
        """The task and the values that vary: what a person tells this run by."""
        values = (f"{name}={as_text(self.values[name])}" for name in self.varying)
        return " ".join([Path(self.options.task).name, *values])

    def command(self, program: Path, extra: Mapping[str, str] | None = None) -> list[str]:
        """Return the command line that does this run.

        Args:
            program: the script, `main.py`.
            extra: further options, e.g. `{"run.quiet": "true"}`.
        """
        run = {"run.sweep": self.options.run.sweep, "run.dir": self.options.run.dir}
        options = {**self.values, **(extra or {}), **run}.items()
        return [sys.executable, str(program), *(f"--{name}={as_text(value)}" for name, value in options)]


def table(
    points: Iterable[Point],
    states: Mapping[str, str] | None = None,
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """Return an aligned table: index, state, the values that vary, signature.

    Args:
        points: a row each.
        states: by signature; None: those in their folders.
        more: further columns: heading -> signature -> text.
    """
    points, more = list(points), more or {}
    varying = points[0].varying if points else ()
    rows = [["run", "state", *varying, "signature", *more]]
    for p in points:
        state = p.state if states is None else states[p.signature]
        values = [as_text(p.values[n]) for n in varying]
        rows.append([str(p.index), state, *values, p.signature, *(column[p.signature] for column in more.values())])
    return aligned(rows)


def aligned(rows: list[list[str]]) -> list[str]:
    """Return the lines of a table, its columns left-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def remarks(points: Iterable[Point]) -> list[str]:
    """Return what a reader of the results of these points should know: older revisions, results of several commits."""
    points = list(points)
    lines = [
        f"run {point.index}: {point.folder}: {damage(point.folder)}" for point in points if point.state == "damaged"
    ]
    for sweep in sorted({(point.options.run.dir, point.options.run.sweep) for point in points}):
        for path in sorted((Path(sweep[0]) / sweep[1]).glob("*/options.yaml")):
            try:
                if old := outdated(Run.load(path.parent)):
                    lines.append(f"{path.parent}: {old}; its results are of before a correction (CHANGELOG.md)")
            except SieveError as error:
                lines.append(str(error) if str(path.parent) in str(error) else f"{path.parent}: {error}")
    made = Counter(commit for point in points for commit in commits(point.folder))
    if len(made) > 1:
        counts = ", ".join(f"{commit} ({count})" for commit, count in made.most_common())
        lines.append(f"results come from several commits of the code: {counts}; + is with uncommitted changes")
    return lines
