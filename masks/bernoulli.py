"""Supermasks: a weight is kept by the toss of a coin whose odds are learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from masks.method import Method

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Bernoulli(Method):
    """m ~ Bernoulli(sigmoid(score)), with the identity as gradient. Penalty: the sum of the scores.

    The draws are those of `masks.gumbel.Gumbel`; what differs is the gradient, which does not fade where the
    probability is near 0 or 1.

    Source: Zhou, Lan, Liu, Yosinski, "Deconstructing Lottery Tickets: Zeros, Signs, and the Supermask", NeurIPS 2019,
    section 5; the gradient as in the code of Ramanujan et al., CVPR 2020.
    """

    elementwise: ClassVar[bool] = True

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        from masks.noise import gumbel_sample

        return gumbel_sample(scores.detach(), k, seed, 1.0) + (scores - scores.detach())

    def hard(self, scores: Tensor) -> Tensor:
        return scores > 0

    def penalty(self, scores: Tensor) -> Tensor:
        return scores.sum()
