"""The law of a Gumbel-sigmoid mask, for compiled code and plain torch alike.

A mask keeps entry i where u > sigmoid(-score_i), which is sigmoid(score_i + log(u / (1-u))) > 1/2: the temperature
plays no part in it. It is decided by comparing the hash with an integer bound, computed by sums, products and one
quotient alone: those round the same way everywhere, while the last bit of a library's exponential does not. So
the masks are bit-equal on any device, compiled or not.

The gradient is that of s = sigmoid((score + log(u / (1-u))) / temperature).
"""

from __future__ import annotations

import torch
from torch import Tensor


def bound(scores: Tensor) -> Tensor:
    """Return the int32 number that a hash must reach for its entry to be kept, [n].

    It is 2^32 (sigmoid(-score) - 1/2) to 23 bits, from a rational form of the hyperbolic tangent (within 2^-22).
    """
    half = scores.to(torch.float32).mul(0.5).clamp_(-8, 8)
    y = half * half
    # tanh(half) = half * above / below within 6e-9 on [-8, 8]: our own minimax fit of degrees 9 and 8
    above = (y * 1.5061585761e-08).add_(2.1773093157e-05)
    above.mul_(y).add_(3.5641470458e-03)
    above.mul_(y).add_(1.3438183069e-01)
    above.mul_(y).add_(9.9999994040e-01).mul_(half)
    below = (y * 8.4535730593e-07).add_(3.3991644159e-04)
    below.mul_(y).add_(2.6135981083e-02)
    below.mul_(y).add_(4.6771505475e-01)
    below.mul_(y).add_(1.0)
    # u = 1/2 + (2h + 1) / 2^24 > sigmoid(-score) = (1 - tanh) / 2  <=>  h > -2^22 tanh - 1/2  <=>  h >= bound / 2^9.
    # Adding 1.5 * 2^23 and taking it away again rounds to an integer.
    least = above.div_(below).mul_(-(2.0**22)).add_(12582912.0).sub_(12582912.0)
    return least.clamp_(max=2.0**22 - 1).mul_(512).to(torch.int32)


def odds(scores: Tensor) -> Tensor:
    """Return c = exp(-score), the odds of dropping an entry, [n]."""
    # past 80 the slope is 0 in float32, and c must not overflow
    return scores.clamp(-80, 80).neg_().exp_()


def slope_(u: Tensor, c: Tensor) -> Tensor:
    """Turn uniform numbers into s (1 - s) / c in place, and return it: s = u / (u + (1-u) c), temperature 1."""
    rest = 1 - u
    below = (rest * c).add_(u)
    return u.mul_(rest).div_(below.mul_(below))


def tempered_slope_(u: Tensor, scores: Tensor, temperature: float | Tensor) -> Tensor:
    """Turn uniform numbers into s (1 - s) / temperature in place, and return it."""
    s = u.logit_().add_(scores).div_(temperature).sigmoid_()
    return s.mul_(1 - s).div_(temperature)
