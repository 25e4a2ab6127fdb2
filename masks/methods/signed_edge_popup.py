"""Edge-popup with signs: the weights with the largest |score| are kept, with or without their sign flipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.conditions import when
from core.limits import Kept, Positive
from masks.methods.edge_popup import EdgePopup
from masks.methods.method import MaskMethod

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class SignedPopup(MaskMethod):
    """m = sign(score) for the `keep` fraction of a tensor's weights with the largest |score|, 0 for the others.

    The gradient goes to the scores as if they were the mask. First scores as of edge-popup. No penalty.

    Args:
        keep: fraction of the weights that is kept, in (0, 1].
        er_scale: none: `keep`; a number: keep of a tensor is er_scale * (out + in) / size, at most 1/2.

    Source: an option of the code of "Supermasks in Superposition" that none of its experiments uses; masks with signs:
    Zhou, Lan, Liu, Yosinski, "Deconstructing Lottery Tickets", NeurIPS 2019, section 5.
    """

    signed: ClassVar[bool] = True
    unused: ClassVar[tuple[str, ...]] = ("init", "penalty")
    only_with: ClassVar = {"keep": when("er_scale", None)}

    keep: Kept = 0.5
    er_scale: Positive | None = None

    @property
    def by_shape(self) -> bool:
        return self.er_scale is not None

    def init(self, weight: Tensor, init_value: float | None, rng: torch.Generator) -> Tensor:
        return self._plain().init(weight, init_value, rng)

    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        mask = self.hard(scores).to(scores.dtype)
        return (mask + (scores - scores.detach())).expand(k, *scores.shape)

    def hard(self, scores: Tensor) -> Tensor:
        return scores.detach().sign().char() * self._plain().hard(scores)

    def penalty(self, scores: Tensor) -> Tensor:
        return scores.sum() * 0

    def _plain(self) -> EdgePopup:
        return EdgePopup(self.keep, er_scale=self.er_scale)
