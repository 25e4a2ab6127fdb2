"""The convolutional networks that are untied: SkinnyNet and AlexNet for 32x32 images, and one for shifted digits.

All are one `nn.Sequential`; padding is a layer of its own, so that a fully connected relaxation sees padded maps as the
published ones do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from core.errors import LayerError, OptionError
from core.registry import nearest
from layers import Conv2d, Linear
from layers.evaluating import evaluating

# a block: zeros around, outputs, kernel, stride, and kernel and stride of the max-pooling (none: no pooling)
Block = tuple[int, int, int, int, tuple[int, int] | None]
POOL = (3, 2)


def skinny(input_size: Sequence[int], classes: int, rng: torch.Generator, channels: int = 64) -> nn.Sequential:
    """Return SkinnyNet: three convolutions of `channels` outputs and a linear layer.

    Source: d'Ascoli et al., NeurIPS 2019, and Ardeshir, Hsu, Sanford, arXiv 2206.05317 (64 channels, 3x32x32).
    """
    blocks = [(2, channels, 4, 2, POOL), (2, channels, 5, 1, POOL), (1, channels, 3, 1, POOL)]
    return _network(input_size, blocks, [], classes, rng)


def alexnet(input_size: Sequence[int], classes: int, rng: torch.Generator) -> nn.Sequential:
    """Return AlexNet for small images: five convolutions, and three linear layers with dropout.

    Source: d'Ascoli et al., NeurIPS 2019 (3x32x32).
    """
    blocks = [
        (2, 64, 4, 2, POOL), (2, 192, 5, 1, POOL), (1, 384, 3, 1, None), (1, 256, 3, 1, None), (1, 256, 3, 1, POOL),
    ]  # fmt: skip
    return _network(input_size, blocks, [512, 512], classes, rng)


def digits(input_size: Sequence[int], classes: int, rng: torch.Generator) -> nn.Sequential:
    """Return a network of two small convolutions, for 12x12 canvases."""
    return _network(input_size, [(1, 8, 3, 1, (2, 2)), (1, 16, 3, 1, (3, 3))], [], classes, rng)


def make_cnn(name: str, input_size: Sequence[int], classes: int, rng: torch.Generator, channels: int) -> nn.Sequential:
    """Return the network of that name: skinny (of `channels` outputs a convolution), alexnet or digits.

    Raises:
        OptionError: an unknown name.
        LayerError: the images are too small for it.
    """
    if name == "skinny":
        return skinny(input_size, classes, rng, channels)
    others = {"alexnet": alexnet, "digits": digits}
    if name not in others:
        raise OptionError(f"unknown network {name!r}; allowed: skinny, alexnet, digits{nearest(name, others)}")
    return others[name](input_size, classes, rng)


def _network(
    input_size: Sequence[int], blocks: Sequence[Block], hidden: Sequence[int], classes: int, rng: torch.Generator
) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = input_size[0]
    with torch.device("meta"):  # the constructors would draw from the global generator
        for padding, outputs, kernel, stride, pool in blocks:
            layers += [nn.ZeroPad2d(padding), Conv2d(inputs, outputs, kernel, stride), nn.ReLU()]
            layers += [nn.MaxPool2d(*pool)] if pool else []
            inputs = outputs
        layers.append(nn.Flatten())
        network = nn.Sequential(*layers)
        try:
            with evaluating(network):
                inputs = network(torch.zeros(1, *input_size)).shape[1]
        except RuntimeError:
            size = "x".join(map(str, input_size))
            raise LayerError(f"images of {size} are too small for this network: nothing is left of the maps") from None
        for width in hidden:
            network.extend([nn.Dropout(0.5), Linear(inputs, width), nn.ReLU()])
            inputs = width
        network.append(Linear(inputs, classes))
    network.to_empty(device=rng.device)
    for layer in network:
        if isinstance(layer, Conv2d | Linear):
            layer.reset_parameters(rng)
    return network
