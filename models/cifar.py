"""The networks for class removal: a small convolutional one, and ResNet-110, for images such as CIFAR-10's."""

from __future__ import annotations

import torch
from torch import nn

from layers import BatchNorm2d, Conv2d, Linear
from models.resnets import resnet

CHANNELS = (32, 64, 128, 256)


def conv_net(
    inputs: int, classes: int, rng: torch.Generator, width: float = 1.0, dropout: bool = True
) -> nn.Sequential:  # fmt: skip
    """Return four 3x3 convolutions, the mean over the map, and a linear layer: 390,986 parameters for CIFAR-10.

    Args:
        inputs: channels of an image.
        classes: width of the last layer.
        rng: the stream of the parameters.
        width: factor of the numbers of channels.
        dropout: a quarter before the third activation, and half behind the fourth.

    Source: Csordas et al., "Are Neural Nets Modular?", ICLR 2021, its code (ConvModel).
    """
    a, b, c, d = (max(1, int(channels * width)) for channels in CHANNELS)
    with torch.device("meta"):  # the constructors would draw from the global generator
        network = nn.Sequential(
            Conv2d(inputs, a, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            Conv2d(b, c, 3, padding=1), nn.Dropout(0.25 * dropout), nn.ReLU(), nn.MaxPool2d(2),
            Conv2d(c, d, 3, padding=1), nn.ReLU(), nn.Dropout(0.5 * dropout),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), Linear(d, classes),
        )  # fmt: skip
    network.to_empty(device=rng.device)
    for layer in network:
        if isinstance(layer, Conv2d | Linear):
            layer.reset_parameters(rng)
    return network


def resnet110(inputs: int, classes: int, rng: torch.Generator, width: float = 1.0) -> nn.Sequential:
    """Return ResNet-110 for small images, 1,730,714 parameters for CIFAR-10; convolutions are He-normal by fan-out.

    Args:
        inputs, classes, rng, width: as of `conv_net`.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2, with a convolution in
    the shortcuts, as in the code of Csordas et al., ICLR 2021.
    """
    with torch.device("meta"):
        network = resnet("resnet110", inputs, classes, affine=True, width=width, bias=True)
    network.to_empty(device=rng.device)
    for module in network.modules():
        if isinstance(module, Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=rng)
        elif isinstance(module, BatchNorm2d | Linear):
            module.reset_parameters(rng)
    return network


def layer_groups(network: nn.Sequential) -> list[list[str]]:
    """Return the parameter names by layer or stage, from input to output; a norm goes with the layer before it."""
    groups: list[list[str]] = []
    for i, child in enumerate(network):
        names = [f"{i}.{name}" for name, _ in child.named_parameters()]
        if names and isinstance(child, BatchNorm2d):
            groups[-1] += names
        elif names:
            groups.append(names)
    return groups
