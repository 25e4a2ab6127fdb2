"""`torch.nn.BatchNorm1d` and `BatchNorm2d` whose parameters and statistics may carry a leading axis K."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as TorchBatchNorm

from core.errors import BatchError
from layers.batched import Batched, chunk_rows, chunks, per_chunk, samples


class _BatchNorm(Batched, TorchBatchNorm):
    """y = (x - mean_k) / sqrt(var_k + eps) * gamma_k + beta_k for a row of chunk k, channel by channel.

    Statistics [K, C] are per chunk: in training each chunk is normalised by its own and moves its own running ones
    (those tensors are updated in place). Statistics [C] are shared: in training they are of the whole batch.
    """

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Set gamma to 1, beta to 0 and the statistics to their start; `rng` is there so that all layers are alike."""
        super().reset_parameters()

    def why_not_batched(self) -> str:
        """Return what has no K-batched form."""
        return "" if self.momentum is not None else "momentum=None averages over steps, which is not kept per mask"

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, ...]; with K weights or statistics axis 0 is cut into K chunks.

        Raises:
            BatchError: with K of them, B is not a multiple of K or there is no axis of channels.
        """
        statistics = (self.running_mean, 1), (self.running_var, 1)
        k = samples(self, (self.weight, 1), (self.bias, 1), *statistics)
        if not k:
            return super().forward(input)
        if input.dim() < 2:
            raise BatchError(f"{type(self).__name__} with K={k} needs an input [B, C, ...], not {list(input.shape)}")
        if input.dim() > 2 and not self.training and self.running_mean is not None:
            return self._fixed(input, k)
        mean, var = self.running_mean, self.running_var
        if mean is None or var is None or not samples(self, *statistics):
            y = self._normal(input, mean, var)
        else:
            mean, var = (tensor.expand(k, -1).reshape(-1) for tensor in (mean, var))  # views, updated in place
            side_by_side = chunks(input, k).transpose(0, 1).flatten(1, 2)  # [B / K, K * C, ...]
            y = self._normal(side_by_side, mean, var).unflatten(1, (k, -1)).transpose(0, 1).flatten(0, 1)
        if self.weight is None:
            return y
        y, ones = chunks(y, k), (1,) * (input.dim() - 2)
        gamma, beta = (
            per_chunk(tensor.reshape(*tensor.shape, *ones), input.dim() - 1, y) for tensor in (self.weight, self.bias)
        )
        return torch.addcmul(beta, y, gamma).flatten(0, 1)

    def _fixed(self, x: Tensor, k: int) -> Tensor:
        """Normalise by fixed statistics: every map of every row as a channel of one row, in one pass over memory."""

        def each(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.expand(k, -1).unsqueeze(1).expand(k, rows, -1).reshape(-1)

        rows = chunk_rows(x.shape[0], k)
        mean, var, gamma, beta = map(each, (self.running_mean, self.running_var, self.weight, self.bias))
        y = F.batch_norm(x.reshape(1, -1, *x.shape[2:]), mean, var, gamma, beta, eps=self.eps)
        # to autograd no view: it copies what an in-place ReLU behind it changes, if that is one
        return torch.ops.aten._unsafe_view(y, x.shape)

    def _normal(self, x: Tensor, mean: Tensor | None, var: Tensor | None) -> Tensor:
        assert self.momentum is not None  # or why_not_batched has refused it
        own = self.training or mean is None
        return F.batch_norm(x, mean, var, None, None, own, self.momentum, self.eps)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` on [B, C] or [B, C, L]."""


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` on [B, C, H, W]."""
