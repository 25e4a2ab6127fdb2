"""Options of the networks whose weights are random: which, how wide, and how their weights are drawn."""

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
    """The network: fully connected, pairs of 3x3 convolutions, or residual, for small images or for ImageNet."""
    layer_sizes: tuple[Width, ...] = (300, 100)
    """Widths of the hidden layers of fc."""
    width: Factor = 1.0
    """Factor of every width but that of the output."""
    init: Init = "signed_constant"
    """How the weights are drawn."""
    scale: Literal["none", "keep", "published"] = "none"
    """Factor of the weights: none, sqrt(1 / keep), or the original program's sqrt(1 / (1 - keep))."""
    affine: bool = False
    """Give the batch normalisation of residual networks weights and biases; they are never masked."""

    only_with: ClassVar = {  # layer_sizes may be given with every model, as a grid over models does
        "scale": when("mask.method", *WITH_KEEP),
        "affine": when("model", *RESIDUAL),
    }

    def __post_init__(self) -> None:
        if self.scale == "published" and self.init not in SCALED:
            raise OptionError(f"scale=published plays no part with init={self.init}; it does with {', '.join(SCALED)}")
