"""y[k] = x[k] W[k]^T for K weights at once, in the operand order that is fast in both passes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class _Product(torch.autograd.Function):
    """The batched product with a hand-ordered backward pass.

    Autograd of `bmm(x, W.mT)` returns the weight's gradient as a transposed view, which every later
    elementwise step on it (times the frozen weight, times the mask's derivative) pays for; writing the
    forward pass as `bmm(W, x.mT).mT` repairs that but makes the input's gradient slow for few rows.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if bias is None:
            return torch.bmm(x, weight.mT)
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        return (
            torch.bmm(gradient, weight) if for_x else None,
            torch.bmm(gradient.mT, x) if for_weight else None,
            gradient.sum(1) if for_bias else None,
        )


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `x[k] @ weight[k].T + bias[k]` for every k.

    Args:
        x: [K, rows, in].
        weight: [K, out, in], or [out, in] for all k.
        bias: [K, out], [out] for all k, or None.

    Returns:
        [K, rows, out]. The gradient of a weight [K, out, in] is contiguous.
    """
    if weight.dim() == 2:  # one weight for all k: one plain product, only the bias is per k
        if bias is None or bias.dim() == 1:
            return F.linear(x, weight, bias)
        return F.linear(x, weight) + bias.unsqueeze(1)
    bias = None if bias is None else bias.expand(x.shape[0], bias.shape[-1])
    if torch.is_autocast_enabled(x.device.type):  # a custom function is not on autocast's list of products
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    return _Product.apply(x, weight, bias)
