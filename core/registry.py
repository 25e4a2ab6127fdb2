"""Tables from names to objects, imported on first use; unknown names are answered with the nearest match."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from core.errors import OptionError

Thing = TypeVar("Thing")
HOUSE = __name__.removesuffix("core.registry")  # "sieve." where the folders are imported under this name


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest of `choices`, or "" when none is close."""
    close = difflib.get_close_matches(str(word), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


class Registry(Mapping[str, Thing]):
    """A read-only table of names, each pointing to a Thing, written "module:attribute".

    The modules are imported on first use, so listing names (for `--help`) costs nothing.

    Args:
        kind: what the names are, for error texts ("task", "mask method").
        entries: name -> "module:attribute".
    """

    def __init__(self, kind: str, entries: dict[str, str]):
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Thing:
        if name not in self._entries:
            allowed = ", ".join(self._entries)
            raise OptionError(f"unknown {self.kind} {name!r}; allowed: {allowed}{nearest(name, self._entries)}")
        module, attribute = self._entries[name].split(":")
        thing: Thing = getattr(importlib.import_module(HOUSE + module), attribute)
        return thing

    def __contains__(self, name: object) -> bool:  # Mapping's would import the module to find out
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
