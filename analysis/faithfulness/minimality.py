"""Minimality: how much of a mask can go without a change in what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from analysis.faithfulness.evaluation import Evaluation
from masks.algebra import Masks
from masks.masking import Given
from masks.rest import Rest


@dataclass(frozen=True)
class Minimality:
    """What binary splitting has found.

    Attributes:
        superfluous: share of the kept weights that went, all together, at no more than the tolerance.
        accuracy: of the mask without them.
        masks: what is left.
        passes: maskings that were scored.
    """

    superfluous: float
    accuracy: float
    masks: Masks
    passes: int


def minimality(evaluation: Evaluation, masks: Masks, tolerance: float = 0.01, smallest: float = 1 / 128) -> Minimality:
    """Remove groups of kept weights, the rest being zero, as long as the accuracy stays within a tolerance.

    The kept weights, in the order of |W dL/dW|, a first guess of how little each matters, are one group, then two,
    four, ... At each level all groups are tried alone, side by side; those that change nothing are removed together,
    or, where together they are missed, by halves. A group that is missed is split in two for the next level. So few
    needed groups cost a logarithm of their number. What is found is a bound from below: another order may find more.

    Args:
        evaluation: network and examples.
        masks: the mask.
        tolerance: by how much the accuracy of what is left may be below that of the mask.
        smallest: share of the kept weights that is no longer split.
    """
    names, sizes = list(masks), [mask.numel() for mask in masks.values()]
    flat = torch.cat([mask.flatten().cpu() for mask in masks.values()])
    kept = (flat != 0).nonzero()[:, 0]
    kept = kept[_effects(evaluation, masks)[kept].argsort(stable=True)]
    passes = 0

    def of(bits: Tensor) -> Masks:
        parts = zip(names, bits.split(sizes), strict=True)
        return Masks({n: part.view(masks[n].shape).to(masks[n].device) for n, part in parts})

    def without(groups: Sequence[Tensor]) -> list[float]:
        nonlocal passes
        passes += len(groups)
        return evaluation.scores([Given(of(flat.index_fill(0, group, 0))) for group in groups]).accuracy.tolist()

    (start,) = without([kept[:0]])
    least, left = start - tolerance, start

    def remove(groups: list[Tensor]) -> list[Tensor]:
        """Remove these groups as far as they are not missed; return those that are."""
        nonlocal flat, left
        if not groups:
            return []
        together = torch.cat(groups)
        (accuracy,) = without([together])
        if accuracy >= least:
            flat, left = flat.index_fill(0, together, 0), accuracy
            return []
        if len(groups) == 1:
            return groups
        half = len(groups) // 2
        return [*remove(groups[:half]), *remove(groups[half:])]

    groups = [kept] if len(kept) else []
    while groups:
        fine = [accuracy >= least for accuracy in without(groups)]
        missed = [group for group, alone in zip(groups, fine, strict=True) if not alone]
        missed += remove([group for group, alone in zip(groups, fine, strict=True) if alone])
        halves = chain.from_iterable(g.tensor_split(2) for g in missed if len(g) > max(1, smallest * len(kept)))
        groups = [half for half in halves if len(half)]
    gone = len(kept) - int((flat != 0).sum())
    return Minimality(gone / max(1, len(kept)), left, of(flat), passes)


def _effects(evaluation: Evaluation, masks: Masks) -> Tensor:
    """Return |W dL/dW| of the network under the mask, all tensors laid flat [n], on the CPU."""
    none = masks & ~masks
    r = {name: mask.to(evaluation.masked.weights[name].dtype).unsqueeze(0) for name, mask in masks.items()}
    _, slopes = evaluation.slopes(Rest(none, r, k=1))  # W r is the masked weight, so its slope by r is W dL/dW
    return torch.cat([slopes[name].abs().flatten().cpu() for name in masks])
