"""Paths between two sets of weights, and the values along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def linear(a: Weights, b: Weights, alpha: float) -> dict[str, Tensor]:
    """Return (1 - alpha) a + alpha b, tensor by tensor."""
    return {name: (1 - alpha) * a[name] + alpha * b[name] for name in a}


def curvilinear(a: Weights, b: Weights, alpha: float) -> dict[str, Tensor]:
    """Return the linear interpolation, each tensor rescaled to the norm (1 - alpha) ||a|| + alpha ||b||.

    The straight line passes nearer to the origin than its ends; this path does not. A tensor that is 0 stays 0.

    Source: d'Ascoli et al., NeurIPS 2019, section 4 and its code.
    """
    found = linear(a, b, alpha)
    for name, tensor in found.items():
        norm = tensor.norm()
        if norm > 0:
            found[name] = tensor * (((1 - alpha) * a[name].norm() + alpha * b[name].norm()) / norm)
    return found


def barrier(alphas: Sequence[float], losses: Sequence[float]) -> float:
    """Return by how much the loss rises above the chord between its ends: max over alpha of L(alpha) - chord, >= 0.

    Args:
        alphas: from 0 to 1, both included.
        losses: L at each.
    """
    chord = [(1 - alpha) * losses[0] + alpha * losses[-1] for alpha in alphas]
    return max(loss - height for loss, height in zip(losses, chord, strict=True))


def tension(points: Weights, first: Weights, last: Weights) -> Tensor:
    """Return half the sum of squared distances between neighbours of a string, 0-dim.

    Args:
        points: the inner points by parameter, [P, *shape] each.
        first, last: the ends, [*shape] each.
    """
    wholes = [torch.cat([first[name][None], inner, last[name][None]]) for name, inner in points.items()]
    return reduce(torch.add, (0.5 * whole.diff(dim=0).square().sum() for whole in wholes))


def distance(a: Weights, b: Weights) -> float:
    """Return the Euclidean distance of two sets of weights."""
    return sum((a[name].detach().double() - b[name].detach().double()).square().sum().item() for name in a) ** 0.5
