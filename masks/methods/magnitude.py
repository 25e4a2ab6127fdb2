"""Magnitude pruning: a control that depends only on the magnitude of the trained weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.limits import Kept
from masks.methods.method import MaskMethod
from masks.topk import kept, largest

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Magnitude(MaskMethod):
    """Keep the `keep` fraction of each tensor with the largest |weight|; nothing is trained.

    The scores are the weights' magnitudes, of a unit their mean; they get no gradient. Exactly
    max(1, round(keep * size)) are kept; of equal ones those that come last.

    Args:
        keep: fraction of each tensor that is kept, in (0, 1].

    Source: Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural Networks",
    NeurIPS 2015, section 3, per layer and in one shot.
    """

    learns: ClassVar[bool] = False
    unused: ClassVar[tuple[str, ...]] = ("init", "penalty")

    keep: Kept = 0.1

    def init(self, weight: Tensor, init_value: float | None, rng: torch.Generator) -> Tensor:
        return weight.detach().abs().clone()

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        mask = self.hard(scores).to(scores.dtype)
        return (mask + 0 * scores).expand(k, *scores.shape)

    def hard(self, scores: Tensor) -> Tensor:
        return largest(scores, kept(self.keep, scores.numel()))

    def penalty(self, scores: Tensor) -> Tensor:
        return scores.sum() * 0
