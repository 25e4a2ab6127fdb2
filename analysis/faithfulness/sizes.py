"""Size curves: what the highest scores do, at sizes that no mask was trained for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.faithfulness.evaluation import Evaluation, Scores
from core.errors import OptionError
from masks.algebra import Masks
from masks.masking import Given
from masks.topk import kept, largest

LADDER = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class SizeCurve:
    """What is done by how much.

    Attributes:
        sizes: [n] ascending: the shares of the weights that are kept.
        scores: of those masks, the rest zero, [n].
    """

    sizes: tuple[float, ...]
    scores: Scores

    @property
    def area(self) -> float:
        """Mean accuracy over the logarithm of the size: the area under the curve by trapezoids, over its width."""
        if len(self.sizes) == 1:
            return float(self.scores.accuracy[0])
        at = torch.tensor([math.log(size) for size in self.sizes], dtype=torch.float64)
        return float(torch.trapezoid(self.scores.accuracy, at) / (at[-1] - at[0]))


def top(ranking: Mapping[str, Tensor], share: float) -> Masks:
    """Return the masks of the highest entries of all tensors together, exactly round(share * n) and at least one.

    Args:
        ranking: by parameter name, of its shape; what is higher is kept longer. Scores where the method ranks by them;
            their absolute values where by those (edge-popup).
        share: of all entries, in (0, 1].

    Raises:
        OptionError: another share.
    """
    if not 0 < share <= 1:
        raise OptionError(f"size={share} is outside (0, 1]: a share of the weights")
    flat = torch.cat([tensor.detach().flatten() for tensor in ranking.values()])
    parts = largest(flat, kept(share, len(flat))).split([tensor.numel() for tensor in ranking.values()])
    return Masks({name: part.view(ranking[name].shape) for name, part in zip(ranking, parts, strict=True)})


def size_curve(evaluation: Evaluation, ranking: Mapping[str, Tensor], sizes: Sequence[float] = LADDER) -> SizeCurve:
    """Return how the network does when only the highest-ranked weights are kept, at each size.

    Args:
        evaluation: network and examples.
        ranking: see `top`.
        sizes: shares of the weights.

    Raises:
        OptionError: as of `top`.

    Source: Mueller et al., "MIB: A Mechanistic Interpretability Benchmark", 2025: faithfulness at ten sizes and its
    area. Differs from it: accuracy, and sizes are of weights, not of edges.
    """
    sizes = tuple(sorted(sizes))
    return SizeCurve(sizes, evaluation.scores([Given(top(ranking, size)) for size in sizes]))
