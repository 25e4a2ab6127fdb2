"""Which run main.py starts: one of given options, of a seed that the system draws, or a stored one once more."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import DamagedError, OptionError
from core.option_groups import TaskOptions
from core.options import OUTSIDE_SIGNATURE, changed, flatten, signature
from core.store import Run, folder_of
from core.values import said
from tasks.options import is_drawn, outdated, resolve, resolve_stored

SEEDS = 2**32  # whole numbers that every program reads back exactly


def start(values: Mapping[str, Any], by_agent: bool = False) -> TaskOptions:
    """Return the checked options of the run that a command line asks for.

    Args:
        values: what it gives, by dotted names. `seed` may be "entropy": the number drawn in its place is an option of
            the run like any other. `repeat` is a run's folder, whose options are taken.
        by_agent: an agent of W&B started the program, and shows the values that it gave as the run's; nothing is drawn.

    Raises:
        SieveError: as of `tasks.options.resolve`; the folder holds no run that can be repeated, or not where it is.
    """
    if "repeat" in values:
        return repeated(values)
    drawn = {"seed": secrets.randbelow(SEEDS)} if is_drawn(values.get("seed")) and not by_agent else {}
    return resolve(dict(values) | drawn)


def repeated(values: Mapping[str, Any]) -> TaskOptions:
    """Return the options of the run in the folder `repeat`, to be done where `run.*` says, otherwise where it lies."""
    given = {name: value for name, value in values.items() if name != "repeat"}
    if other := [name for name in given if not name.startswith(OUTSIDE_SIGNATURE)]:
        raise OptionError(f"--repeat takes a run's options as they are; beside it only run.* and log, not {other[0]}")
    run = Run.load(Path(str(values["repeat"])))
    if differs := outdated(run):
        raise OptionError(f"{run.folder} is of {differs}: its numbers cannot be had from this program (CHANGELOG.md)")
    options = resolve_stored(run.options)
    if signature(options) != run.signature:
        raise DamagedError(
            f"{run.folder / 'options.yaml'} says {said(run.signature)}, and its options are those of "
            f"{signature(options)}: they were changed, or mean something else now"
        )
    folder = run.folder.resolve()
    if folder.parts[-2:] != (*Path(run.sweep).parts, run.signature)[-2:]:
        raise OptionError(f"{run.folder} was moved or renamed: a run lies in <run.dir>/{run.sweep}/{run.signature}")
    where = {"run.dir": str(folder.parents[len(Path(run.sweep).parts)]), "run.sweep": run.sweep}
    again = resolve(_without_default(options) | where | given)
    done = Run.load(folder_of(again)) if (folder_of(again) / "options.yaml").exists() else None
    if done is not None and done.state == "done":
        raise OptionError(f"{done.folder} is already done; remove it, or give another place with --run.dir")
    return again


def _without_default(options: TaskOptions) -> dict[str, Any]:
    """Return the options that are not the task's defaults, and where and how it is run."""
    outside = {name: value for name, value in flatten(options).items() if name.startswith(OUTSIDE_SIGNATURE)}
    return {"task": options.task} | changed(options) | outside
