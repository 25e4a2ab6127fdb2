"""Reads an experiment's file. What goes wrong inside it is one line that names the line of the file."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from core.cached import cached
from core.errors import OptionError
from tasks.own.own_options import OwnOptions

if TYPE_CHECKING:
    from tasks.own.experiment import Experiment
    from tasks.own.own import Own

MODULE = "sieve_own_"  # and the digest: the module of a file


@cached
def digest_of(path: str) -> str:
    """Return the digest of the file as it is when it is first needed.

    Raises:
        OptionError: it cannot be read.
    """
    return _read(path)[1]


@cached
def experiment_of(path: str) -> type[Experiment]:
    """Return the class that a file defines.

    Raises:
        OptionError: the file cannot be read or run, or defines no experiment, several, or one with unusable options.
    """
    from tasks.own.experiment import Experiment

    source, digest = _read(path)
    module = ModuleType(MODULE + digest)
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses look for the types of their fields
    with pointing(path):
        exec(compile(source, path, "exec"), vars(module))
    mine = [thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, Experiment)]
    mine = list(dict.fromkeys(cls for cls in mine if cls.__module__ == module.__name__))
    found = [cls for cls in mine if not any(cls in other.__mro__[1:] for other in mine)]
    if not found:
        raise OptionError(f"{path}:1: defines no class that extends sieve.Experiment")
    if len(found) > 1:
        names = ", ".join(cls.__name__ for cls in found)
        raise OptionError(f"{path}:{_line(found[1])}: defines several experiments ({names}); one file, one experiment")
    _check(path, found[0])
    return found[0]


def options_of(path: str) -> type[OwnOptions]:
    """Return the options of a file's experiment."""
    return experiment_of(path).Options


def task_of(path: str) -> type[Own]:
    """Return what makes the task of a file's experiment, as a row of the table of tasks does."""
    from tasks.own.own import Own

    return cast("type[Own]", partial(Own, path, experiment_of(path)))


@contextmanager
def pointing(path: str, of: Any = None) -> Iterator[None]:
    """Turn what is raised in the block into an OptionError that names the line of the file where it came from.

    Args:
        path: the file.
        of: the function or method to name where no line of the file was being run, as in torch's own layers.
    """
    try:
        yield
    except SyntaxError as error:
        raise OptionError(f"{path}:{error.lineno or 1}: SyntaxError: {error.msg}") from None
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        if isinstance(error, OptionError) and not frames:
            raise
        text = (str(error).strip().splitlines() or [""])[0]
        line = frames[-1].lineno if frames else _line(of)
        raise OptionError(f"{path}:{line}: {type(error).__name__}: {text}".rstrip(": ")) from error


def wrong(path: str, of: Any, text: str) -> OptionError:
    """Return the error of something that a file's class, function or method gave."""
    return OptionError(f"{path}:{_line(of)}: {text}")


def _check(path: str, cls: type[Experiment]) -> None:
    """Raise OptionError unless a class is complete and its options are options."""
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise wrong(path, cls, f"{cls.__name__} has no {' and no '.join(f'{name}()' for name in missing)}")
    subtasks = getattr(cls, "subtasks", None)
    if not isinstance(subtasks, dict) or not subtasks or not all(map(callable, subtasks.values())):
        text = 'needs subtasks = {"name": lambda x, y: ..., ...}'
        raise wrong(path, cls, f"{cls.__name__} {text}")
    for name in subtasks:
        if not isinstance(name, str) or not name.isidentifier() or name in ("control", "train", "total", "network"):
            raise wrong(path, cls, f"{name!r} cannot be the name of a subtask: it is part of keys and file names")
    options = cls.Options
    if not (isinstance(options, type) and issubclass(options, OwnOptions) and "__dataclass_fields__" in vars(options)):
        text = "Options must be a @dataclass(frozen=True) that extends Experiment.Options"
        raise wrong(path, options if isinstance(options, type) else cls, f"{cls.__name__}.{text}")
    for field in dataclasses.fields(options):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise wrong(path, options, f"the option {field.name} needs a default")


@cached
def _read(path: str) -> tuple[bytes, str]:
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        raise OptionError(f"task={path}: cannot read this file: {error.strerror}") from None
    return source, hashlib.sha256(source).hexdigest()[:10]


def _line(of: Any) -> int:
    """Return the line where a class, function or method begins; 1 where that is unknown."""
    try:
        return of.__code__.co_firstlineno if hasattr(of, "__code__") else inspect.getsourcelines(of)[1]
    except (OSError, TypeError):
        return 1
