"""Which runs make one picture: finished runs, split so that only seeds are averaged.

A picture belongs to one sweep and to one combination of the options that vary in it (tuple.mode, layer_sizes,
...), or to all sweeps of one scale side by side; published and laptop-sized sweeps never meet.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shlex
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import MaskError, SieveError, StoreError
from core.options import flatten, leaves
from core.store import Run
from launch.points import as_text
from launch.sweep import Sweep
from tasks.options import options_class, resolve

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("sieve")
SWEEPS = Path(__file__).resolve().parents[1] / "sweeps"
SMALL = "small/"
MOST_NAMED = 3  # options named in a file name
Key = tuple[tuple[str, str], ...]  # the options that tell runs apart, as texts


class Finished(Run):
    """A finished run whose summary is read once."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        return super().summary


@dataclass(frozen=True)
class Group:
    """The runs of one picture.

    Attributes:
        name: file name without ending.
        label: for people.
        sweeps: where the runs come from.
        runs: the finished runs, by sweep and seed.
        expected: how many there will be when their sweeps are done.
        missing: sweeps that belong to the picture and have no finished run.
        listed: whether the sweep files ask for these runs.
    """

    name: str
    label: str
    sweeps: tuple[str, ...]
    runs: tuple[Run, ...]
    expected: int
    missing: tuple[str, ...] = ()
    listed: bool = True

    @property
    def count(self) -> str:
        """"3 of 3 runs"."""
        return f"{len(self.runs)} of {self.expected} runs"


def load(root: str | Path) -> list[Run]:
    """Return the finished runs under `root`; a folder that cannot be read is skipped with one warning."""
    found = []
    for path in sorted(Path(root).rglob("options.yaml")):
        try:
            run = Finished(path.parent)
            for value, kind in ((run.sweep, str), (run.task, str), (run.summary, dict)):
                if not isinstance(value, kind):
                    raise TypeError(f"holds a {type(value).__name__} where a {kind.__name__} is expected")
            if run.state == "done":
                found.append(run)
        except (SieveError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            named = isinstance(error, SieveError)  # those texts begin with the folder
            why = str(error) if named else f"{path.parent}: {type(error).__name__}: {error}"
            log.warning("skipped %s", " ".join(why.split()))
    return sorted(found, key=lambda run: (run.sweep, _seed(run), run.signature))


@lru_cache(maxsize=1024)  # read, and complained about, once
def array(run: Run, name: str, key: str) -> np.ndarray | None:
    """Return one array of `arrays/<name>.npz` as floats, or None; a broken file is warned of."""
    import numpy as np

    try:
        return np.asarray(run.arrays(name)[key], dtype=float)
    except StoreError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        log.warning("skipped %s: %s", run.path("arrays", f"{name}.npz"), " ".join(str(error).split()))
        return None


@lru_cache(maxsize=1024)
def mask(run: Run, subnet: str, parameter: str) -> np.ndarray | None:
    """Return a parameter's mask as booleans, or None; a broken file is warned of."""
    from masks.algebra import Masks  # reads torch

    path = run.path("masks", f"{subnet}.npz")
    try:
        masks = Masks.load(path) if path.is_file() else {}
    except MaskError as error:
        log.warning("skipped %s", error)
        return None
    return (masks[parameter] != 0).numpy() if parameter in masks else None


def twins(sweeps: Iterable[str]) -> tuple[str, ...]:
    """Return the published sweeps and then their laptop-sized twins."""
    sweeps = tuple(sweeps)
    return (*sweeps, *(SMALL + name for name in sweeps))


def scale(sweep: str) -> str:
    """Return "small" for a laptop-sized sweep, otherwise "published"."""
    return "small" if sweep.startswith(SMALL) else "published"


def groups(runs: Sequence[Run], free: Collection[str] = (), folder: Path = SWEEPS) -> list[Group]:
    """Split runs into groups that differ in nothing but the seed and `free`, sweep by sweep."""
    found = []
    for sweep in dict.fromkeys(run.sweep for run in runs):
        planned = Counter(_key(options, free) for options in plan(sweep, folder))
        parts: dict[Key, list[Run]] = {}
        for run in runs:
            if run.sweep == sweep:
                parts.setdefault(_key(run.options, free), []).append(run)
        for key, part in parts.items():
            name, label = _named(sweep, key, planned, parts)
            expected = max(planned.get(key, 0), len(part))
            found.append(Group(name, label, (sweep,), tuple(part), expected, listed=key in planned))
    return sorted(found, key=lambda group: (scale(group.sweeps[0]) != "published", group.name))


def by_scale(
    runs: Sequence[Run], sweeps: Sequence[str], free: Collection[str] = (), folder: Path = SWEEPS
) -> list[Group]:
    """Put the runs of all sweeps of one scale into one group: they are shown side by side, not averaged."""
    found = []
    labels = {"published": "sweeps of the published size", "small": "laptop-sized sweeps"}
    for name, label in labels.items():
        mine = tuple(run for run in runs if scale(run.sweep) == name)
        used = tuple(dict.fromkeys(run.sweep for run in mine))
        if mine:
            planned = Counter((s, _key(options, free)) for s in used for options in plan(s, folder))
            done = Counter((run.sweep, _key(run.options, free)) for run in mine)
            expected = sum((planned | done).values())
            missing = tuple(s for s in sweeps if scale(s) == name and s not in used)
            found.append(Group(name, label, used, mine, expected, missing))
    return found


def series(runs: Sequence[Run], free: Collection[str] = ()) -> list[tuple[dict[str, str], list[Run]]]:
    """Split the runs of one picture into what it shows side by side.

    Returns:
        For each part the options (as texts) by which it differs from the others, and its runs. A run that two
        sweeps have in common counts once.
    """
    parts: dict[Key, list[Run]] = {}
    for run in {run.signature: run for run in runs}.values():
        parts.setdefault(_key(run.options, free), []).append(run)
    names = varying(parts)
    return [({name: value for name, value in key if name in names}, part) for key, part in parts.items()]


@lru_cache
def plan(sweep: str, folder: Path = SWEEPS) -> tuple[dict[str, Any], ...]:
    """Return the options of every point of a sweep, nothing when there is no such file."""
    try:
        read = Sweep.read(Path(folder) / f"{sweep}.yaml")
        points = read.points(resolve, "runs") if read.name == sweep else []
    except (SieveError, OSError):
        return ()
    return tuple(flatten(point.options) for point in points)


def command(run: Run) -> str:
    """Return the command that does a run again."""
    known = dict(_defaults(run.task, run.options.get("mask.method")))
    words = [
        f"--{name}={as_text(value)}" for name, value in run.options.items()
        if name not in known or (value != known[name] and not name.startswith("run.") and name != "log")
    ]
    where = [f"--run.sweep={run.sweep}", f"--run.dir={run.options.get('run.dir', 'runs')}"]
    return shlex.join(["./main.py", *words, *where])


def varying(keys: Iterable[Key]) -> set[str]:
    """Return the names whose values are not the same in all keys."""
    keys = [set(key) for key in keys]
    return {name for key in keys for name, _ in key - set.intersection(*keys)}


def short(text: str) -> str:
    """Return "800x4" for "800,800,800,800"; other texts as they are."""
    items = text.split(",")
    return f"{items[0]}x{len(items)}" if len(items) > 1 and len(set(items)) == 1 else text


def file_name(text: str) -> str:
    """Return the text with everything replaced that a file name or a link should not contain."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "runs"


def _named(sweep: str, key: Key, planned: Collection[Key], done: Collection[Key]) -> tuple[str, str]:
    """Return file name and label of a group: its sweep, and the options by which it differs from the others.

    What the sweep file lists keeps its name whatever else lies in the folder.
    """
    names = varying(planned if key in planned else {*planned, key} if planned else done)
    changed = names - varying(planned) if planned else set()
    if len(changed) > MOST_NAMED:
        names -= changed
    chosen = [(name, short(value)) for name, value in key if name in names]
    label = [sweep, *(f"{name} {value}" for name, value in chosen)]
    file = [sweep, *(f"{name.rpartition('.')[2]}-{value}" for name, value in chosen)]
    if len(changed) > MOST_NAMED:
        label.append(f"{len(changed)} options not as in the sweep file")
        file.append(f"changed-{hashlib.sha1(repr(key).encode()).hexdigest()[:6]}")
    return file_name("_".join(file)), ", ".join(label)


def _key(options: Mapping[str, Any], free: Collection[str]) -> Key:
    known = dict(_defaults(str(options.get("task")), options.get("mask.method")))
    return tuple(
        (name, as_text(value)) for name, value in (known | dict(options)).items()
        if name not in ("seed", "log") and name not in free and not name.startswith("run.")
    )


@lru_cache
def _defaults(task: str, method: str | None) -> tuple[tuple[str, Any], ...]:
    # an option that was added after a run was made has its default there
    try:
        return tuple((name, leaf.default) for name, leaf in leaves(options_class(task, method)).items())
    except SieveError:
        return ()


def _seed(run: Run) -> int:
    seed = run.options.get("seed", 0)
    return seed if isinstance(seed, int) else 0
