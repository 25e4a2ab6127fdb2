"""`torch.nn.Embedding` whose table may carry a leading axis K."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import BatchError
from layers.batched import Batched, chunks, samples


class Embedding(Batched, nn.Embedding):
    """`torch.nn.Embedding`: y[n] = W_k[x[n]] for a row of chunk k. `padding_idx` rows get no gradient.

    Differs from torch: with K tables the gradient is dense whatever `sparse` says.
    """

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw N(0, 1), from `rng` when given and the global generator otherwise; the padding row is 0."""
        nn.init.normal_(self.weight, generator=rng)
        self._fill_padding_idx_with_zero()

    def why_not_batched(self) -> str:
        if self.max_norm is None:
            return ""
        return "max_norm rescales the table in place, which K tables cannot; use max_norm=None or backend='loop'"

    def forward(self, input: Tensor) -> Tensor:
        """Look up [...] -> [..., embedding_dim]; with K tables axis 0 of the input is the batch.

        Raises:
            BatchError: with K tables, B is not a multiple of K or the input has no batch axis.
        """
        k = samples(self, (self.weight, 2))
        if not k:
            return super().forward(input)
        if input.dim() < 1:
            raise BatchError(f"Embedding with K={k} tables needs an input [B, ...], not a single index")
        words = chunks(input, k)
        table = torch.arange(k, device=input.device).view(k, *(1,) * (words.dim() - 1))
        # An index past the end of table k would read table k + 1: keep it invalid so that the look-up raises.
        inside = (words >= 0) & (words < self.num_embeddings)
        rows = torch.where(inside, words + table * self.num_embeddings, -1)
        y = F.embedding(rows, self.weight.flatten(0, 1), scale_grad_by_freq=self.scale_grad_by_freq)
        if self.padding_idx is not None:
            y = torch.where((words == self.padding_idx).unsqueeze(-1), y.detach(), y)
        return y.reshape(*input.shape, self.embedding_dim)
