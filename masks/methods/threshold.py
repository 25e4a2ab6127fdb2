"""Deterministic masks: a weight is kept when its score passes a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.limits import Real
from masks.methods.method import MaskMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Threshold(MaskMethod):
    """m = 1[score > threshold], with the identity as gradient. Penalty: the sum of the scores.

    All K samples of a forward pass are the same mask, so `mask.samples=1` wastes nothing.

    Args:
        threshold: scores above this keep their weight.

    Source: Mallya, Davis, Lazebnik, "Piggyback: Adapting a Single Network to Multiple Tasks by Learning to
    Mask Weights", ECCV 2018, section 3.
    """

    elementwise: ClassVar[bool] = True

    threshold: Real = 0.0

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        mask = self.hard(scores).to(scores.dtype)
        return (mask + (scores - scores.detach())).expand(k, *scores.shape)

    def masked_weight(self, weight: Tensor, scores: Tensor, k: int, seed: int) -> Tensor:
        import torch

        from masks.straight_through import straight

        mask = torch.gt(scores.detach(), self.threshold, out=torch.empty_like(scores))  # booleans are slow to write
        return straight(weight, scores, mask, k)

    def hard(self, scores: Tensor) -> Tensor:
        return scores > self.threshold

    def penalty(self, scores: Tensor) -> Tensor:
        return scores.sum()
