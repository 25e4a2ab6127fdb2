"""One parameter of a sweep: the values it takes in a grid, and its draws in a random search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.rng import key
from launch.distributions import allows, clean, draw
from launch.located_yaml import Document, Located


@dataclass(frozen=True)
class Parameter:
    """One parameter: a dotted option name and where its values come from.

    Attributes:
        name: dotted option name, or that of a group whose values are mappings.
        line: its line in the file; 0 when it was given on the command line.
        distribution: a key of `launch.distributions.NEEDS`.
        values: what is listed, in the order of the file; empty for the distributions over numbers.
        numbers: min, max, q, mu, sigma, a, b: all that the distribution is described by.
        probabilities: of each value; empty when all are equal.
    """

    name: str
    line: int
    distribution: str
    values: tuple[Located, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    probabilities: tuple[float, ...] = ()

    def draw(self, index: int) -> Located:
        """Return the value of random point `index`.

        Every draw is a function of the parameter's name and the index, so adding a parameter, or asking for
        more points, changes none of those there were.
        """
        import numpy as np

        if self.distribution == "constant":
            return self.values[0]
        rng = np.random.default_rng(key(0, "sweep", self.name, index))
        if self.values:
            return self.values[int(rng.choice(len(self.values), p=self.probabilities or None))]
        return Located(draw(self.distribution, self.numbers, rng), self.line)

    def allows(self, value: Any, read: Callable[[Any], Any]) -> bool:
        """Return whether a random search, here or on the W&B server, can draw a value.

        Args:
            value: of the option, in its type.
            read: turns a value as the file lists it into the option's type.
        """
        if self.values:
            return any(read(item.value) == value for item in self.values)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        return allows(self.distribution, self.numbers, value)

    def count(self, document: Document) -> int:
        """Return how many values this parameter takes in a grid.

        Raises:
            SweepError: a continuous distribution, which has no grid.
        """
        if self.values:
            return len(self.values)
        if self.distribution == "int_uniform":
            return int(self.numbers["max"]) - int(self.numbers["min"]) + 1
        if self.distribution == "q_uniform":
            return max(1, math.ceil((self.numbers["max"] - self.numbers["min"]) / self.numbers["q"] - 1e-9))
        raise document.error(
            self.line,
            f"parameter {self.name!r} is {self.distribution}, which a grid cannot list; "
            "write values: [...] or method: random",
        )

    def grid(self, document: Document, most: int) -> tuple[Located, ...]:
        """Return the values this parameter takes in a grid, in order, `most` of them at most.

        `q_uniform` takes min, min + q, ... below max, as W&B's grid does.

        Raises:
            SweepError: a continuous distribution, which has no grid.
        """
        count = min(self.count(document), most)
        if self.values:
            return self.values[:count]
        low, step = self.numbers["min"], self.numbers.get("q", 1)
        items = (low + n if self.distribution == "int_uniform" else clean(low + n * step) for n in range(count))
        return tuple(Located(item, self.line) for item in items)


def given(name: str, text: str, line: int = 0) -> Parameter:
    """Return a parameter with one value that is command-line text, as of `--set name=text`."""
    return Parameter(name, line, "constant", (Located(text, line),))
