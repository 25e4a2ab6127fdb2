"""The convolutional networks that are untied: SkinnyNet and AlexNet for 32x32 images, and one for shifted digits.

Each is one `nn.Sequential`, or two whose logits are added up; padding is a layer of its own, so that a fully connected
relaxation sees padded maps as the published ones do.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.errors import LayerError, OptionError
from core.registry import nearest
from layers import Conv2d, Linear
from layers.eval_mode import evaluating

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


class LogitSum(nn.Module):
    """Two networks in parallel, trained jointly on the sum of their logits."""

    def __init__(self, cnn: nn.Module, fcn: nn.Module):
        super().__init__()
        self.cnn, self.fcn = cnn, fcn

    def forward(self, x: Tensor) -> Tensor:
        """Map images [N, C, H, W] to logits [N, classes]."""
        return self.cnn(x) + self.fcn(x)


def skinny_plus_fc(input_size: Sequence[int], classes: int, rng: torch.Generator, channels: int = 64) -> LogitSum:
    """Return SkinnyNet beside a network with linear layers in place of its convolutions, both from random weights.

    Only the convolutions of the former can be untied.

    Source: SkinnyCNNplusFC of the code of d'Ascoli et al., NeurIPS 2019, which no experiment of theirs uses.
    """
    cnn = skinny(input_size, classes, rng, channels)
    layers: list[nn.Module] = []
    x = torch.zeros(1, *input_size, device=rng.device)
    with evaluating(cnn):
        for layer in cnn:
            y = layer(x)
            with torch.device("meta"):  # the constructors would draw from the global generator
                linear = Linear(x[0].numel(), y[0].numel())
            if isinstance(layer, Conv2d):
                layers += [nn.Flatten(), linear, nn.Unflatten(1, y.shape[1:])]
            else:
                layers.append(linear if isinstance(layer, Linear) else copy.deepcopy(layer))
            x = y
    return LogitSum(cnn, _drawn(nn.Sequential(*layers), rng))


def make_cnn(name: str, input_size: Sequence[int], classes: int, rng: torch.Generator, channels: int) -> nn.Module:
    """Return the network of that name.

    skinny and skinny_plus_fc have `channels` outputs a convolution; alexnet and digits have their own.

    Raises:
        OptionError: an unknown name.
        LayerError: the images are too small for it.
    """
    of_width = {"skinny": skinny, "skinny_plus_fc": skinny_plus_fc}
    if name in of_width:
        return of_width[name](input_size, classes, rng, channels)
    others = {"alexnet": alexnet, "digits": digits}
    if name not in others:
        allowed = (*of_width, *others)
        raise OptionError(f"unknown network {name!r}; allowed: {', '.join(allowed)}{nearest(name, allowed)}")
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
    return _drawn(network, rng)


def _drawn(network: nn.Sequential, rng: torch.Generator) -> nn.Sequential:
    """Give a network without weights its first ones."""
    network.to_empty(device=rng.device)
    for layer in network:
        if isinstance(layer, Conv2d | Linear):
            layer.reset_parameters(rng)
    return network
