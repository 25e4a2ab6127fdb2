"""A small convolutional network with a head for each question asked of an image, and no batch statistics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import OptionError
from layers import Conv2d, GroupNorm, Linear
from layers.init import torch_default
from models.layered import Layered

WIDTHS, STRIDES, GROUPS = (16, 32, 64, 64), (1, 2, 2, 2), 4


class CueCNN(Layered):
    """Blocks of a 3x3 convolution, GroupNorm and ReLU, the mean over the map, and a linear layer per head.

    For images of 3 channels the convolutions have 432, 4,608, 18,432 and 36,864 weights, 60,336 in all. GroupNorm,
    because running statistics of the network that was masked would not be those of the one that takes the subnetwork.

    Args:
        channels: of an image.
        classes: outputs of each head.
        heads: names of the heads, such as shape and texture.
        widths, strides: outputs and stride of each convolution; widths are multiples of 4, the groups of a norm.
        rng: the stream of the parameters: weights U(+-1 / sqrt(fan_in)), torch's default, and biases 0. On a much
            smaller scale a short training ends in a bias for shape, whatever subnetwork was given.

    Raises:
        OptionError: a width is not a multiple of 4, or there are not as many strides.
    """

    def __init__(
        self, channels: int = 3, classes: int = 6, heads: Sequence[str] = ("shape", "texture"),
        widths: Sequence[int] = WIDTHS, strides: Sequence[int] = STRIDES, *, rng: torch.Generator,
    ):  # fmt: skip
        super().__init__()
        if len(widths) != len(strides) or not widths or any(width < 1 or width % GROUPS for width in widths):
            raise OptionError(
                f"widths={','.join(map(str, widths))} with strides={','.join(map(str, strides))}: each convolution has "
                f"a stride, and a width that is a multiple of {GROUPS}"
            )
        with torch.device("meta"):  # the constructors would draw from the global generator
            inputs = (channels, *widths)
            self.convolutions = nn.ModuleList(
                Conv2d(i, o, 3, stride, padding=1) for i, o, stride in zip(inputs, widths, strides, strict=False)
            )
            norms = [GroupNorm(GROUPS, width) for width in widths]
            self.norms = nn.ModuleList(norms)
            self.heads = nn.ModuleDict({name: Linear(widths[-1], classes) for name in heads})
        self.to_empty(device=rng.device)
        for layer in (*self.convolutions, *self.heads.values()):
            torch_default(layer.weight, None, rng)
            nn.init.zeros_(layer.bias)
        for norm in norms:
            norm.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, channels, H, W] to logits [B, heads, classes]."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        x = x.mean((2, 3))
        return torch.stack([head(x) for head in self.heads.values()], 1)

    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, a convolution with its norm; the heads are the last."""
        groups = [
            [f"{kind}.{i}.{name}" for kind in ("convolutions", "norms") for name in ("weight", "bias")]
            for i in range(len(self.convolutions))
        ]
        return [*groups, [f"heads.{name}" for name, _ in self.heads.named_parameters()]]

    def maskable(self) -> list[str]:
        """Return the names of the kernels: what is masked, and drawn anew in a transfer."""
        return [f"convolutions.{i}.weight" for i in range(len(self.convolutions))]
