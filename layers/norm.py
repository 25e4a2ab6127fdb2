"""`torch.nn.LayerNorm` whose weight and bias may carry a leading axis K."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import BatchError
from layers.batched import Batched, chunks, per_chunk, samples


class LayerNorm(Batched, nn.LayerNorm):
    """`torch.nn.LayerNorm`: y = (x - mean) / sqrt(var + eps) * gamma_k + beta_k for a row of chunk k."""

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Set gamma to 1 and beta to 0; `rng` is there so that all layers are called alike."""
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalise the last axes of [..., *normalized_shape]; with K weights axis 0 is the batch.

        Raises:
            BatchError: with K weights, B is not a multiple of K or the input has no batch axis.
        """
        axes = len(self.normalized_shape)
        k = samples(self, (self.weight, axes), (self.bias, axes))
        if not k:
            return super().forward(input)
        if input.dim() <= axes:
            wanted = ", ".join(str(n) for n in self.normalized_shape)
            raise BatchError(f"LayerNorm with K={k} weights needs an input [B, ..., {wanted}], not {list(input.shape)}")
        if self.weight.dim() == axes:  # one gamma for all: torch's fused kernel, only beta is per chunk
            y = chunks(F.layer_norm(input, self.normalized_shape, self.weight, None, self.eps), k)
            return (y + per_chunk(self.bias, axes, y)).reshape(input.shape)
        y = chunks(F.layer_norm(input, self.normalized_shape, None, None, self.eps), k)
        gamma = per_chunk(self.weight, axes, y)
        y = y * gamma if self.bias is None else torch.addcmul(per_chunk(self.bias, axes, y), y, gamma)
        return y.reshape(input.shape)
