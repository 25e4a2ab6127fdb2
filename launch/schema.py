"""The `parameters:` block of a sweep file in the W&B schema, read into `Parameter`s."""

from __future__ import annotations

import datetime
import math
import re
from contextlib import suppress
from typing import Any

from core.registry import nearest
from launch.distributions import BOUNDS, DEFAULTS, NEEDS, may_have
from launch.located_yaml import Document, Located
from launch.parameter import Parameter

KEYS = ("value", "values", "distribution", *BOUNDS, *DEFAULTS, "probabilities", "parameters")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def read_parameters(document: Document, block: Located, prefix: str = "") -> dict[str, Parameter]:
    """Return the parameters of a `parameters:` block by dotted name, in the order of the file.

    `-` and `_` inside a name are the same, as on a command line.

    Raises:
        SweepError: something that is not in the W&B schema, with its line.
    """
    if not isinstance(block.value, dict) or not block.value:
        raise document.error(block.line, "parameters: needs at least one, such as seed: {values: [1, 2]}")
    found: dict[str, Parameter] = {}
    for word, entry in block.value.items():
        name = prefix + word
        if not NAME.fullmatch(word):
            raise document.error(entry.line, f"{word!r} is no name of a parameter: letters, digits, _, - and . only")
        if not isinstance(entry.value, dict):
            hint = f"{'values' if isinstance(entry.value, list) else 'value'}: {entry.plain()}"
            raise document.error(entry.line, f"parameter {name!r} has no keys; write {name}: {{{hint}}}")
        _check_keys(document, name, entry)
        nested = "parameters" in entry.value
        if nested and len(entry.value) > 1:
            raise document.error(entry.line, f"parameter {name!r} has parameters: beside other keys")
        name = name.replace("-", "_")
        new = (
            read_parameters(document, entry.value["parameters"], f"{name}.")
            if nested
            else {name: _Reader(document, name, entry).parameter()}
        )
        for twice in found.keys() & new.keys():
            first = found[twice].line
            raise document.error(new[twice].line, f"parameter {twice!r} is given twice, first on line {first}")
        found |= new
    return found


def _check_keys(document: Document, name: str, entry: Located) -> None:
    for word, item in entry.value.items():
        if word not in KEYS:
            group = f"; a group is written {name}: {{parameters: {{{word}: ...}}}}"
            way_out = group if isinstance(item.value, dict) else nearest(word, KEYS)
            text = f"unknown key {word!r} of parameter {name!r}; allowed: {', '.join(KEYS)}{way_out}"
            raise document.error(item.line, text)


class _Reader:
    """Reads one parameter that is not a group."""

    def __init__(self, document: Document, name: str, entry: Located):
        self.document, self.name, self.line = document, name, entry.line
        self.keys: dict[str, Located] = entry.value

    def parameter(self) -> Parameter:
        kind = self._distribution()
        needs = NEEDS[kind]
        for word in needs:
            if word not in self.keys:
                words = " and ".join(f"{needed}:" for needed in needs)
                raise self._error(self.line, f"of distribution {kind} needs {words}")
        allowed = ("distribution", *needs, *may_have(kind))
        for word, item in self.keys.items():
            if word not in allowed:
                text = f"of distribution {kind} has no {word}:; allowed: {', '.join(allowed)}"
                raise self._error(item.line, text)
        if kind == "constant":
            return Parameter(self.name, self.line, kind, (self._usable(self.keys["value"]),))
        if "values" in needs:
            values = self._values()
            chances = self._probabilities(len(values))
            return Parameter(self.name, self.line, kind, values, probabilities=chances)
        return Parameter(self.name, self.line, kind, numbers=self._numbers(kind))

    def _error(self, line: int, text: str) -> Exception:
        return self.document.error(line, f"parameter {self.name!r} {text}")

    def _distribution(self) -> str:
        if "distribution" in self.keys:
            kind, line = self.keys["distribution"].plain(), self.keys["distribution"].line
            if not isinstance(kind, str) or kind not in NEEDS:
                near = nearest(str(kind), NEEDS)
                text = f"has the unknown distribution {kind!r}; allowed: {', '.join(NEEDS)}{near}"
                raise self._error(line, text)
            return kind
        if "value" in self.keys:
            return "constant"
        if "values" in self.keys:
            return "categorical_w_probabilities" if "probabilities" in self.keys else "categorical"
        if "min" in self.keys and "max" in self.keys:
            kinds = {type(self.keys[word].value) for word in BOUNDS}
            if kinds == {int, float}:
                raise self._error(self.line, "has one whole bound; add distribution: uniform, or write both alike")
            return "int_uniform" if kinds == {int} else "uniform"
        raise self._error(self.line, "has no values; write value: x, values: [x, y], or min: x and max: y")

    def _values(self) -> tuple[Located, ...]:
        items, line = self.keys["values"]
        if not isinstance(items, list) or not items:
            raise self._error(line, "needs values: as a list with at least one entry, such as values: [1, 2]")
        return tuple(self._usable(item) for item in items)

    def _usable(self, item: Located) -> Located:
        """Return a value, which may be a mapping of a group's options, if JSON has a word for it."""
        if isinstance(item.value, (dict, list)):
            for inner in item.value.values() if isinstance(item.value, dict) else item.value:
                self._usable(inner)
        elif isinstance(item.value, float) and not math.isfinite(item.value):
            raise self._error(item.line, f"has the value {item.value}, which is not a finite number")
        elif isinstance(item.value, (bytes, datetime.date)):
            raise self._error(item.line, f"has the value {item.value!r}; quote it")
        return Located(item.plain(), item.line)

    def _probabilities(self, count: int) -> tuple[float, ...]:
        if "probabilities" not in self.keys:
            return ()
        item = self.keys["probabilities"]
        plain = item.plain()
        numbers = plain if isinstance(plain, list) and all(map(is_number, plain)) else []
        if len(numbers) != count or min(numbers) < 0 or not math.isclose(sum(numbers), 1.0, abs_tol=1e-6):
            raise self._error(item.line, f"needs {count} probabilities that add up to 1, one for each value")
        return tuple(float(p) / sum(numbers) for p in numbers)

    def _numbers(self, kind: str) -> dict[str, float]:
        numbers: dict[str, float] = {word: DEFAULTS[word] for word in may_have(kind)}
        for word in (*BOUNDS, *DEFAULTS):
            if word in self.keys:
                numbers[word] = self._one_number(*self.keys[word], whole=kind == "int_uniform", word=word)
        if "min" in numbers and numbers["min"] >= numbers["max"]:
            how = "above" if numbers["min"] > numbers["max"] else "equal to"
            text = f"has min: {numbers['min']:g} {how} max: {numbers['max']:g}"
            raise self._error(self.keys["min"].line, text)
        if kind.endswith("_values") and numbers["min"] <= 0:
            raise self._error(self.keys["min"].line, f"needs min: above 0 for {kind}, not {numbers['min']:g}")
        for word, least in (("q", "above 0"), ("sigma", "0 or more"), ("a", "0 or more"), ("b", "0 or more")):
            if word in numbers and (numbers[word] < 0 or word == "q" and numbers[word] == 0):
                raise self._error(self.keys[word].line, f"needs {word}: {least}, not {numbers[word]:g}")
        return numbers

    def _one_number(self, value: Any, line: int, whole: bool, word: str) -> float:
        what = "a whole number" if whole else "a finite number"
        if is_number(value) and (isinstance(value, int) or not whole):
            return value if whole else float(value)
        hint = ""
        if isinstance(value, str):  # which YAML makes of 1e-3, and W&B refuses
            with suppress(ValueError):
                plain = repr(float(value))
                plain = plain if "." in plain else plain.replace("e", ".0e")
                hint = f"; YAML reads this as text, write {plain}"
        raise self._error(line, f"needs {word}: as {what}, not {Located(value, line).plain()!r}{hint}")


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of more than 300 digits
        return False
