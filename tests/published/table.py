"""What a published sweep is in the table, and how the points of our sweep are held against it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Difference:
    """A value that is another one here, on purpose.

    Attributes:
        option: dotted name.
        there: the original's value, as the table has it; a list: each of them.
        here: ours; a list: several points in its place.
        why: the reason, as the docs page gives it.
    """

    option: str
    there: Any
    here: Any
    why: str


@dataclass(frozen=True)
class More:
    """Points that the original does not have: the values in which they differ from its first, and the reason."""

    values: Mapping[str, Any]
    why: str


@dataclass(frozen=True)
class Published:
    """What the original computes in a sweep, in our options.

    Attributes:
        source: where the values stand.
        values: option -> value in every run; a list: the sweep has each of them (with each of the others).
        together: values that belong together, one mapping for each combination.
        differs: what is another value here.
        more: points that only we have.
        free: patterns of options that play no part in this sweep, besides those of the page.
    """

    source: str
    values: Mapping[str, Any]
    together: Sequence[Mapping[str, Any]] = ({},)
    differs: tuple[Difference, ...] = ()
    more: tuple[More, ...] = ()
    free: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """The sweeps that a page of the docs describes.

    Attributes:
        path: of the page.
        sweeps: by name.
        free: patterns of options without a counterpart in the original -> what they are.
        absent: published configurations without a sweep -> why, and how to run them.
    """

    path: str
    sweeps: Mapping[str, Published]
    free: Mapping[str, str]
    absent: Mapping[str, str] = field(default_factory=dict)


def expand(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every point of values of which lists stand for several."""
    lists = [value if isinstance(value, list) else [value] for value in values.values()]
    for combination in itertools.product(*lists):
        yield dict(zip(values, combination, strict=True))


def expected(published: Published) -> list[dict[str, Any]]:
    """Return the points that our sweep must have: the original's, with the deliberate differences.

    Raises:
        ValueError: a difference that applies nowhere, or is none.
    """
    found, used = [], set()
    for combination in published.together:
        values = {**published.values, **combination}
        for number, one in enumerate(published.differs):
            given = values.get(one.option)
            if given == one.there:
                values[one.option], applies = one.here, given != one.here
            elif isinstance(given, list) and one.there in given:
                values[one.option] = [one.here if value == one.there else value for value in given]
                applies = one.there != one.here
            else:
                continue
            if not applies:
                raise ValueError(f"{one.option}: {one.here!r} is no difference")
            used.add(number)
        if not found:
            first = values
        found += expand(values)
    unused = [one.option for number, one in enumerate(published.differs) if number not in used]
    if unused:
        raise ValueError(f"differences of {', '.join(unused)} apply nowhere")
    for more in published.more:
        found += expand({**first, **more.values})
    return found


def complaints(published: Published, free: Sequence[str], points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in words what differs between the points of our sweep and the table.

    Args:
        published: the row.
        free: patterns of options that may have any value.
        points: each point's resolved options by dotted name, with no option left out.
    """
    wanted = expected(published)
    names = wanted[0].keys()
    said = []
    for name in sorted({name for point in points for name in point} - names):
        if not any(fnmatchcase(name, pattern) for pattern in (*free, *published.free)):
            said.append(f"{name} is an option of the task that the table does not mention")
    said += [f"{name} is in the table and no option" for name in names if name not in points[0]]
    ours = [{name: point.get(name) for name in names} for point in points]
    for point in ours:
        if point not in wanted:
            nearest = min(wanted, key=lambda one: sum(one[name] != point[name] for name in names))
            said.append("; ".join(
                f"{name} is {point[name]!r}, published {nearest[name]!r}" for name in names
                if point[name] != nearest[name]
            ))  # fmt: skip
    for point in wanted:
        if point not in ours:
            varying = [name for name in names if len({repr(one[name]) for one in wanted}) > 1]
            said.append("missing: " + ", ".join(f"{name}={point[name]}" for name in varying))
    return said
