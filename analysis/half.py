"""The half-mask test: a mask on the early or the late half of the layers, with the other half unmasked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from masks.algebra import Masks


def half(masks: Masks, groups: Sequence[Sequence[str]], early: bool, middle_is_early: bool = False) -> Masks:
    """Return the masks of one half of the layers, and everything kept in the other half.

    If the accuracy falls more when one half is masked, that half's mask has removed what the rest relied on.

    Args:
        masks: the subnet.
        groups: parameter names by layer, from input to output.
        early: mask the first half, otherwise the second.
        middle_is_early: where an odd number of layers leaves the middle one.

    Source: "Are Neural Nets Modular?", appendix on masking half of the layers.
    """
    cut = math.ceil(len(groups) / 2) if middle_is_early else len(groups) // 2
    masked = {name for group in (groups[:cut] if early else groups[cut:]) for name in group}
    return Masks({n: mask if n in masked else torch.ones_like(mask) for n, mask in masks.items()})
