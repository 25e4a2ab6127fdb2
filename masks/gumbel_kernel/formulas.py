"""The distribution of a Gumbel-sigmoid mask. These formulas run on torch tensors and on numpy arrays alike.

A mask keeps entry i where u > sigmoid(-score_i), which is sigmoid(score_i + log(u / (1-u))) > 1/2: the
temperature plays no part in it. It is decided by comparing the hash with a whole number that comes from sums,
products and one quotient alone: those round the same way everywhere, while the last bit of a library's
exponential does not. So the masks are bit-equal compiled or not, and with any number of threads.

The gradient is that of s = sigmoid((score + log(u / (1-u))) / temperature).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Numbers = TypeVar("Numbers", Tensor, np.ndarray)


def last_dropped(scores: Numbers) -> Numbers:
    """Return the largest h whose u = (h + 2^22 + 1/2) / 2^23 is not above sigmoid(-score).

    Args:
        scores: float32.

    Returns:
        Whole numbers near -2^22 .. 2^22, float32. The probability they stand for is exact within 3 / 2^23.
    """
    x = scores.clip(-16, 16)
    y = x * x
    # -2^22 tanh(x / 2) = x * above / below: our own minimax fit, by which tanh is exact within 1.3e-7
    above = y * -0.3706124424934387
    above += -385.1976318359375
    above *= y
    above += -67704.65625
    above *= y
    above += -2097150.625
    above *= x
    below = y * 9.468094086528822e-10
    below += 3.7035633795312606e-06
    below *= y
    below += 1.4852384338155389e-03
    below *= y
    below += 0.11561684310436249
    below *= y
    below += 1.0
    above /= below
    # u > sigmoid(-score) = (1 - tanh) / 2  <=>  h > -2^22 tanh - 1/2; adding 1.5 * 2^23 rounds
    above += 12582912.0
    above -= 12582913.0
    return above


def slope_(u: Numbers, c: Numbers) -> Numbers:
    """Turn uniform numbers into s (1 - s) / c, where s = u / (u + (1-u) c) (temperature 1), in place.

    Args:
        u: uniform numbers times 2^23.
        c: exp(-score); the caller multiplies by it, once, after the sum over masks.
    """
    rest = 2.0**23 - u
    below = rest * c
    below += u
    below *= below
    u *= rest
    u /= below
    return u


def tempered_slope(u: Numbers, c: Numbers, temperature: float | Tensor) -> Numbers:
    """Return ds / dscore = s (1 - s) / temperature from uniform numbers times 2^23 and c = exp(-score)."""
    odds = 2.0**23 - u
    odds /= u
    odds *= c
    odds **= 1 / temperature
    odds = odds.clip(None, 1e15)  # beyond, the slope is 0, and a square must not overflow
    below = odds + 1
    below *= below
    below *= temperature
    odds /= below
    return odds
