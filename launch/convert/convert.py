"""`run.py --convert`: the text of a sweep for a file of an original program."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from core.conditions import inert
from core.errors import OptionError, SieveError, SweepError
from core.limits import SweepName
from core.options import assemble, changed, flatten, leaves
from core.registry import nearest
from core.values import as_text
from launch.convert.hidden_networks import HIDDEN_NETWORKS
from launch.convert.induction import INDUCTION
from launch.convert.modules import MODULES
from launch.convert.original import Original, Translation
from launch.convert.reading import Asked, read
from launch.convert.supsup import SUPSUP
from launch.convert.untying import UNTYING
from tasks.options import options_class, resolve

ORIGINALS: tuple[Original, ...] = (MODULES, HIDDEN_NETWORKS, SUPSUP, INDUCTION, UNTYING)
WIDTH = 120
PLAIN = re.compile(r"[A-Za-z_][\w./ +^-]*")


def convert(path: str | Path) -> str:
    """Return the sweep, as YAML with comments.

    Raises:
        SweepError: the file is of no original, says what its program does not have, or cannot be one grid.
    """
    asked = read(path, ORIGINALS)
    original, notes, points = asked.original, list(asked.notes), []
    try:
        for run in (one for given in asked.runs for one in original.expand(given)):
            known = {word: value for word, value in run.items() if word in original.defaults}
            translation = Translation({**original.defaults, **known}, set(known))
            original.translate(translation)
            points += _points(translation)
            notes += [note for note in translation.notes if note not in notes]
    except (SieveError, ValueError, TypeError, ArithmeticError) as error:
        said = error if isinstance(error, SieveError) else f"a value is not what it should be: {error}"
        raise SweepError(f"{path}: {said}") from None
    try:
        grid = _grid(_joined(points, original.joined), notes)
    except SweepError as error:
        raise SweepError(f"{path}: {error}") from None
    return _text(path, asked, grid, notes)


@dataclass
class Said:
    """A run in Sieve's options: all of them, and the names of those that are written."""

    options: dict[str, Any]
    written: list[str]


def _points(run: Translation) -> list[Said]:
    one, found = run.values, []
    for values in itertools.product(*run.several.values()):
        run.values = {**one, **dict(zip(run.several, values, strict=True))}
        run.kept |= set(run.several)
        found.append(_point(run))
    return found


def _point(run: Translation) -> Said:
    values = run.values
    method = values.get("mask.method")
    cls = options_class(str(values["task"]), None if method is None else str(method))
    for name in [name for name in values if name not in leaves(cls)]:
        raise OptionError(f"{name} is no option of {values['task']}{nearest(name, leaves(cls))}")
    options = assemble(cls, values)
    nothing = inert(options, values)
    for name, why in nothing.items():
        if name in run.kept:
            run.note(f"{name}={as_text(values[name])} is left out: it {why}")
    wanted = (set(changed(options)) | (run.kept & set(values)) | {"task"}) - set(nothing)
    if "mask.method" in values:  # what decides which options there are
        wanted |= {"mask.method"} - set(nothing)
    everything = flatten(resolve({name: values[name] for name in wanted}))
    return Said(everything, [name for name in ("task", *everything) if name in wanted])


def _joined(points: list[Said], names: Sequence[str]) -> list[Said]:
    """Return the points with those made one that differ in the given options alone, which are lists."""
    for name in names:
        found: dict[str, Said] = {}
        for point in points:
            rest = repr({key: value for key, value in point.options.items() if key != name})
            old = found.setdefault(rest, point)
            if old is not point:
                new = [item for item in point.options[name] if item not in old.options[name]]
                old.options[name] = (*old.options[name], *new)
        points = list(found.values())
    return points


@cache
def _own(task: str, method: str | None) -> dict[str, Any]:
    """Return the defaults of a task."""
    return flatten(resolve({"task": task} | ({} if method is None else {"mask.method": method})))


def _grid(points: Sequence[Said], notes: list[str]) -> dict[str, list[Any]]:
    """Return option -> values of the grid of exactly these points.

    Raises:
        SweepError: there is none.
    """
    names = list(dict.fromkeys(name for point in points for name in ("task", *point.written)))
    rows = [point.options for point in points]
    own = [_own(row["task"], row.get("mask.method")) for row in rows]
    for name in list(names[1:]):
        absent = any(name not in row for row in rows)
        if not absent and len({repr(row[name]) for row in rows}) == 1:
            continue
        # an option that has each task's own value, or that some tasks have not, can stay unsaid
        if all(name not in row or row[name] == default[name] for row, default in zip(rows, own, strict=True)):
            names.remove(name)
        elif name.endswith("eval_batch_size"):
            names.remove(name)
            notes.append(f"{name} is dropped: it differs between the runs, and no result depends on it")
        elif absent:
            raise SweepError(f"{name} is an option of only some of its tasks; convert each task by itself")
    grid = {name: list({repr(row[name]): row[name] for row in rows}.values()) for name in names}
    wanted = {tuple(repr(row[name]) for name in names) for row in rows}
    if len(wanted) != math.prod(map(len, grid.values())):
        varying = ", ".join(name for name, values in grid.items() if len(values) > 1)
        raise SweepError(
            f"its {len(wanted)} runs are no grid of options of Sieve, in which {varying} differ; convert it in parts"
        )
    return grid


def _text(path: str | Path, asked: Asked, grid: Mapping[str, list[Any]], notes: Iterable[str]) -> str:
    name = re.sub(r"[^\w.-]+", "_", str(asked.name or Path(path).stem))
    if SweepName().refusal(name):
        name = "converted"
    count = 1
    for values in grid.values():
        count *= len(values)
    lines = [f"# {Path(path).name} of {asked.original.title} for Sieve; {count} run{'s' * (count != 1)}."]
    for note in notes:
        lines += _comment(note)
    lines += [
        "program: main.py",
        f"name: {_scalar(name)}",
        "method: grid",
        f'command: ["${{env}}", "${{interpreter}}", "${{program}}", "--run.sweep={name}", "${{args}}"]',
        "parameters:",
    ]
    for option, values in grid.items():
        written = [_scalar(value) for value in values]
        lines.append(f"  {option}: " + (f"{{value: {written[0]}}}" if len(written) == 1 else _values(written)))
    return "\n".join(lines) + "\n"


def _values(written: Sequence[str]) -> str:
    text = f"{{values: [{', '.join(written)}]}}"
    if len(text) < WIDTH - 30:
        return text
    return "\n    values:\n" + "\n".join(f"      - {value}" for value in written)


def _comment(note: str) -> list[str]:
    note = " ".join(note.split())
    return textwrap.wrap(note, WIDTH, initial_indent="# - ", subsequent_indent="#   ", break_long_words=False)


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    text = as_text(value) or "none"
    if isinstance(value, (bool, int)) or value is None or PLAIN.fullmatch(text) and text == text.strip():
        plain = not isinstance(value, str) or text.lower() not in ("y", "n", "yes", "no", "on", "off", "true", "false")
        return text if plain else f'"{text}"'
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
