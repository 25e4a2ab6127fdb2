"""A feedforward network: Linear + ReLU, and a linear output."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layers import Linear
from models.layered import Layered


class FeedForward(Layered):
    """x_{i+1} = relu(W_i x_i + b_i); the last layer is linear.

    Args:
        n_in: width of the input.
        n_out: width of the output.
        layer_sizes: widths of the hidden layers, input side first; () is a single linear layer.
        rng: the stream the initialisation (torch's default for Linear) is drawn from. The network is built on
            its device.

    Source: Csordas et al. 2021, "Are neural nets modular?", section 3 (2000 x 4, or 800 x 4).
    """

    def __init__(self, n_in: int, n_out: int, layer_sizes: tuple[int, ...], *, rng: torch.Generator):
        super().__init__()
        sizes = (n_in, *layer_sizes, n_out)
        with torch.device("meta"):  # the constructors would draw from the global generator
            layers = [Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.layers = nn.ModuleList(layers)
        self.to_empty(device=rng.device)
        for layer in layers:
            layer.reset_parameters(rng)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, ..., n_in] to [B, ..., n_out]."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)

    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, from input to output."""
        return [[f"layers.{i}.{name}" for name, _ in layer.named_parameters()] for i, layer in enumerate(self.layers)]


def xavier(network: FeedForward, rng: torch.Generator) -> None:
    """Draw weights by Xavier's normal rule, with the gain of ReLU but in the last layer, and set biases to 0."""
    layers = [layer for layer in network.layers if isinstance(layer, Linear)]
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else nn.init.calculate_gain("relu")
        drawn = nn.init.xavier_normal_(torch.empty(layer.weight.shape, device=rng.device), gain, generator=rng)
        with torch.no_grad():
            layer.weight.copy_(drawn)
            layer.bias.zero_()
