"""`torch.nn.GroupNorm` whose weight and bias may carry a leading axis K."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import BatchError
from layers.batched import Batched, chunks, per_chunk, samples


class GroupNorm(Batched, nn.GroupNorm):
    """`torch.nn.GroupNorm`: y = (x - mean) / sqrt(var + eps) * gamma_k + beta_k for a row of chunk k.

    Mean and variance are of a row's own group of channels, so that chunks are never mixed.
    """

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Set gamma to 1 and beta to 0; `rng` is there so that all layers are called alike."""
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, ...]; with K weights axis 0 is cut into K chunks.

        Raises:
            BatchError: with K weights, B is not a multiple of K or there is no axis of channels.
        """
        k = samples(self, (self.weight, 1), (self.bias, 1))
        if not k:
            return super().forward(input)
        if input.dim() < 2:
            raise BatchError(f"GroupNorm with K={k} weights needs an input [B, C, ...], not {list(input.shape)}")
        y = chunks(F.group_norm(input, self.num_groups, None, None, self.eps), k)
        gamma = self._per_channel(self.weight, y)
        y = y * gamma if self.bias is None else torch.addcmul(self._per_channel(self.bias, y), y, gamma)
        return y.reshape(input.shape)

    def _per_channel(self, parameter: Tensor, y: Tensor) -> Tensor:
        ones = (1,) * (y.dim() - 3)
        return per_chunk(parameter.reshape(*parameter.shape, *ones), y.dim() - 2, y)
