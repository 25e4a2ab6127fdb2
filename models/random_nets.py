"""The networks whose subnetworks are searched for without training their weights: plain and residual ones.

Plain: linear layers and 3x3 convolutions without biases, and ReLUs. All weights are drawn by `layers.random_weights`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from core.errors import LayerError, OptionError
from core.registry import nearest
from layers import BatchNorm2d, Conv2d, Linear
from layers.eval_mode import evaluating
from layers.random_weights import Init, Scale, draw_weight
from models.resnets import SHAPES, resnet

CONVOLUTIONS = {"conv2": (64,), "conv4": (64, 128), "conv6": (64, 128, 256), "conv8": (64, 128, 256, 512)}
NAMES = ("fc", *CONVOLUTIONS, *SHAPES)


def random_net(
    name: str, input_size: Sequence[int], outputs: int, rng: torch.Generator, init: Init = "signed_constant",
    keep: float = 1.0, scale: Scale = "none", hidden: Sequence[int] = (300, 100), width: float = 1.0,
    affine: bool = False,
) -> nn.Sequential:  # fmt: skip
    """Return a network with random weights.

    Args:
        name: fc, or conv2, conv4, conv6, conv8: pairs of 3x3 convolutions, each pair followed by 2x2 max-pooling, and
            then linear layers 256-256-outputs; or one of `models.resnets.SHAPES`.
        input_size: (C, H, W) of an image.
        outputs: width of the last layer.
        rng: the stream of the weights.
        init, keep, scale: of the weights, see `layers.random_weights.draw_weight`.
        hidden: widths of the hidden layers of fc.
        width: multiplies every width but that of the last layer.
        affine: whether batch normalisation (of residual networks) has weights and biases.

    Raises:
        OptionError: an unknown name or init.
        LayerError: the images are too small for it.

    Source: Ramanujan et al., CVPR 2020, section 4.1 and its code; the Conv networks go back to Frankle and Carbin,
    "The Lottery Ticket Hypothesis", ICLR 2019.
    """
    if name not in NAMES:
        raise OptionError(f"unknown network {name!r}; allowed: {', '.join(NAMES)}{nearest(name, NAMES)}")
    with torch.device("meta"):  # the constructors would draw from the global generator
        network = (
            resnet(name, input_size[0], outputs, affine, width)
            if name in SHAPES
            else _plain(name, input_size, outputs, hidden, width)
        )
    network.to_empty(device=rng.device)
    for module in network.modules():
        if isinstance(module, BatchNorm2d):
            module.reset_parameters()
    for parameter in network.parameters():
        if parameter.dim() > 1:
            draw_weight(parameter, init, rng, keep, scale)
    return network


def _plain(
    name: str, input_size: Sequence[int], outputs: int, hidden: Sequence[int], width: float
) -> nn.Sequential:  # fmt: skip
    layers: list[nn.Module] = []
    inputs = input_size[0]
    for channels in (_wide(n, width) for n in CONVOLUTIONS.get(name, ())):
        for source in (inputs, channels):
            layers += [Conv2d(source, channels, 3, padding=1, bias=False), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        inputs = channels
    layers.append(nn.Flatten())
    try:
        with evaluating(network := nn.Sequential(*layers)):
            inputs = network(torch.zeros(1, *input_size)).shape[1]
    except RuntimeError:
        inputs = 0
    if not inputs:
        size = "x".join(map(str, input_size))
        raise LayerError(f"images of {size} are too small for {name}: nothing is left of the maps")
    for n in (_wide(n, width) for n in (hidden if name == "fc" else (256, 256))):
        network.extend([Linear(inputs, n, bias=False), nn.ReLU()])
        inputs = n
    network.append(Linear(inputs, outputs, bias=False))
    return network


def _wide(channels: int, width: float) -> int:
    return max(1, math.floor(channels * width))
