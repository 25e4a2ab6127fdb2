"""`torch.nn.Conv2d` whose weight and bias may carry a leading axis K."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import BatchError
from layers.batched import Batched, chunk_rows, chunks, per_chunk, samples
from layers.init import torch_default

# Numbers in the weight and the maps of a chunk, in and out, up to which K chunks go through one grouped convolution;
# larger ones go one after the other, which then costs little more than one convolution of the whole batch. Channels
# that do not fill a vector make groups slow much sooner. Measured on a CPU, forward and backward: benchmarks/conv.py.
GROUPED, UNEVEN = 200_000, 4


class Conv2d(Batched, nn.Conv2d):
    """`torch.nn.Conv2d`: y[n] = W_k * x[n] + b_k, where row n of the batch lies in chunk k."""

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw torch's default initialisation, from `rng` when given and the global generator otherwise."""
        torch_default(self.weight, self.bias, rng)

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, O, H_out, W_out]; with K weights chunk k of the batch sees weight k.

        Raises:
            BatchError: with K weights, N is not a multiple of K or the input has no batch axis.
        """
        k = samples(self, (self.weight, 4), (self.bias, 1))
        if not k:
            return super().forward(input)
        if input.dim() != 4:
            raise BatchError(f"Conv2d with K={k} weights needs an input [B, C, H, W], not {list(input.shape)}")
        rows = chunk_rows(input.shape[0], k)
        padding: str | Sequence[int] = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode), (0, 0)

        def convolved(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
            return F.conv2d(x, weight, bias, self.stride, padding, self.dilation, groups)

        if self.weight.dim() == 4 and self.bias is not None:  # one kernel for all, only the bias is per chunk
            y = chunks(convolved(input, self.weight, None, self.groups), k)
            return (y + per_chunk(self.bias[..., None, None], 3, y)).flatten(0, 1)
        bias = None if self.bias is None else self.bias.expand(k, self.out_channels)
        if self.weight[0].numel() + rows * self._cost(input) <= GROUPED:
            side_by_side = chunks(input, k).transpose(0, 1).flatten(1, 2)  # [rows, K * C, H, W]
            flat = None if bias is None else bias.flatten()
            y = convolved(side_by_side, self.weight.flatten(0, 1), flat, k * self.groups)
            return y.unflatten(1, (k, self.out_channels)).transpose(0, 1).flatten(0, 1)
        biases = [None] * k if bias is None else bias.unbind()
        each = zip(chunks(input, k).unbind(), self.weight.unbind(), biases, strict=True)
        return torch.cat([convolved(x, weight, b, self.groups) for x, weight, b in each])

    def _cost(self, input: Tensor) -> int:
        """Return about how many numbers the maps of one example have; at stride 1 both are as large."""
        pixels = input.shape[-2] * input.shape[-1]
        channels = self.in_channels // self.groups
        numbers = self.in_channels * pixels + self.out_channels * pixels // (self.stride[0] * self.stride[1])
        return numbers if channels == 1 or channels % 4 == 0 else UNEVEN * numbers
