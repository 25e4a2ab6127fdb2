"""Continuous sparsification: soft masks that harden during training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from core.limits import Temperature
from masks.methods.method import MaskMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ContinuousSparsification(MaskMethod):
    """m = sigmoid(T * score); the temperature T grows geometrically, so that m ends close to 1[score > 0].

    T(p) = initial^(1 - p) * final^p, p = step / (steps - 1): exactly `final_temperature` at the last step. The
    deterministic mask is score > 0. Penalty: the sum of sigmoid(T * score). All K samples of a forward pass are the
    same, so `mask.samples=1` wastes nothing.

    Args:
        initial_temperature: T of the first step.
        final_temperature: T of the last step.
        reduction: of the penalties: sum over all weights, as published; mean over them; tensor_mean, the mean over
            tensors of each one's mean, which prunes small tensors as it does large ones.
        init: first value of every score; -0.1 as in subtask induction.

    Source: Savarese, Silva, Maire, "Winning the Lottery with Continuous Sparsification", NeurIPS 2020, section 3
    (final temperature 200); Zhang, Lepori, Pavlick, "Instilling Inductive Biases with Subnetworks", 2023 (100).
    Differs from both: T grows at every step, not after every epoch, and is a function of the step alone. (The code
    of subtask induction applies the factor of its second epoch twice and resets T when a run is loaded.)
    """

    elementwise: ClassVar[bool] = True
    relaxed: ClassVar[bool] = True
    init_value: ClassVar[float | None] = -0.1

    initial_temperature: Temperature = 1.0
    final_temperature: Temperature = 100.0
    reduction: Literal["sum", "mean", "tensor_mean"] = "sum"

    def at(self, progress: float) -> ContinuousSparsification:
        # a product of powers, and not a power of the quotient: exact at both ends
        temperature = self.initial_temperature ** (1 - progress) * self.final_temperature**progress
        return replace(self, initial_temperature=temperature, final_temperature=temperature)

    @property
    def annealed(self) -> dict[str, float]:
        return {"temperature": self.initial_temperature}

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        return self._soft(scores).expand(k, *scores.shape)

    def masked_weight(self, weight: Tensor, scores: Tensor, k: int, seed: int) -> Tensor:
        return (weight * self._soft(scores)).expand(k, *scores.shape)

    def hard(self, scores: Tensor) -> Tensor:
        return scores > 0

    def penalty(self, scores: Tensor) -> Tensor:
        return self._soft(scores).sum()

    def _soft(self, scores: Tensor) -> Tensor:
        return (self.initial_temperature * scores).sigmoid()
