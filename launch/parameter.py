"""One parameter of a sweep: the values it takes in a grid, and its draws in a random search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.rng import key
from launch.located_yaml import Document, Located

if TYPE_CHECKING:
    import numpy as np

MOST = 100_000  # more points than this is a mistake in the file
NEEDS = {  # what each distribution of the W&B schema is described by
    "constant": ("value",),
    "categorical": ("values",),
    "int_uniform": ("min", "max"),
    "uniform": ("min", "max"),
    "q_uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
    "normal": (),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter: a dotted option name and where its values come from.

    Attributes:
        name: dotted option name.
        line: its line in the file; 0 when it was given on the command line.
        distribution: a key of `NEEDS`.
        values: what is listed, in the order of the file; empty for the distributions over numbers.
        numbers: min, max, q, mu, sigma.
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
        return Located(self._number(rng), self.line)

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
        if self.distribution == "normal":
            return True
        low, high, q = (self.numbers.get(word, default) for word, default in (("min", 0.0), ("max", 1.0), ("q", 0.0)))
        if q and abs(value / q - round(value / q)) > 1e-6:
            return False
        if self.distribution == "int_uniform" and value != int(value):
            return False
        slack = q / 2 + 1e-9 * max(abs(low), abs(high))  # rounding to a multiple of q may leave the range
        return low - slack <= value <= high + slack

    def grid(self, document: Document) -> tuple[Located, ...]:
        """Return the values this parameter takes in a grid, in order.

        `q_uniform` takes min, min + q, ... below max, as W&B's grid does.

        Raises:
            SweepError: a continuous distribution, which has no grid.
        """
        if self.values:
            return self.values
        low, high, q = (self.numbers.get(word, 1.0) for word in ("min", "max", "q"))
        if self.distribution == "int_uniform":
            return tuple(Located(n, self.line) for n in range(int(low), min(int(high), int(low) + MOST) + 1))
        if self.distribution == "q_uniform":
            count = min(max(1, math.ceil((high - low) / q - 1e-9)), MOST + 1)
            return tuple(Located(_clean(low + i * q), self.line) for i in range(count))
        raise document.error(
            self.line,
            f"parameter {self.name!r} is {self.distribution}, which a grid cannot list; "
            "write values: [...] or method: random",
        )

    def _number(self, rng: np.random.Generator) -> float:
        low, high = self.numbers.get("min", 0.0), self.numbers.get("max", 1.0)
        if self.distribution == "int_uniform":
            return int(rng.integers(int(low), int(high), endpoint=True))
        if self.distribution == "uniform":
            return float(rng.uniform(low, high))
        if self.distribution == "q_uniform":
            return _clean(round(rng.uniform(low, high) / self.numbers["q"]) * self.numbers["q"])
        if self.distribution == "log_uniform_values":
            return float(math.exp(rng.uniform(math.log(low), math.log(high))))
        return float(rng.normal(self.numbers["mu"], self.numbers["sigma"]))


def given(name: str, text: str, line: int = 0) -> Parameter:
    """Return a parameter with one value that is command-line text, as of `--set name=text`."""
    return Parameter(name, line, "constant", (Located(text, line),))


def _clean(number: float) -> float:
    return float(f"{number:.12g}")  # 0.3 rather than 0.30000000000000004, which would be another run
