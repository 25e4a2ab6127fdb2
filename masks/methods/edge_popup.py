"""Edge-popup: the weights with the highest scores are kept, a fixed fraction of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from core.conditions import when
from core.errors import OptionError
from core.limits import Kept, Positive
from masks.methods.method import GlobalMethod
from masks.topk import kept, largest, largest_covering

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MOST_ERDOS_RENYI = 0.5


@dataclass(frozen=True)
class EdgePopup(GlobalMethod):
    """m = 1 for the `keep` fraction of the weights with the largest |score|, with the identity as gradient.

    dL/d|score| is dL/dm, also where m = 0, so that a weight that is off can pop up again. First scores are those
    with which torch draws a convolution, U(-1/sqrt(fan_in), 1/sqrt(fan_in)). No penalty: how many are kept is fixed.

    Args:
        keep: fraction of the weights that is kept, in (0, 1].
        rank: abs ranks by |score|, as the authors' code does; signed by the score, as the paper's equation reads.
        scope: layer keeps the fraction in every tensor, network in all of them together. Units of different sizes
            count by their weights: as many of the best are kept as come nearest to the fraction.
        er_scale: none: `keep`; a number: keep of a tensor is er_scale * (out + in) / size, at most 1/2
            (Erdős-Rényi), and `keep` plays no part.

    Source: Ramanujan, Wortsman, Kembhavi, Farhadi, Rastegari, "What's Hidden in a Randomly Weighted Neural
    Network?", CVPR 2020, section 3; Erdős-Rényi budgets: Wortsman et al., "Supermasks in Superposition", NeurIPS
    2020, its code. Differs from the code: as many are kept as round(keep * size), which the code misses by one where
    (1 - keep) * size is not exact, and scores may lie in memory in any order.
    """

    unused: ClassVar[tuple[str, ...]] = ("init", "penalty")
    only_with: ClassVar = {"keep": when("er_scale", None)}

    keep: Kept = 0.5
    rank: Literal["abs", "signed"] = "abs"
    scope: Literal["layer", "network"] = "layer"
    er_scale: Positive | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.er_scale is not None and self.scope == "network":
            raise OptionError(f"mask.er_scale={self.er_scale} is a budget of single tensors: mask.scope=layer")

    @property
    def global_scope(self) -> bool:
        return self.scope == "network"

    @property
    def by_shape(self) -> bool:
        return self.er_scale is not None

    def init(self, weight: Tensor, init_value: float | None, rng: torch.Generator) -> Tensor:
        return super().init(weight, None, rng)

    def sample(self, scores: Tensor, k: int, seed: int, covers: Tensor | None = None) -> Tensor:
        ranked = self._ranked(scores)
        mask = self.hard(scores, covers).to(scores.dtype)
        return (mask + (ranked - ranked.detach())).expand(k, *scores.shape)

    def masked_weight(self, weight: Tensor, scores: Tensor, k: int, seed: int) -> Tensor:
        from masks.straight_through import straight

        return straight(weight, self._ranked(scores), self.hard(scores).to(scores.dtype), k)

    def hard(self, scores: Tensor, covers: Tensor | None = None) -> Tensor:
        if covers is not None:
            return largest_covering(self._ranked(scores), covers, self.keep)
        return largest(self._ranked(scores), self._count(scores))

    def penalty(self, scores: Tensor) -> Tensor:
        return scores.sum() * 0

    def _ranked(self, scores: Tensor) -> Tensor:
        return scores.abs() if self.rank == "abs" else scores

    def _count(self, scores: Tensor) -> int:
        size = scores.numel()
        if self.er_scale is None:
            return kept(self.keep, size)
        sides = sum(scores.shape[:2]) if scores.dim() > 1 else size
        return kept(min(MOST_ERDOS_RENYI, self.er_scale * sides / size), size)
