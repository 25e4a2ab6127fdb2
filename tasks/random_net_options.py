"""Options of networks with random weights: architecture, width, and initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from core.conditions import when
from core.errors import OptionError
from core.limits import Factor, Width

Init = Literal[
    "kaiming_normal",
    "signed_constant",
    "unsigned_constant",
    "kaiming_uniform",
    "xavier_normal",
    "xavier_constant",
    "standard",
]
Network = Literal[
    "fc",
    "conv2",
    "conv4",
    "conv6",
    "conv8",
    "resnet18",
    "resnet50",
    "resnet101",
    "resnet110",
    "gem_resnet18",
    "imagenet_resnet18",
    "imagenet_resnet50",
    "imagenet_resnet101",
    "imagenet_wide_resnet50",
    "imagenet_wide_resnet101",
]
RESIDUAL = tuple(name for name in get_args(Network) if "resnet" in name)
SCALED = ("kaiming_normal", "signed_constant", "unsigned_constant")
WITH_KEEP = ("magnitude", "edge-popup", "signed-popup")


@dataclass(frozen=True)
class RandomNetOptions:
    """A network with random weights."""

    model: Network = "fc"
    """Architecture: fully connected, pairs of 3x3 convolutions, or residual, for small images or for ImageNet."""
    layer_sizes: tuple[Width, ...] = (300, 100)
    """Widths of the hidden layers of fc."""
    width: Factor = 1.0
    """Factor on every width except that of the output."""
    init: Init = "signed_constant"
    """Distribution of the random weights."""
    scale: Literal["none", "keep", "published"] = "none"
    """Factor on the weights: none; keep: sqrt(1 / keep); published: sqrt(1 / (1 - keep)), as in the original
    program."""
    affine: bool = False
    """Add affine parameters to the batch normalisation of residual networks; they are never masked."""

    only_with: ClassVar = {  # layer_sizes may be given with every model, as a grid over models does
        "scale": when("mask.method", *WITH_KEEP),
        "affine": when("model", *RESIDUAL),
    }

    def __post_init__(self) -> None:
        if self.scale == "published" and self.init not in SCALED:
            raise OptionError(f"scale=published plays no part with init={self.init}; it does with {', '.join(SCALED)}")
