"""Gumbel-sigmoid masks with a straight-through gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.limits import Temperature
from masks.methods.method import MaskMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Gumbel(MaskMethod):
    """Keep a weight with probability sigmoid(score).

    Sample: m = 1[sigmoid((score + g) / temperature) > 1/2], g standard logistic (the difference of two Gumbel
    variables); the gradient is that of the sigmoid. Penalty: the sum of the scores.

    Args:
        temperature: temperature of the sigmoid whose gradient is used.

    Source: Csordas, van Steenkiste, Schmidhuber, "Are Neural Nets Modular?", ICLR 2021, section 2.
    Differs from the paper: one uniform number per entry instead of two, which has the same law; the
    deterministic mask is score > 0 everywhere (the authors' code evaluates score >= 0 and exports score > 0).
    """

    elementwise: ClassVar[bool] = True
    random: ClassVar[bool] = True

    temperature: Temperature = 1.0

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        from masks.gumbel_kernel.autograd import gumbel_sample

        return gumbel_sample(scores, k, seed, self.temperature)

    def masked_weight(self, weight: Tensor, scores: Tensor, k: int, seed: int) -> Tensor:
        from masks.gumbel_kernel.autograd import gumbel_product

        return gumbel_product(weight, scores, k, seed, self.temperature)

    def hard(self, scores: Tensor) -> Tensor:
        return scores > 0

    def penalty(self, scores: Tensor) -> Tensor:
        return scores.sum()
