"""Residual networks with torchvision's blocks, for small images and for ImageNet, built from our layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import nn

from layers import BatchNorm2d, Conv2d, Linear
from layers.patch_grid import padding_of, pair


class Block(Protocol):
    """A class of torchvision's residual blocks."""

    expansion: int

    def __call__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None, *,
        base_width: int, norm_layer: Callable[[int], nn.Module],
    ) -> nn.Module: ...  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """The parameters that distinguish residual networks.

    Attributes:
        bottleneck: torchvision's Bottleneck blocks, otherwise its BasicBlock.
        counts: blocks of each stage.
        channels: of the first stage; each further one doubles them.
        large: the stem of ImageNet, 7x7 with stride 2 and pooling, in place of 3x3.
        base_width: width of a bottleneck, 64 in a plain ResNet and 128 in a wide one.
    """

    bottleneck: bool
    counts: tuple[int, ...]
    channels: int = 64
    large: bool = False
    base_width: int = 64

    @property
    def block(self) -> Block:
        """Torchvision's block."""
        from torchvision.models.resnet import BasicBlock, Bottleneck  # slow to import, and other networks need it not

        return Bottleneck if self.bottleneck else BasicBlock


SHAPES = {
    "resnet18": Shape(False, (2, 2, 2, 2)),
    "resnet50": Shape(True, (3, 4, 6, 3)),
    "resnet101": Shape(True, (3, 4, 23, 3)),
    "resnet110": Shape(False, (18, 18, 18), channels=16),
    "gem_resnet18": Shape(False, (2, 2, 2, 2), channels=20),
    "imagenet_resnet18": Shape(False, (2, 2, 2, 2), large=True),
    "imagenet_resnet50": Shape(True, (3, 4, 6, 3), large=True),
    "imagenet_resnet101": Shape(True, (3, 4, 23, 3), large=True),
    "imagenet_wide_resnet50": Shape(True, (3, 4, 6, 3), large=True, base_width=128),
    "imagenet_wide_resnet101": Shape(True, (3, 4, 23, 3), large=True, base_width=128),
}


def resnet(
    name: str, inputs: int, outputs: int, affine: bool = False, width: float = 1.0, bias: bool = False,
) -> nn.Sequential:  # fmt: skip
    """Return a residual network; its parameters are not drawn.

    Args:
        name: one of `SHAPES`; gem_resnet18 is that of GEM (Lopez-Paz and Ranzato, 2017), with 20 channels.
        inputs: channels of an image.
        outputs: width of the last layer, which has no bias.
        affine: whether batch normalisation has weights and biases.
        width: factor of every number of channels.
        bias: whether the last layer has one.

    Source: He et al., "Deep Residual Learning", CVPR 2016; Zagoruyko and Komodakis, "Wide Residual Networks", 2016;
    with the last layer and the normalisation of Ramanujan et al., CVPR 2020, its code.
    """
    shape = SHAPES[name]
    norm = partial(BatchNorm2d, affine=affine)
    channels = max(1, int(shape.channels * width))
    stem: list[nn.Module] = [_conv(inputs, channels, 7, 2) if shape.large else _conv(inputs, channels, 3, 1)]
    stem += [norm(channels), nn.ReLU()] + ([nn.MaxPool2d(3, 2, 1)] if shape.large else [])
    layers, before = [*stem], channels
    for stage, count in enumerate(shape.counts):
        planes, stride = channels * 2**stage, 1 if stage == 0 else 2
        layers.append(_stage(shape, before, planes, count, stride, norm))
        before = planes * shape.block.expansion
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), Linear(before, outputs, bias=bias))
    _use_our_convolutions(network)
    return network


def _stage(
    shape: Shape, inputs: int, planes: int, count: int, stride: int, norm: Callable[[int], nn.Module]
) -> nn.Sequential:  # fmt: skip
    outputs = planes * shape.block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))
    block = partial(shape.block, base_width=shape.base_width, norm_layer=norm)
    blocks = [block(inputs, planes, stride, shortcut), *(block(outputs, planes) for _ in range(count - 1))]
    return nn.Sequential(*blocks)


def _conv(inputs: int, outputs: int, size: int, stride: int) -> Conv2d:
    return Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


def _use_our_convolutions(network: nn.Module) -> None:
    """Put layers that take K weights in place of those that torchvision's blocks have."""
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.Conv2d:
                ours = Conv2d(
                    child.in_channels, child.out_channels, pair(child.kernel_size), pair(child.stride),
                    padding_of(child), pair(child.dilation), child.groups, child.bias is not None,
                )  # fmt: skip
                setattr(module, name, ours)
