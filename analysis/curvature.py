"""How sharply the loss bends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def top_eigenvalue(
    loss: Callable[[dict[str, Tensor]], Tensor], weights: Mapping[str, Tensor], rng: torch.Generator,
    steps: int = 100, tolerance: float = 1e-4,
) -> float:  # fmt: skip
    """Return the eigenvalue of largest magnitude of the Hessian of the loss, by power iteration.

    Each step is one Hessian-vector product (the derivative of the gradient along a vector), so the Hessian is never
    formed.

    Args:
        loss: weights by name -> scalar.
        weights: where to measure.
        rng: for the first vector.
        steps: at most so many.
        tolerance: relative change at which it stops.
    """
    names, point = list(weights), tuple(tensor.detach() for tensor in weights.values())

    def scalar(*tensors: Tensor) -> Tensor:
        return loss(dict(zip(names, tensors, strict=True)))

    v = tuple(torch.randn(t.shape, generator=rng, dtype=t.dtype).to(t.device) for t in point)
    found = 0.0
    for _ in range(steps):
        norm = sum(t.square().sum() for t in v).sqrt()
        if norm == 0:
            return 0.0
        v = tuple(t / norm for t in v)
        _, product = torch.autograd.functional.hvp(scalar, point, v)
        value = sum((t * p).sum() for t, p in zip(v, product, strict=True)).item()
        if abs(value - found) <= tolerance * abs(value):
            return value
        found, v = value, product
    return found
