"""Which runs make one picture: finished runs, split so that only seeds are averaged.

A picture belongs to one sweep and to one combination of the options that vary in it (tuple.mode, layer_sizes,
...), or to all sweeps of one scale side by side; published and laptop-sized sweeps never meet, and neither do a
sweep's own runs and trials with other options than its file has.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import provenance
from core.errors import DamagedError, MaskError, SieveError, StoreError
from core.run_state import damage
from core.store import Run
from paper.names import MOST_NAMED, file_name, short
from paper.sweeps import Key, key, plan, trial, varying
from tasks.options import outdated

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("sieve")
SMALL = "small/"


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
        trial: the options, as texts, by which these runs differ from the sweep files; {} of the sweeps' own.
    """

    name: str
    label: str
    sweeps: tuple[str, ...]
    runs: tuple[Run, ...]
    expected: int
    missing: tuple[str, ...] = ()
    trial: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> str:
        """Such as "3 of 3 runs"; of a trial, for which no number is expected, "3 runs"."""
        n = len(self.runs)
        return f"{n} of {self.expected} runs" if not self.trial else f"{n} run{'s' if n > 1 else ''}"


def load(root: str | Path) -> list[Run]:
    """Return the finished runs under `root`.

    A folder that cannot be read is skipped with one warning; runs of another revision than this program's are left
    out with one warning for all that are alike.
    """
    found: list[Run] = []
    others: Counter[tuple[str, str]] = Counter()
    for path in sorted(Path(root).rglob("options.yaml")):
        try:
            run = Finished(path.parent)
            for value, kind in ((run.sweep, str), (run.task, str), (run.summary, dict)):
                if not isinstance(value, kind):
                    raise TypeError(f"holds a {type(value).__name__} where a {kind.__name__} is expected")
            if run.state == "damaged":
                raise StoreError(f"{run.folder}: {damage(run.folder)}")
            if run.state == "done":
                differs = _outdated(run)
                others.update([(run.sweep, differs)] if differs else [])
                found += [] if differs else [run]
        except (SieveError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            named = isinstance(error, SieveError)  # those texts begin with the folder
            why = str(error) if named else f"{path.parent}: {type(error).__name__}: {error}"
            log.warning("skipped %s", " ".join(why.split()))
    for (sweep, differs), count in others.items():
        log.warning("%s: left out %d run%s of %s", sweep, count, "s" if count > 1 else "", differs)
    return sorted(found, key=lambda run: (run.sweep, _seed(run), run.signature))


@lru_cache(maxsize=1024)  # read, and complained about, once
def array(run: Run, name: str, key: str) -> np.ndarray | None:
    """Return one array of `arrays/<name>.npz` as floats, or None; a broken file is warned of."""
    import numpy as np

    try:
        return np.asarray(run.arrays(name)[key], dtype=float)
    except DamagedError as error:
        log.warning("skipped %s", error)
    except (ValueError, KeyError) as error:
        log.warning("skipped %s: %s", run.path("arrays", f"{name}.npz"), " ".join(str(error).split()))
    except StoreError:  # it never had one
        pass
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


def groups(runs: Sequence[Run], free: Collection[str] = (), folder: Path | None = None) -> list[Group]:
    """Split runs into groups that differ in nothing but the seed and `free`, sweep by sweep."""
    found = []
    for sweep in dict.fromkeys(run.sweep for run in runs):
        planned = plan(sweep, folder)
        counts = Counter(key(options, free) for options in (planned.points if planned else ()))
        parts: dict[tuple[Key, bool], list[tuple[Run, dict[str, str]]]] = {}
        for run in (run for run in runs if run.sweep == sweep):
            changed = trial(run, folder)
            parts.setdefault((key(run.options, free), bool(changed)), []).append((run, changed))
        # what the sweep file lists keeps its name whatever else lies in the folder
        names = planned.varying() if planned else varying(options for options, _ in parts)
        for (options, _), part in parts.items():
            changed = _merged(changed for _, changed in part)
            chosen = [(name, text) for name, text in options if name in names and name not in changed]
            words = [sweep, *(f"{name} {short(text)}" for name, text in chosen), *_words(changed)]
            mine = tuple(run for run, _ in part)
            expected = len(mine) if changed else max(counts[options], len(mine))
            name = file_name(sweep, chosen, changed)
            found.append(Group(name, ", ".join(words), (sweep,), mine, expected, trial=changed))
    return sorted(found, key=lambda group: (scale(group.sweeps[0]) != "published", bool(group.trial), group.name))


def by_scale(
    runs: Sequence[Run], sweeps: Sequence[str], free: Collection[str] = (), folder: Path | None = None
) -> list[Group]:
    """Put the runs of all sweeps of one scale into one group: they are shown side by side, not averaged.

    Trials are groups of their own, one for all runs that differ from their sweeps in the same way.
    """
    labels = {"published": "sweeps of the published size", "small": "laptop-sized sweeps"}
    parts: dict[tuple[str, bool, Key], list[tuple[Run, dict[str, str]]]] = {}
    for run in runs:
        changed = trial(run, folder)
        differs = tuple(item for item in changed.items() if item[0] not in ("seed", *free))
        parts.setdefault((scale(run.sweep), bool(changed), differs), []).append((run, changed))
    found = []
    for name, tried, _ in sorted(parts, key=lambda part: (part[0] != "published", *part[1:])):
        part = parts[name, tried, _]
        mine, changed = tuple(run for run, _ in part), _merged(changed for _, changed in part)
        used = tuple(dict.fromkeys(run.sweep for run in mine))
        label = ", ".join([labels[name], *_words(changed)])
        if changed:
            found.append(Group(file_name(name, (), changed), label, used, mine, len(mine), trial=changed))
            continue
        plans = [(sweep, planned) for sweep in used if (planned := plan(sweep, folder))]
        counts = Counter((sweep, key(options, free)) for sweep, planned in plans for options in planned.points)
        done = Counter((run.sweep, key(run.options, free)) for run in mine)
        missing = tuple(sweep for sweep in sweeps if scale(sweep) == name and sweep not in used)
        found.append(Group(name, label, used, mine, sum((counts | done).values()), missing))
    return found


def series(runs: Sequence[Run], free: Collection[str] = ()) -> list[tuple[dict[str, str], list[Run]]]:
    """Split the runs of one picture into what it shows side by side.

    Returns:
        For each part the options (as texts) by which it differs from the others, and its runs. A run that two
        sweeps have in common counts once.
    """
    parts: dict[Key, list[Run]] = {}
    for run in {run.signature: run for run in runs}.values():
        parts.setdefault(key(run.options, free), []).append(run)
    names = varying(parts)
    return [({name: value for name, value in options if name in names}, part) for options, part in parts.items()]


def commits(runs: Iterable[Run]) -> list[str]:
    """Return the git commits that the runs were made with, as `core.provenance.commits` says them."""
    return list(dict.fromkeys(commit for run in runs for commit in provenance.commits(run.folder)))


def _words(changed: Mapping[str, str]) -> list[str]:
    """Return how a label tells of a trial; nothing of a sweep's own runs."""
    if len(changed) > MOST_NAMED:
        return [f"trial: {len(changed)} options not as in the sweep file"]
    return [f"trial: {', '.join(f'{name} {short(text)}' for name, text in changed.items())}"] if changed else []


def _merged(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    values: dict[str, dict[str, None]] = {}
    for changed in several:
        for name, text in changed.items():
            values.setdefault(name, {})[text] = None
    return {name: ",".join(texts) for name, texts in values.items()}


def _outdated(run: Run) -> str:
    try:
        return outdated(run)
    except SieveError:  # of a task or method that this program does not have
        return ""


def _seed(run: Run) -> int:
    seed = run.options.get("seed", 0)
    return seed if isinstance(seed, int) else 0
