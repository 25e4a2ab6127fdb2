"""The distributions of the W&B schema: what each is described by, and how a number is drawn from it.

`log_uniform`, `inv_log_uniform` and `q_log_uniform` take exponents of e as bounds; those on `_values` take the bounds
themselves. Every `q_` one is its namesake rounded to a multiple of q.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BOUNDS, BELL, BETA = ("min", "max"), ("mu", "sigma"), ("a", "b")
NEEDS: dict[str, tuple[str, ...]] = {  # what each must have
    "constant": ("value",),
    "categorical": ("values",),
    "categorical_w_probabilities": ("values", "probabilities"),
    "int_uniform": BOUNDS,
    "uniform": BOUNDS,
    "q_uniform": BOUNDS,
    "log_uniform": BOUNDS,
    "q_log_uniform": BOUNDS,
    "inv_log_uniform": BOUNDS,
    "log_uniform_values": BOUNDS,
    "q_log_uniform_values": BOUNDS,
    "inv_log_uniform_values": BOUNDS,
    "normal": (),
    "q_normal": (),
    "log_normal": (),
    "q_log_normal": (),
    "beta": (),
    "q_beta": (),
}
DEFAULTS = {"q": 1.0, "mu": 0.0, "sigma": 1.0, "a": 1.0, "b": 1.0}


def may_have(kind: str) -> tuple[str, ...]:
    """Return what a distribution may be described by beside what it needs; `DEFAULTS` says what stands in for it."""
    shape = BELL if kind.endswith("normal") else BETA if kind.endswith("beta") else ()
    return (*shape, *(("q",) if kind.startswith("q_") else ()))


def draw(kind: str, numbers: dict[str, float], rng: np.random.Generator) -> float:
    """Return a number drawn from a distribution; infinity where it is too large for one.

    Args:
        kind: a key of `NEEDS`, with numbers.
        numbers: what describes it, all of it.
        rng: its next draw is used.
    """
    low, high = (numbers.get(word, 0.0) for word in BOUNDS)
    if kind == "int_uniform":
        return _whole(int(low), int(high), rng)
    if kind.startswith("q_"):
        q = numbers["q"]
        return clean(_rounded(draw(kind.removeprefix("q_"), numbers, rng), q))
    if kind == "uniform":
        return float(rng.uniform(low, high)) if math.isfinite(high - low) else _wide(low, high, rng)
    if kind == "log_uniform":
        return _exp(rng.uniform(low, high))
    if kind == "inv_log_uniform":
        return _exp(-rng.uniform(low, high))
    if kind.endswith("log_uniform_values"):  # the inverse has the same law: log(1 / x) is uniform as well
        return _exp(rng.uniform(math.log(low), math.log(high)))
    if kind == "normal":
        return float(rng.normal(numbers["mu"], numbers["sigma"]))
    if kind == "log_normal":
        return _exp(rng.normal(numbers["mu"], numbers["sigma"]))
    a, b = numbers["a"], numbers["b"]
    return float(rng.beta(a, b)) if a > 0 and b > 0 else float(rng.integers(2) if a == b else a > 0)


def allows(kind: str, numbers: dict[str, float], value: float) -> bool:
    """Return whether a distribution can give a number, on the W&B server or here."""
    low, high = _support(kind, numbers)
    q = numbers["q"] if kind.startswith("q_") else 0.0
    if q and abs(value / q - round(value / q)) > 1e-6 or kind == "int_uniform" and value != int(value):
        return False
    slack = q / 2 + 1e-9 * max(abs(edge) for edge in (low, high, 0.0) if math.isfinite(edge))
    return low - slack <= value <= high + slack  # rounding to a multiple of q may leave the range


def clean(number: float) -> float:
    """Return 0.3 for 0.30000000000000004, which would be another run."""
    return float(f"{number:.12g}")


def _support(kind: str, numbers: dict[str, float]) -> tuple[float, float]:
    kind = kind.removeprefix("q_")
    if kind == "normal":
        return -math.inf, math.inf
    if kind == "log_normal":
        return 0.0, math.inf
    if kind == "beta":
        return 0.0, 1.0
    low, high = numbers["min"], numbers["max"]
    if kind == "log_uniform":
        return _exp(low), _exp(high)
    return (_exp(-high), _exp(-low)) if kind == "inv_log_uniform" else (low, high)


def _rounded(number: float, q: float) -> float:
    return round(number / q) * q if math.isfinite(number / q) else number


def _exp(number: float) -> float:
    return math.exp(number) if number < 709 else math.inf


def _wide(low: float, high: float, rng: np.random.Generator) -> float:
    share = float(rng.random())
    return low * (1 - share) + high * share


def _whole(low: int, high: int, rng: np.random.Generator) -> int:
    if -(2**63) <= low and high < 2**63:
        return int(rng.integers(low, high, endpoint=True))
    span = high - low + 1  # numpy's end at 64 bits; so many more leave no bias to be seen
    return low + int.from_bytes(rng.bytes(span.bit_length() // 8 + 16), "little") % span
