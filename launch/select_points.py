"""Which points to run: selected by `--set`, or by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TextIO

from core.errors import SweepError
from core.values import as_text
from launch.console import Screen
from launch.points import Point
from launch.sweep import Resolve, Sweep

EXAMPLES = 8  # points of a sweep without end


def read_settings(items: Sequence[str]) -> dict[str, str]:
    """Return `--set a=1 b.c=2` as names and texts; `-` and `_` inside a name are the same.

    Raises:
        SweepError: an item is not option=value, or an option is given twice.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.lstrip("-").partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            file = " (the sweep file comes before --set)" if item.endswith((".yaml", ".yml")) else ""
            raise SweepError(f"--set {item}: not of the form option=value, such as --set seed=1{file}")
        if name in found:
            raise SweepError(f"--set {item}: {name} is set twice")
        found[name] = value
    return found


def select(sweep: Sweep, settings: dict[str, str], resolve: Resolve, run_dir: str, runs: int | None) -> list[Point]:
    """Return the points with these settings, each with its number in the whole sweep.

    A point that is not in the whole sweep (a setting that the file does not list) is numbered after its last.

    Raises:
        SweepError: as of Sweep.points.
    """
    whole = sweep.points(resolve, run_dir, runs)
    if not settings:
        return whole
    numbers = {point.signature: point.index for point in whole}
    chosen = sweep.with_values(settings).points(resolve, run_dir, runs)
    return [replace(point, index=numbers.setdefault(point.signature, len(numbers) + 1)) for point in chosen]


def examples(sweep: Sweep, settings: dict[str, str], resolve: Resolve, run_dir: str, runs: int | None) -> list[Point]:
    """Return the points whose options are worth checking: all that can be known, some of a sweep without end.

    Raises:
        SweepError: as of Sweep.points.
    """
    if sweep.has_end():
        return select(sweep, settings, resolve, run_dir, runs)
    return select(replace(sweep, method="random"), settings, resolve, run_dir, runs or EXAMPLES)


def only(points: Sequence[Point], text: str) -> list[Point]:
    """Return the points that `--only` names by number, e.g. "3,5-7".

    Raises:
        SweepError: not of that form, or there is no such point.
    """
    known = {point.index: point for point in points}
    found: dict[int, Point] = {}
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise SweepError(f"--only {text}: {part.strip()!r} is not a number or range, such as 3,5-7")
        for number in range(int(first), int(last) + 1):
            if number not in known:
                raise SweepError(f"--only {text}: there is no run {number}; --list shows those there are")
            found[number] = known[number]
    return list(found.values())


def ask(sweep: Sweep, settings: dict[str, str], answers: TextIO, screen: Screen) -> dict[str, str]:
    """Ask for every parameter that has several values; return the settings that name one point.

    Args:
        sweep: a grid.
        settings: what is set already and is not asked.
        answers: where the numbers come from, usually sys.stdin.
        screen: where the questions go.

    Raises:
        SweepError: the answers ended, or the sweep is random.
    """
    chosen = dict(settings)
    for name, values in sweep.choices().items():
        if name in settings:
            continue
        texts = list(dict.fromkeys(as_text(item.value) for item in values))
        screen.line(name)
        for number, text in enumerate(texts, 1):
            screen.line(f"  {number:>{len(str(len(texts)))}}  {text}")
        chosen[name] = texts[_number(name, len(texts), answers, screen) - 1]
    return chosen


def _number(name: str, count: int, answers: TextIO, screen: Screen) -> int:
    while True:
        screen.ask(f"{name} [1-{count}]: ")
        try:
            answer = answers.readline()
        except KeyboardInterrupt:
            answer = ""
        if not answer:
            screen.line("")
            raise SweepError(f"no answer for {name}: the input ended; use --set {name}=... or --all")
        word = answer.strip()
        if word.isdecimal() and 1 <= int(word) <= count:
            return int(word)
        screen.line(f"{word!r} is not a number from 1 to {count}")
