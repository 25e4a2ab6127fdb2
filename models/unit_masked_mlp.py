"""A network of random linear layers whose hidden units are normalised and masked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from layers import BatchNorm1d, Linear
from layers.random_weights import Init, draw_weight


def channel_net(
    input_size: Sequence[int], hidden: Sequence[int], outputs: int, rng: torch.Generator, init: Init = "signed_constant"
) -> nn.Sequential:  # fmt: skip
    """Return linear layers, each but the last with batch normalisation and a swish behind it.

    The normalisation uses the statistics of the batch at all times; its weights are 1 and its biases 0: a mask on the
    weights switches units off.

    Args:
        input_size: (C, H, W) of an image.
        hidden: widths.
        outputs: width of the last layer.
        rng: the stream of the weights.
        init: how the linear layers' weights are drawn.

    Source: the network of HopSupSup, Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, its code.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    inputs = math.prod(input_size)
    with torch.device("meta"):  # the constructors would draw from the global generator
        for width in hidden:
            layers += [Linear(inputs, width, bias=False), BatchNorm1d(width, track_running_stats=False), nn.SiLU()]
            inputs = width
        network = nn.Sequential(*layers, Linear(inputs, outputs, bias=False))
    network.to_empty(device=rng.device)
    for layer in network:
        if isinstance(layer, Linear):
            draw_weight(layer.weight, init, rng)
        elif isinstance(layer, BatchNorm1d):
            layer.reset_parameters()
    return network
