"""Options of the networks whose weights are random: which, how wide, and how their weights are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.errors import OptionError

Init = Literal[
    "kaiming_normal", "signed_constant", "unsigned_constant", "kaiming_uniform", "xavier_normal", "xavier_constant",
    "standard",
]
Network = Literal[
    "fc", "conv2", "conv4", "conv6", "conv8", "resnet18", "resnet50", "resnet101", "resnet110", "gem_resnet18",
    "imagenet_resnet18", "imagenet_resnet50", "imagenet_resnet101", "imagenet_wide_resnet50", "imagenet_wide_resnet101",
]


@dataclass(frozen=True)
class RandomNetOptions:
    """A network with random weights."""

    model: Network = "fc"
    """The network: fully connected, pairs of 3x3 convolutions, or residual, for small images or for ImageNet."""
    layer_sizes: tuple[int, ...] = (300, 100)
    """Widths of the hidden layers of fc."""
    width: float = 1.0
    """Factor of every width but that of the output."""
    init: Init = "signed_constant"
    """How the weights are drawn."""
    scale: Literal["none", "keep", "published"] = "none"
    """Factor of the weights: none, sqrt(1 / keep), or the original program's sqrt(1 / (1 - keep))."""
    affine: bool = False
    """Give the batch normalisation of residual networks weights and biases; they are never masked."""

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise OptionError(f"width={self.width} is too small; it must be above 0")
        if not all(size > 0 for size in self.layer_sizes):
            raise OptionError(f"layer_sizes={','.join(map(str, self.layer_sizes))}: every width must be above 0")
