"""Masking: the masks of one forward pass, given as an argument. Each class defines the weights to run on.

masked(x)                                     the dense network
masked(x, Sample("add", k=8, seed=step))      8 samples; chunk i of the batch goes through mask i
masked(x, Hard("add"))                        the deterministic mask
masked(x, Given(~masks))                      any Masks
masked(x, Given(~masks, means(weights)))      the same, but what is not kept becomes the tensor's mean
masked(x, Select(["t1", "t2"]))               chunk i through subnet i
masked(x, Mix(["t1", "t2"], alphas))          superposition: W * sum_i alpha_i M_i
masked(**batch, masking=Hard("add"))          inputs by name
masked(x, Sample(...), Shared(causal))        an input that is no batch: every chunk gets the whole of it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.errors import MaskError
from core.registry import nearest
from core.rng import key
from layers.functional.pytree import Shared
from masks.algebra import Masks

if TYPE_CHECKING:
    from masks.model import MaskedModel

__all__ = ["Given", "Hard", "Mix", "Sample", "Select", "Shared"]

TOGETHER = 2**15  # up to so many entries a draw costs its calls, not its work: small tensors are drawn as one


@dataclass(frozen=True)
class Sample:
    """K samples of a subnet in training.

    Args:
        subnet: its name.
        k: number of draws. The rows of a batch that is no multiple of it go to them as evenly as they can, the
            first chunks with one row more.
        seed: the draws are a function of it; use a new one at every step.
        progress: how much of the training is done, in [0, 1]; what a method anneals goes by it.
    """

    subnet: str
    k: int
    seed: int
    progress: float = 0.0
    uneven = True

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        """Return name -> W * R [K, *weight.shape], of the dtype of W."""
        weights = masked.weights
        return {name: drawn.to(weights[name].dtype) for name, drawn in self._drawn(masked, weights).items()}

    def _drawn(self, masked: MaskedModel, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the same in the precision of the scores, which is no less than float32."""
        method, scores = masked.method.at(self.progress), masked.scores(self.subnet)
        weights = {n: weight.to(torch.promote_types(weight.dtype, scores[n].dtype)) for n, weight in weights.items()}
        alone = masked.unit == "weight"  # else units are sampled, and then stretched over their weights
        small = [
            n
            for n, tensor in scores.items()
            if method.global_scope or method.elementwise and tensor.numel() <= TOGETHER
        ]
        found = {
            name: method.masked_weight(weights[name], tensor, self.k, key(self.seed, name))
            if alone
            else method.sample(tensor, self.k, key(self.seed, name))
            for name, tensor in scores.items()
            if name not in small
        }
        if small:
            flat, seed = torch.cat([scores[name].flatten() for name in small]), key(self.seed, "together")
            if alone:
                drawn = method.masked_weight(torch.cat([weights[name].flatten() for name in small]), flat, self.k, seed)
            else:
                drawn = method.sample(flat, self.k, seed, *([masked.covers] if method.global_scope else []))
            parts = drawn.split([scores[name].numel() for name in small], dim=1)
            found |= {n: part.view(self.k, *scores[n].shape) for n, part in zip(small, parts, strict=True)}
        if alone:
            return found
        return {name: masked.units[name].scale(weight, found[name]) for name, weight in weights.items()}


@dataclass(frozen=True)
class Hard:
    """The deterministic mask of a subnet."""

    subnet: str
    k = None

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        """Return name -> W * M [*weight.shape]."""
        return Given(masked.masks(self.subnet)).weights(masked)


@dataclass(frozen=True)
class Given:
    """Any masks: an inverse, a union, random ones of the same size. They must fit the masked parameters.

    Args:
        masks: which weights are kept.
        fill: what the others become, by parameter name, of its shape or of any that broadcasts to it; None: zero.
            See masks/fills.py.
    """

    masks: Masks
    fill: Mapping[str, Tensor] | None = None
    k = None

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        """Return name -> W * M, the fill where M is 0 [*weight.shape].

        Raises:
            MaskError: the masks are for other tensors, or the fill lacks one.
        """
        self.masks.check_fits(masked.shapes)
        kept = {name: weight * self.masks[name] for name, weight in masked.weights.items()}
        if self.fill is None:
            return kept
        for name in kept:
            if name not in self.fill:
                raise MaskError(f"there is nothing to fill {name!r} with{nearest(name, self.fill)}")
        return {
            name: torch.where(self.masks[name] != 0, weight, self.fill[name].to(weight.dtype))
            for name, weight in kept.items()
        }


@dataclass(frozen=True)
class Select:
    """Several subnets side by side: chunk i of the batch goes through subnet i.

    Args:
        subnets: their names.
        seed: None: the deterministic masks; a number: one draw of each, for training them in one pass.
        progress: of the draws; see `Sample`.
    """

    subnets: Sequence[str]
    seed: int | None = None
    progress: float = 0.0

    @property
    def k(self) -> int:
        """The number of chunks."""
        return len(self.subnets)

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        """Return name -> W * M_i [K, *weight.shape]."""
        if self.seed is None:
            each = [Hard(subnet).weights(masked) for subnet in self.subnets]
            return {name: torch.stack([one[name] for one in each]) for name in masked.shapes}
        draws = [Sample(subnet, 1, key(self.seed, subnet), self.progress) for subnet in self.subnets]
        each = [draw.weights(masked) for draw in draws]
        return {name: torch.cat([one[name] for one in each]) for name in masked.shapes}


@dataclass(frozen=True)
class Mix:
    """A superposition of subnets: one network with the weights W * sum_i alpha_i M_i.

    Args:
        subnets: their names.
        alphas: [number of subnets], may need a gradient.
    """

    subnets: Sequence[str]
    alphas: Tensor
    k = None

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        """Return name -> mixed weight [*weight.shape].

        Raises:
            MaskError: as many alphas as subnets are needed.
        """
        if len(self.alphas) != len(self.subnets):
            raise MaskError(f"{len(self.subnets)} subnets need as many alphas, got {len(self.alphas)}")
        each = [masked.masks(subnet) for subnet in self.subnets]
        return {
            name: (weight * sum(alpha * masks[name] for alpha, masks in zip(self.alphas, each, strict=True))).to(
                weight.dtype
            )
            for name, weight in masked.weights.items()
        }
