"""Limits on the values of options, such as `lr: Rate = 1e-3`: `--help` shows them, `core.values.coerce` checks them.

A limit is put into `Annotated`. It has `refusal(value)`, which says what is wrong with a value ("" if nothing), and a
readable `str`. Upper limits are far above what anybody needs, and low enough that the machine stays responsive.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

LONGEST_NAME, LONGEST_PATH = 255, 4000  # bytes: of a file, as most file systems have it, and of a whole path


@dataclass(frozen=True)
class Range:
    """An interval of numbers, with open or closed ends."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def __str__(self) -> str:
        return f"{'(' if self.open_low else '['}{_plain(self.low)}, {_plain(self.high)}{')' if self.open_high else ']'}"

    def refusal(self, value: float) -> str:
        """Return why a number is not inside, or ""."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return "" if above and below else f"is outside {self}"


@dataclass(frozen=True)
class Items:
    """A list with a minimum number of items, which may have to be distinct."""

    least: int = 0
    once: bool = True

    def __str__(self) -> str:
        return ", ".join(["at least one"] * (self.least > 0) + ["each once"] * self.once)

    def refusal(self, value: Collection[Any]) -> str:
        """Return why a list is not like that, or ""."""
        if len(value) < self.least:
            return "must name at least one"
        twice = Counter(value).most_common(1) if self.once else []
        return f"names {twice[0][0]} twice" if twice and twice[0][1] > 1 else ""


@dataclass(frozen=True)
class PathName:
    """A valid name of a file or folder."""

    def __str__(self) -> str:
        return "a path"

    def refusal(self, value: str) -> str:
        """Return why a text is not a path, or ""."""
        if not value.strip():
            return "names no file or folder"
        longest = max(len(part.encode()) for part in value.split("/"))
        if longest > LONGEST_NAME or len(value.encode()) > LONGEST_PATH:
            return f"is too long for a path: at most {LONGEST_NAME} bytes a name, {LONGEST_PATH} in all"
        return ""


@dataclass(frozen=True)
class SweepName:
    """The name of a sweep, which is a folder inside another one; it may not lead outside it or be the folder itself."""

    def __str__(self) -> str:
        return "a folder name, such as small/tuple_ff"

    def refusal(self, value: str) -> str:
        """Return why a text is not such a name, or ""."""
        parts = value.split("/")
        if any(part.strip() in ("", ".", "..") for part in parts) or control_character(value):
            return "is not a folder name, such as small/tuple_ff"
        return PathName().refusal(value)


@dataclass(frozen=True)
class Matching:
    """A text that matches a pattern.

    Args:
        pattern: regular expression for all of it.
        says: the form, for people.
    """

    pattern: str
    says: str

    def __str__(self) -> str:
        return self.says

    def refusal(self, value: str) -> str:
        """Return why a text is not of the form, or ""."""
        return "" if re.fullmatch(self.pattern, value) else f"is not {self.says}"


def control_character(text: str) -> bool:
    """True of a text with a character that no name has: NUL, a line break, half of a surrogate pair."""
    return any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 or c in "\u2028\u2029" for c in text)


def _plain(number: float) -> str:
    power = math.log10(abs(number)) if number else 0
    return f"{'-' if number < 0 else ''}1e{power:.0f}" if power >= 5 and power == int(power) else f"{number:g}"


Seed = Annotated[int, Range(-(10**18), 10**18)]
Count = Annotated[int, Range(1, 10**9)]
CountFrom0 = Annotated[int, Range(0, 10**9)]
Few = Annotated[int, Range(1, 10_000)]  # of things that are each made, kept or measured
Epochs = Annotated[int, Range(0, 10**6)]
Examples = Annotated[int, Range(1, 10**8)]  # that are held in memory
BatchSize = Annotated[int, Range(1, 10**6)]
Width = Annotated[int, Range(1, 10**5)]
Depth = Annotated[int, Range(1, 1000)]
Label = Annotated[int, Range(0, 10**6)]
Rate = Annotated[float, Range(0, 10**9)]  # learning rates
RateAbove0 = Annotated[float, Range(0, 10**9, open_low=True)]
Strength = Annotated[float, Range(0, 10**6)]  # of penalties
Positive = Annotated[float, Range(0, 10**6, open_low=True)]
Factor = Annotated[float, Range(0, 100, open_low=True)]  # of widths
Fraction = Annotated[float, Range(0, 1)]
Below1 = Annotated[float, Range(0, 1, open_high=True)]
Kept = Annotated[float, Range(0, 1, open_low=True)]  # fraction of weights
HeldOut = Annotated[float, Range(0, 0.5, open_high=True)]  # fraction of examples
Real = Annotated[float, Range(-(10**6), 10**6)]
Temperature = Annotated[float, Range(1e-4, 10**6)]
Path = Annotated[str, PathName()]
