"""Sharpness of the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def top_eigenvalue(
    loss: Callable[[dict[str, Tensor]], Tensor], weights: Mapping[str, Tensor], rng: torch.Generator,
    steps: int = 100, tolerance: float = 1e-4,
) -> float:  # fmt: skip
    """Return the largest eigenvalue of the Hessian of the loss: the curvature along the direction that bends up most.

    It is the largest and not the one of largest magnitude: next to a saddle that is negative. Each step is one product
    of the Hessian with a vector (the derivative of the gradient along it), so the Hessian is never formed.

    Args:
        loss: weights by name -> scalar.
        weights: where to measure.
        rng: for the first vector.
        steps, tolerance: as of `largest_eigenvalue`.
    """
    names, point = list(weights), [tensor.detach().requires_grad_() for tensor in weights.values()]
    value = loss(dict(zip(names, point, strict=True)))
    gradients = torch.autograd.grad(value, point, create_graph=True, materialize_grads=True)
    gradient = torch.cat([part.flatten() for part in gradients])
    sizes = [tensor.numel() for tensor in point]

    def product(v: Tensor) -> Tensor:
        parts = torch.autograd.grad(gradient, point, v, retain_graph=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    if not gradient.requires_grad:  # a loss that is linear in the weights
        return 0.0
    start = torch.randn(sum(sizes), generator=rng, dtype=point[0].dtype).to(point[0].device)
    return largest_eigenvalue(product, start, steps, tolerance)


def largest_eigenvalue(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int = 100, tolerance: float = 1e-4
) -> float:
    """Return the largest eigenvalue of a symmetric matrix A, by Lanczos' method.

    Power iteration stops too early where two eigenvalues have nearly the same magnitude. This keeps three vectors and
    not the whole basis (scipy's eigsh: 20), as one vector of a fully connected network has 10^8 numbers; that costs
    doubles of eigenvalues that were found already, and no accuracy of the largest.

    Args:
        product: v -> A v.
        start: [n], not 0; its direction must not be orthogonal to the eigenvector, which a random one is not.
        steps: at most so many products.
        tolerance: it stops when an eigenvalue is within so much of what it returns, relative to the spread of the
            eigenvalues found.

    Returns:
        The eigenvalue; NaN where a product is not finite.

    Source: Lanczos 1950; the bound: Parlett, "The Symmetric Eigenvalue Problem", section 13.2; without
    reorthogonalisation: section 13.3 f.
    """
    diagonal: list[float] = []
    beside: list[float] = []
    v, before = start / start.norm(), torch.zeros_like(start)
    while True:
        w = product(v)
        diagonal.append(torch.dot(v, w).item())
        w = w - diagonal[-1] * v - (beside[-1] if beside else 0.0) * before
        beside.append(w.norm().item())
        if not math.isfinite(diagonal[-1]) or not math.isfinite(beside[-1]):
            return math.nan
        off = torch.tensor(beside[:-1], dtype=torch.float64)
        projected = torch.diag(torch.tensor(diagonal, dtype=torch.float64)) + torch.diag(off, 1) + torch.diag(off, -1)
        values, vectors = torch.linalg.eigh(projected)
        scale = values.abs().max().item()
        bound = beside[-1] * vectors[-1, -1].abs().item()
        none_left = beside[-1] <= torch.finfo(start.dtype).eps * scale or len(diagonal) == len(start)
        if none_left or bound <= tolerance * scale or len(diagonal) == steps:
            return values[-1].item()
        before, v = v, w / beside[-1]
