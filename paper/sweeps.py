"""A sweep's own runs, and trials: runs in its folder whose options match none of its file's points."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from core.errors import SieveError
from core.options import coerce, flatten, leaves
from core.store import Run
from core.values import as_text
from launch.sweep import Sweep
from tasks.options import options_class, resolve, still_options

log = logging.getLogger("sieve")
SWEEPS = Path(__file__).resolve().parents[1] / "sweeps"
Key = tuple[tuple[str, str], ...]  # the options that tell runs apart, as texts


@dataclass(frozen=True)
class Plan:
    """The points of a sweep file.

    Attributes:
        sweep: the file.
        points: the options of every point; () where only the W&B server draws them.
    """

    sweep: Sweep
    points: tuple[dict[str, Any], ...]

    @cached_property
    def texts(self) -> tuple[dict[str, str], ...]:
        """The options of every point as texts."""
        return tuple(map(texts, self.points))

    @cached_property
    def exact(self) -> frozenset[Key]:
        """The points' options, to be looked up."""
        return frozenset(tuple(sorted(point.items())) for point in self.texts)

    def varying(self) -> set[str]:
        """Return the options in which the points differ."""
        if self.sweep.method == "grid":
            return varying(tuple(point.items()) for point in self.texts)
        several = (p for p in self.sweep.parameters.values() if p.distribution != "constant")
        return {parameter.name for parameter in several if len(parameter.values) != 1}


@lru_cache
def _plan(name: str, folder: Path) -> Plan | None:
    path = folder / f"{name}.yaml"
    if not path.is_file():
        return None
    try:
        sweep = Sweep.read(path)
        points = sweep.points(resolve, "runs") if sweep.has_end() else []
    except (SieveError, OSError) as error:
        log.warning("trials among the runs of %s are not told apart from its own: %s", name, error)
        return None
    return Plan(sweep, tuple(flatten(point.options) for point in points)) if sweep.name == name else None


def plan(sweep: str, folder: Path | None = None) -> Plan | None:
    """Return what a sweep's file asks for, None when there is no such file."""
    return _plan(sweep, folder or SWEEPS)


def trial(run: Run, folder: Path | None = None) -> dict[str, str]:
    """Return the options by which a run differs from the nearest point of its sweep's file; {} of the sweep's own.

    What a random search draws is its own where the file's distributions can give it, whoever has drawn it: this
    program, or the W&B server. A seed that the file does not list is named only where nothing else differs.
    """
    planned, mine = plan(run.sweep, folder), texts(run.options)
    if planned is None or tuple(sorted(mine.items())) in planned.exact:
        return {}
    if planned.sweep.method == "grid":
        near = min(planned.texts, key=lambda point: (len(_differs(mine, point)), mine["seed"] != point["seed"]))
    else:
        near = _drawn(planned.sweep, run)
    changed = _differs(mine, near)
    return changed or ({} if mine["seed"] == near["seed"] else {"seed": mine["seed"]})


def _differs(mine: Mapping[str, str], point: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in mine.items() if point.get(name) != value and name != "seed"}


def _drawn(sweep: Sweep, run: Run) -> dict[str, str]:
    """Return the point of a random search that has everything of the run which the search can draw."""
    mine = dict(_defaults(run.task, run.options.get("mask.method"))) | run.options
    known = leaves(options_class(run.task, run.options.get("mask.method")))
    values = {}
    for name, parameter in sweep.parameters.items():
        possible = name in known and parameter.allows(mine[name], partial(coerce, name, known[name].type))
        values[name] = mine[name] if possible else parameter.draw(0).value
    try:
        return texts(flatten(resolve(values)))
    except SieveError:  # what is drawn in place of the impossible does not go with the rest
        return texts(mine) | {name: as_text(values[name]) for name in values if values[name] != mine.get(name)}


def command(run: Run) -> str:
    """Return the command that does a run again."""
    known = dict(_defaults(run.task, run.options.get("mask.method")))
    words = [
        f"--{name}={as_text(value)}"
        for name, value in still_options(run.options).items()
        if name not in known or (value != known[name] and not name.startswith("run.") and name != "log")
    ]
    where = [f"--run.sweep={run.sweep}", f"--run.dir={run.options.get('run.dir', 'runs')}"]
    return shlex.join(["./main.py", *words, *where])


def texts(options: Mapping[str, Any]) -> dict[str, str]:
    """Return every option that can change a result, as text.

    One that a run is older than has its default; one that did nothing and has been removed is left out.
    """
    known = dict(_defaults(str(options.get("task")), options.get("mask.method"))) | still_options(options)
    return {name: as_text(v) for name, v in known.items() if name != "log" and not name.startswith("run.")}


def key(options: Mapping[str, Any], free: Collection[str] = ()) -> Key:
    """Return the options that distinguish runs: all but the seed and `free`."""
    return tuple((name, text) for name, text in texts(options).items() if name != "seed" and name not in free)


def varying(keys: Iterable[Key]) -> set[str]:
    """Return the names whose values are not the same in all keys."""
    sets = [set(key) for key in keys]
    return {name for key in sets for name, _ in key - sets[0].intersection(*sets)}


@lru_cache
def _defaults(task: str, method: str | None) -> tuple[tuple[str, Any], ...]:
    # an option that was added after a run was made has its default there
    try:
        return tuple((name, leaf.default) for name, leaf in leaves(options_class(task, method)).items())
    except SieveError:
        return ()
