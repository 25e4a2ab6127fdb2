"""Options that have an effect only with certain values of others: otherwise, changing them is rejected.

An options dataclass declares this in a table of its own field names (a name may be a whole group), which extends the
tables of its bases:

    only_with: ClassVar = {"momentum": when("optimizer", "sgd"), "noise": unless("canvas", None)}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from core.cached import cached
from core.values import as_text, is_group, kinds_of, said


@dataclass(frozen=True)
class Condition:
    """Values that another option must have, or must not have.

    Attributes: option: its name; of a list, one of its items counts.
        values: which.
        wanted: whether it must be one of them.
    """

    option: str
    values: tuple[Any, ...]
    wanted: bool

    def holds(self, value: Any) -> bool:
        """Return whether a value of the other option satisfies it."""
        items = value if isinstance(value, tuple) and value else (value,)
        return any(item in self.values for item in items) == self.wanted

    def refusal(self, other: str) -> str:
        """Return what is wrong where the other option has a value that does not fulfil it."""
        return f"is used {self} (it is {other})" if self.wanted else f"is not used with {self.option}={other}"

    def __str__(self) -> str:
        *first, last = map(_said, self.values)
        values = f"{', '.join(first)} or {last}" if first else last
        return f"{'only' if self.wanted else 'not'} with {self.option}={values}"


def when(option: str, *values: Any) -> Condition:
    """Return the condition that an option is one of these values."""
    return Condition(option, values, True)


def unless(option: str, *values: Any) -> Condition:
    """Return the condition that an option is none of these values."""
    return Condition(option, values, False)


@cached
def conditions(cls: type) -> tuple[tuple[str, Condition], ...]:
    """Return every (option or group, condition) of a dataclass and its groups, by dotted names."""
    return tuple(_found(cls, ""))


def _found(cls: type, prefix: str) -> Iterator[tuple[str, Condition]]:
    for base in cls.__mro__:
        for name, condition in vars(base).get("only_with", {}).items():
            yield prefix + name, dataclasses.replace(condition, option=prefix + condition.option)
    for name, kind in kinds_of(cls).items():
        if is_group(kind):
            yield from _found(kind, f"{prefix}{name}.")


@cached
def conditions_of(cls: type, option: str) -> list[Condition]:
    """Return the conditions of one option, those of its groups among them."""
    return [condition for name, condition in conditions(cls) if f"{option}.".startswith(f"{name}.")]


def inert(options: object, given: Iterable[str]) -> dict[str, str]:
    """Return which of these options play no part, and why: name -> "is used only with ... (it is ...)"."""
    found: dict[str, str] = {}
    for name in given:
        for condition in conditions_of(type(options), name):
            other = reduce(getattr, condition.option.split("."), options)
            if not condition.holds(other):
                found.setdefault(name, condition.refusal(_said(other)))
    return found


def _said(value: Any) -> str:
    return said(value if isinstance(value, tuple) else as_text(value))
