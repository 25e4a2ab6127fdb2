"""The straight-through estimator: masked weights whose gradient passes to the scores as if they were the mask."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(weight, mask)
        return weight * mask

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weight, mask = ctx.saved_tensors
        for_weight, for_scores, _ = ctx.needs_input_grad
        return gradient * mask if for_weight else None, gradient * weight if for_scores else None, None


def straight(weight: Tensor, scores: Tensor, mask: Tensor, k: int) -> Tensor:
    """Return `weight * mask`, k times [k, ...]; the scores get the gradient of the mask.

    The same as `weight * (mask + scores - scores.detach())`, in half the passes over memory.

    Args:
        weight, scores: [...].
        mask: [...] 0 and 1 as numbers.
        k: how many; all are the same.
    """
    product = _Straight.apply(weight, scores, mask).unsqueeze(0)
    return product if k == 1 else product.expand(k, *weight.shape)
