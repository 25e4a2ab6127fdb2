"""Similarity of two gradients on the weights that a mask keeps."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from masks.algebra import Masks


def cosine(a: Mapping[str, Tensor], b: Mapping[str, Tensor], where: Masks) -> dict[str, float]:
    """Return the cosine of the angle between two gradients, each entry that `where` does not keep left out.

    Args:
        a, b: parameter -> gradient of its shape.
        where: masks of these parameters.

    Returns:
        parameter -> cosine, and total, of all together; 0 where one of the two gradients is 0.
    """
    kept = {name: (a[name][mask != 0].double(), b[name][mask != 0].double()) for name, mask in where.items()}
    kept["total"] = torch.cat([x for x, _ in kept.values()]), torch.cat([y for _, y in kept.values()])
    return {name: cosine_similarity(x, y, dim=0).item() for name, (x, y) in kept.items()}
