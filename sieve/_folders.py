"""Imports Sieve's folders as `sieve.core`, `sieve.masks`, ..., whatever the plain names mean in the program."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDERS = ("core", "layers", "masks", "models", "data", "analysis", "tasks", "launch", "paper")
HERE = Path(__file__).resolve().parent
ROOT = HERE if (HERE / "core").is_dir() else HERE.parent  # installed from a wheel, or a clone
PREFIX = "sieve."


def install() -> None:
    """Answer `import sieve.<folder>...` from now on."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder(plain=_plain()))


class Finder(MetaPathFinder):
    """Finds `sieve.<folder>...`.

    Args:
        plain: the plain names mean these folders in this program, so they are not loaded a second time.
    """

    def __init__(self, plain: bool):
        self.plain = plain

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        own = name.removeprefix(PREFIX)
        if own == name or own.partition(".")[0] not in FOLDERS:
            return None
        place = ROOT.joinpath(*own.split("."))
        if self.plain:
            return ModuleSpec(name, Alias(own), is_package=place.is_dir())
        if (place / "__init__.py").is_file():
            file, inside = place / "__init__.py", [str(place)]
        elif place.with_suffix(".py").is_file():
            file, inside = place.with_suffix(".py"), None
        else:
            return None
        return spec_from_file_location(name, file, loader=Among(name, str(file)), submodule_search_locations=inside)


class Alias(Loader):
    """Gives a module that Python finds under its plain name."""

    def __init__(self, name: str):
        self.name = name

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self.name)


class Among(SourceFileLoader):
    """Runs a module whose `import` statements find Sieve's folders first."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    folder = name.partition(".")[0]
    if level or folder not in FOLDERS:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    if fromlist:
        return builtins.__import__(PREFIX + name, globals, locals, fromlist)
    importlib.import_module(PREFIX + name)
    return sys.modules[PREFIX + folder]


def _plain() -> bool:
    """Return whether every folder's plain name is, or would be, that folder."""

    def means(folder: str) -> bool:
        loaded = sys.modules.get(folder)
        file = getattr(loaded, "__file__", None)
        if loaded is None:
            spec = PathFinder.find_spec(folder)
            file = None if spec is None else spec.origin
        return file is not None and Path(file).resolve() == ROOT / folder / "__init__.py"

    return all(map(means, FOLDERS))
