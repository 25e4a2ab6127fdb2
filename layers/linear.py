"""`torch.nn.Linear` whose weight and bias may carry a leading axis K."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.errors import BatchError
from layers.batched import Batched, chunks, samples
from layers.batched_linear import product
from layers.init import torch_default


class Linear(Batched, nn.Linear):
    """`torch.nn.Linear`, and for K weights one batched product instead of K.

    y[n] = W_k x[n] + b_k, where row n of the batch lies in chunk k. The chunks follow axis 0 whatever the
    rank of the input, so all time steps of one sequence [T, C] see the same k.
    """

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw torch's default initialisation, from `rng` when given and the global generator otherwise."""
        torch_default(self.weight, self.bias, rng)

    def forward(self, input: Tensor) -> Tensor:
        """Map [..., in_features] to [..., out_features]; with K weights the input is [B, ..., in_features].

        Raises:
            BatchError: with K weights, B is not a multiple of K or the input has no batch axis.
        """
        k = samples(self, (self.weight, 2), (self.bias, 1))
        if not k:
            return super().forward(input)
        if input.dim() < 2:
            raise BatchError(
                f"Linear with K={k} weights needs an input [B, ..., {self.in_features}], not {list(input.shape)}"
            )
        rows = chunks(input, k).flatten(1, -2)
        return product(rows, self.weight, self.bias).reshape(*input.shape[:-1], self.out_features)
