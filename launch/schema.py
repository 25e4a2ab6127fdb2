"""The `parameters:` block of a sweep file in the W&B schema, read into `Parameter`s."""

from __future__ import annotations

import math
from typing import Any

from core.registry import nearest
from launch.located_yaml import Document, Located
from launch.parameter import NEEDS, Parameter

MAY_HAVE = {"categorical": ("probabilities",), "q_uniform": ("q",), "normal": ("mu", "sigma")}
KEYS = ("value", "values", "distribution", "min", "max", "q", "mu", "sigma", "probabilities", "parameters")


def read_parameters(document: Document, block: Located, prefix: str = "") -> dict[str, Parameter]:
    """Return the parameters of a `parameters:` block by dotted name, in the order of the file.

    Raises:
        SweepError: something that is not in the W&B schema, with its line.
    """
    if not isinstance(block.value, dict) or not block.value:
        raise document.error(block.line, "parameters: needs at least one, such as seed: {values: [1, 2]}")
    found: dict[str, Parameter] = {}
    for word, entry in block.value.items():
        name = prefix + word
        if not isinstance(entry.value, dict):
            hint = f"{'values' if isinstance(entry.value, list) else 'value'}: {entry.plain()}"
            raise document.error(entry.line, f"parameter {name!r} has no keys; write {name}: {{{hint}}}")
        _check_keys(document, name, entry)
        nested = "parameters" in entry.value
        if nested and len(entry.value) > 1:
            raise document.error(entry.line, f"parameter {name!r} has parameters: beside other keys")
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
        allowed = ("distribution", *needs, *MAY_HAVE.get(kind, ()))
        for word, item in self.keys.items():
            if word not in allowed:
                text = f"of distribution {kind} has no {word}:; allowed: {', '.join(allowed)}"
                raise self._error(item.line, text)
        if kind == "constant":
            return Parameter(self.name, self.line, kind, (self._usable(self.keys["value"]),))
        if kind == "categorical":
            values = self._values()
            chances = self._probabilities(len(values))
            return Parameter(self.name, self.line, kind, values, probabilities=chances)
        return Parameter(self.name, self.line, kind, numbers=self._numbers(kind))

    def _error(self, line: int, text: str) -> Exception:
        return self.document.error(line, f"parameter {self.name!r} {text}")

    def _distribution(self) -> str:
        if "distribution" in self.keys:
            kind, line = self.keys["distribution"]
            if kind not in NEEDS:
                near = nearest(str(kind), NEEDS)
                text = f"has the unknown distribution {kind!r}; allowed: {', '.join(NEEDS)}{near}"
                raise self._error(line, text)
            return kind
        if "value" in self.keys:
            return "constant"
        if "values" in self.keys:
            return "categorical"
        if "min" in self.keys and "max" in self.keys:
            kinds = {type(self.keys[word].value) for word in ("min", "max")}
            if kinds == {int, float}:
                raise self._error(self.line, "has one whole bound; add distribution: int_uniform or uniform")
            return "int_uniform" if kinds == {int} else "uniform"
        raise self._error(self.line, "has no values; write value: x, values: [x, y], or min: x and max: y")

    def _values(self) -> tuple[Located, ...]:
        items, line = self.keys["values"]
        if not isinstance(items, list) or not items:
            raise self._error(line, "needs values: as a list with at least one entry, such as values: [1, 2]")
        return tuple(self._usable(item) for item in items)

    def _usable(self, item: Located) -> Located:
        plain = item.plain()
        if isinstance(plain, dict):
            raise self._error(item.line, "has a mapping as its value; write nested ones under parameters:")
        return Located(plain, item.line)

    def _probabilities(self, count: int) -> tuple[float, ...]:
        if "probabilities" not in self.keys:
            return ()
        item = self.keys["probabilities"]
        plain = item.plain()
        numbers = plain if isinstance(plain, list) and all(isinstance(p, (int, float)) for p in plain) else []
        if len(numbers) != count or min(numbers) < 0 or not math.isclose(sum(numbers), 1.0, abs_tol=1e-6):
            raise self._error(item.line, f"needs {count} probabilities that add up to 1, one for each value")
        return tuple(float(p) / sum(numbers) for p in numbers)

    def _numbers(self, kind: str) -> dict[str, float]:
        numbers = {"q_uniform": {"q": 1.0}, "normal": {"mu": 0.0, "sigma": 1.0}}.get(kind, {}).copy()
        for word in ("min", "max", "q", "mu", "sigma"):
            if word in self.keys:
                numbers[word] = self._one_number(*self.keys[word], whole=kind == "int_uniform", word=word)
        if "min" in numbers and numbers["min"] > numbers["max"]:
            text = f"has min: {numbers['min']:g} above max: {numbers['max']:g}"
            raise self._error(self.keys["min"].line, text)
        if kind == "log_uniform_values" and numbers["min"] <= 0:
            raise self._error(self.keys["min"].line, f"needs min: above 0 for {kind}, not {numbers['min']:g}")
        for word in ("q", "sigma"):
            if word in numbers and numbers[word] <= 0:
                raise self._error(self.keys[word].line, f"needs {word}: above 0, not {numbers[word]:g}")
        return numbers

    def _one_number(self, value: Any, line: int, whole: bool, word: str) -> float:
        try:  # YAML reads 1e-3 as text
            number = float(value) if not isinstance(value, (bool, list, dict)) else math.nan
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or (whole and number != int(number)):
            shown = Located(value, line).plain()
            what = "a whole number" if whole else "a finite number"
            raise self._error(line, f"needs {word}: as {what}, not {shown!r}")
        return number
