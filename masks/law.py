"""The law of a Gumbel-sigmoid mask. These formulas run on torch tensors and on numpy arrays alike.

A mask keeps entry i where u > sigmoid(-score_i), which is sigmoid(score_i + log(u / (1-u))) > 1/2: the temperature
plays no part in it. It is decided by comparing the hash with a whole number that comes from sums, products and
one quotient alone: those round the same way everywhere, while the last bit of a library's exponential does not.
So the masks are bit-equal on any device, compiled or not.

The gradient is that of s = sigmoid((score + log(u / (1-u))) / temperature).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Numbers = TypeVar("Numbers", Tensor, np.ndarray)


def least_kept(scores: Numbers) -> Numbers:
    """Return the smallest h whose u = 1/2 + (2h + 1) / 2^24 is above sigmoid(-score).

    Args:
        scores: float32.

    Returns:
        Whole numbers of -2^22 to 2^22 - 1, float32; the probability they stand for is exact within 2^-22.
    """
    half = (scores * 0.5).clip(-8, 8)
    y = half * half
    # tanh(half) = half * above / below within 6e-9 on [-8, 8]: our own minimax fit of degrees 9 and 8
    above = y * 1.5061585761e-08
    above += 2.1773093157e-05
    above *= y
    above += 3.5641470458e-03
    above *= y
    above += 1.3438183069e-01
    above *= y
    above += 9.9999994040e-01
    above *= half
    below = y * 8.4535730593e-07
    below += 3.3991644159e-04
    below *= y
    below += 2.6135981083e-02
    below *= y
    below += 4.6771505475e-01
    below *= y
    below += 1.0
    above /= below
    # u > sigmoid(-score) = (1 - tanh) / 2  <=>  h > -2^22 tanh - 1/2; adding 1.5 * 2^23 rounds to a whole number
    above *= -(2.0**22)
    above += 12582912.0
    above -= 12582912.0
    return above.clip(-(2.0**22), 2.0**22 - 1)


def slope_(u: Numbers, c: Numbers) -> Numbers:
    """Turn uniform numbers into s (1 - s) / c at temperature 1, s = u / (u + (1-u) c), in place, and return it.

    Args:
        u: uniform numbers.
        c: exp(-score); the caller multiplies by it, once, after the sum over masks.
    """
    rest = 1 - u
    below = rest * c
    below += u
    below *= below
    u *= rest
    u /= below
    return u


def tempered_slope_(u: Numbers, c: Numbers, temperature: float | Tensor) -> Numbers:
    """Turn uniform numbers into ds / dscore = s (1 - s) / temperature, and return it; c = exp(-score)."""
    odds = 1 - u
    odds /= u
    odds *= c
    odds **= 1 / temperature
    odds = odds.clip(None, 1e15)  # beyond, the slope is 0, and a square must not overflow
    below = odds + 1
    below *= below
    below *= temperature
    odds /= below
    return odds
