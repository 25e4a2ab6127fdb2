"""Gumbel-sigmoid masks times the weights, as one function with a straight-through gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from core.errors import MaskError
from masks.gumbel_kernel import dispatch as kernels
from masks.gumbel_kernel.counter_rng import keys, uniforms

__all__ = ["gumbel_product", "gumbel_sample", "uniforms"]


def gumbel_product(weight: Tensor, scores: Tensor, k: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Return the weights under K sampled masks.

    W_k = W m_k,  m_k = 1[u_k > sigmoid(-score)],  dm_k/dscore := ds_k/dscore,
    s_k = sigmoid((score + log(u_k / (1 - u_k))) / temperature)

    Args:
        weight: [...]. It gets a gradient only if it asks for one.
        scores: [...], float32 or float64.
        k: number of masks.
        seed: the uniform numbers u_k are `uniforms(scores.numel(), k, seed)`.
        temperature: of the sigmoid whose gradient is used; the masks do not depend on it.

    Returns:
        [k, ...]. Nothing of this size is kept for the backward pass, which draws the numbers again.

    Raises:
        MaskError: shapes differ, k < 1, temperature <= 0, or the scores are not float32 or float64.
    """
    if weight.shape != scores.shape:
        raise MaskError(f"scores of shape {list(scores.shape)} do not fit a weight of {list(weight.shape)}")
    return _Product.apply(weight, scores, _checked(scores, k, seed, temperature), temperature)


def gumbel_sample(scores: Tensor, k: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Return K sampled masks as numbers 0 and 1, [k, ...]: `gumbel_product` of weights that are all 1."""
    return _Product.apply(None, scores, _checked(scores, k, seed, temperature), temperature)


def _checked(scores: Tensor, k: int, seed: int, temperature: float) -> Tensor:
    if k < 1:
        raise MaskError(f"{k} mask samples were asked for; at least 1 is needed")
    if not temperature > 0:
        raise MaskError(f"mask.temperature={temperature} is not above 0")
    if scores.dtype not in (torch.float32, torch.float64):
        raise MaskError(f"scores are {scores.dtype}; allowed: torch.float32, torch.float64")
    return keys(seed, k, scores.device)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor | None, scores: Tensor, keys: Tensor, temperature: float) -> Tensor:
        ctx.save_for_backward(weight, scores, keys)
        ctx.temperature = temperature
        flat = None if weight is None else _flat(weight)
        return kernels.product(flat, _flat(scores), keys).view(len(keys), *scores.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        weight, scores, keys = ctx.saved_tensors
        for_weight, for_scores, *_ = ctx.needs_input_grad
        gradient = gradient.reshape(len(keys), -1)
        d_weight = d_scores = None
        if for_weight:
            d_weight = kernels.weight_gradient(_flat(scores), keys, gradient).view(weight.shape)
        if for_scores:
            flat = None if weight is None else _flat(weight)
            d_scores = kernels.scores_gradient(flat, _flat(scores), keys, gradient, ctx.temperature)
            d_scores = d_scores.view(scores.shape)
        return d_weight, d_scores, None, None


def _flat(tensor: Tensor) -> Tensor:
    """Return the entries as a vector, outside of autograd: what is compiled must not depend on it."""
    return tensor.detach().reshape(-1)
