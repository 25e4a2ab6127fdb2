"""Maskings that leave something of the weights outside a mask, and several maskings side by side.

masked(x, Rest(masks, r))                     what the mask drops is multiplied by r, in [0, 1]
masked(x, Rest(masks, rs, k=8))               chunk i of the batch goes through r_i
masked(x, Several([Given(a), Given(b)]))      chunk i through masking i
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import MaskError
from core.registry import nearest
from masks.algebra import Masks
from masks.network import MaskedNetwork, Masking


@dataclass(frozen=True)
class Rest:
    """A mask whose other weights are scaled down instead of dropped: W * (M + (1 - M) r).

    Args:
        masks: which weights are kept as they are.
        r: what the others are multiplied by, by parameter name, [*weight.shape] or what broadcasts to it; 0 is the mask
            alone, 1 the whole network. May need a gradient.
        k: None, or the number of r, of which each tensor then has [k, ...].

    Source: Bushnaq, Braun, Sharkey, "Stochastic Parameter Decomposition", 2025 (arXiv 2506.20790), section 2: masks
    m = g + (1 - g) r of parts with importance g. Differs from it: g is 0 or 1, and the parts are single weights.
    """

    masks: Masks
    r: Mapping[str, Tensor]
    k: int | None = None

    def weights(self, masked: MaskedNetwork) -> dict[str, Tensor]:
        """Return name -> W where the mask is 1, W * r elsewhere [*weight.shape], or [k, *weight.shape].

        Raises:
            MaskError: the masks are for other tensors, or there is no r for one.
        """
        self.masks.check_fits(masked.shapes)
        found = {}
        for name, weight in masked.weights.items():
            if name not in self.r:
                raise MaskError(f"there is no r for {name!r}{nearest(name, self.r)}")
            mask = self.masks[name]
            found[name] = torch.where(mask != 0, weight * mask, weight * self.r[name].to(weight.dtype))
        return found


@dataclass(frozen=True)
class Several:
    """Several maskings side by side, each of one mask: chunk i of the batch goes through the i-th."""

    maskings: Sequence[Masking]

    @property
    def k(self) -> int:
        """The number of chunks."""
        return len(self.maskings)

    def weights(self, masked: MaskedNetwork) -> dict[str, Tensor]:
        """Return name -> the weights of each masking [k, *weight.shape].

        Raises:
            MaskError: one of them stands for several masks itself.
        """
        for masking in self.maskings:
            if masking.k is not None:
                raise MaskError(f"{type(masking).__name__} stands for {masking.k} masks; Several takes those of one")
        each = [masking.weights(masked) for masking in self.maskings]
        return {name: torch.stack([one[name] for one in each]) for name in masked.shapes}
