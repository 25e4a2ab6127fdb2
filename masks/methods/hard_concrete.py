"""Hard concrete gates: noisy masks that are exactly 0 and 1 with some probability, and their expected L0 norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from core.limits import Range, Temperature
from masks.methods.method import MaskMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class HardConcrete(MaskMethod):
    """m = min(1, max(0, s (zeta - gamma) + gamma)), s = sigmoid((log(u / (1 - u)) + score) / beta), u ~ U(0, 1).

    Penalty: the expected number of weights whose gate is not 0, the sum of sigmoid(score - beta log(-gamma / zeta)).

    Args:
        beta: temperature of the relaxation.
        gamma: lower end of the stretched interval, below 0.
        zeta: upper end, above 1.
        reduction: of the penalties: sum over all weights, as published; mean over them; tensor_mean, the mean over
            tensors of each one's mean.

    Source: Louizos, Welling, Kingma, "Learning Sparse Neural Networks through L0 Regularization", ICLR 2018,
    equations 10 to 12. Differs from the paper: it measures the network with the gates g = min(1, max(0, sigmoid(score)
    (zeta - gamma) + gamma)), equation 13, which need be neither 0 nor 1. Here a deterministic mask keeps a weight or
    does not, and it keeps those with g > 1/2: of all such masks the one nearest to the paper's gates, and with
    gamma = 1 - zeta the one of score > 0, as of the other methods. To keep every g > 0 would give full weight to what
    hardly counted.
    """

    elementwise: ClassVar[bool] = True
    relaxed: ClassVar[bool] = True
    random: ClassVar[bool] = True

    beta: Temperature = 2 / 3
    gamma: Annotated[float, Range(-100, 0, open_high=True)] = -0.1
    zeta: Annotated[float, Range(1, 100, open_low=True)] = 1.1
    reduction: Literal["sum", "mean", "tensor_mean"] = "sum"

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        from masks.gumbel_kernel.counter_rng import uniforms

        noise = uniforms(scores.numel(), k, seed, scores.device).to(scores.dtype).logit().view(k, *scores.shape)
        stretched = ((noise + scores) / self.beta).sigmoid() * (self.zeta - self.gamma) + self.gamma
        return stretched.clamp(0, 1)

    def hard(self, scores: Tensor) -> Tensor:
        # solved for the score, and rounded: 0 exactly where the interval is symmetric about 1/2
        return scores > round(math.log((0.5 - self.gamma) / (self.zeta - 0.5)), 9)

    def penalty(self, scores: Tensor) -> Tensor:
        return (scores - self.beta * math.log(-self.gamma / self.zeta)).sigmoid().sum()
