"""Bernoulli supermasks: a weight is kept with a learned probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from masks.methods.method import MaskMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Bernoulli(MaskMethod):
    """m ~ Bernoulli(p), p = sigmoid(score), with the identity as gradient to p. Penalty: the sum of the scores.

    With g = dL/dm, dL/dscore = g p (1 - p): g/4 at 0, and .018 g where |score| is 4. The samples are those of
    `masks.methods.gumbel.Gumbel`, whose gradient also depends on the sample.

    Args:
        gradient: sigmoid: g p (1 - p); identity: g, which does not vanish where p is near 0 or 1.

    Source: Zhou, Lan, Liu, Yosinski, "Deconstructing Lottery Tickets: Zeros, Signs, and the Supermask", NeurIPS 2019,
    section 5; the gradient as in the code of Ramanujan et al., CVPR 2020, to which their learning rates are tuned.
    """

    revision: ClassVar[int] = 2
    elementwise: ClassVar[bool] = True
    random: ClassVar[bool] = True

    gradient: Literal["sigmoid", "identity"] = "sigmoid"

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        from masks.gumbel_kernel.autograd import gumbel_sample

        passed = scores.sigmoid() if self.gradient == "sigmoid" else scores
        return gumbel_sample(scores.detach(), k, seed, 1.0) + (passed - passed.detach())

    def hard(self, scores: Tensor) -> Tensor:
        return scores > 0

    def penalty(self, scores: Tensor) -> Tensor:
        return scores.sum()
