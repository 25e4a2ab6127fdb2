"""Torch's initialisation of linear and convolutional layers, from a given random stream."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def torch_default(weight: Tensor, bias: Tensor | None, rng: torch.Generator | None) -> None:
    """Draw U(-b, b) with b = 1 / sqrt(inputs of one output), bit for bit as the constructors of torch.nn do.

    Args:
        weight: [O, ...], filled in place.
        bias: [O] or None.
        rng: the stream, or None for the global generator.
    """
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=rng)
    if bias is not None:
        inputs = weight.shape[1:].numel()
        bound = 1 / math.sqrt(inputs) if inputs else 0
        nn.init.uniform_(bias, -bound, bound, generator=rng)
