"""Replacements for the weights that a mask drops, as the `fill` of `masks.masking.Given`.

Given(masks, means(weights))             only the subnet is kept: the other weights become their tensor's mean
Given(~masks, fresh(weights, seed))      the subnet is replaced by new random weights
Given(masks, resampled(weights, seed))   the other weights are drawn from those of their tensor
Given(masks, others(weights, network))   the other weights are those of another network
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.errors import MaskError
from core.registry import nearest
from core.rng import stream


def means(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the mean of each tensor, 0-dim."""
    return {name: weight.detach().mean() for name, weight in weights.items()}


def fresh(weights: Mapping[str, Tensor], seed: int, *names: str | int) -> dict[str, Tensor]:
    """Return new weights drawn from a normal distribution of each tensor's own mean and standard deviation.

    Args:
        weights: parameter name -> [...].
        seed, *names: of the random stream (core/rng.py); every tensor has one of its own.
    """
    drawn = {}
    for name, weight in weights.items():
        noise = torch.empty(weight.shape, dtype=weight.dtype)  # the same numbers on every device
        noise.normal_(generator=stream(seed, "fill", *names, name))
        mean, deviation = weight.detach().mean(), weight.detach().std(correction=0)
        drawn[name] = noise.to(weight.device) * deviation + mean
    return drawn


def resampled(weights: Mapping[str, Tensor], seed: int, *names: str | int) -> dict[str, Tensor]:
    """Return weights drawn from each tensor's own entries, with replacement: its distribution, and no structure.

    Args:
        weights, seed, *names: as of `fresh`.
    """
    drawn = {}
    for name, weight in weights.items():
        rng = stream(seed, "resampled", *names, name)
        index = torch.randint(weight.numel(), weight.shape, generator=rng).to(weight.device)
        drawn[name] = weight.detach().flatten()[index]
    return drawn


def others(weights: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of another network that have the names of these.

    Args:
        weights: what they are to stand in for.
        network: a state dict.

    Raises:
        MaskError: it has no tensor of a name, or one of another shape.
    """
    found = {}
    for name, weight in weights.items():
        if name not in network:
            raise MaskError(f"the other network has no {name!r}{nearest(name, network)}")
        if network[name].shape != weight.shape:
            raise MaskError(
                f"{name!r} has shape {list(network[name].shape)} in the other network and {list(weight.shape)} in this"
            )
        found[name] = network[name].detach().to(weight)
    return found
