"""Margins: by how much the logit of the correct class exceeds the others."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return f_y - max over j != y of f_j for every example; negative where the answer is wrong.

    Args:
        logits: [N, classes].
        labels: [N] int64.

    Returns:
        [N].
    """
    right = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -math.inf)
    return right[:, 0] - others.max(1).values


def published_margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return margins as the published R-norm code has them: too large wherever the answer is right.

    Correct answers are compared with the second smallest logit instead of the second largest.

    Source: Ardeshir, Hsu, Sanford, arXiv 2206.05317, its code; all its published margins have this.
    """
    right = logits.gather(1, labels[:, None])[:, 0]
    second_smallest = logits.kthvalue(2, dim=1).values
    largest = logits.max(1).values
    return right - torch.where(logits.argmax(1) == labels, second_smallest, largest)


def margin_summary(values: Tensor) -> dict[str, float]:
    """Return mean, median, 5 % quantile and minimum of margins [N]."""
    values = values.double()
    return {
        "mean": values.mean().item(),
        "median": values.median().item(),
        "q05": values.sort().values[int(0.05 * (len(values) - 1))].item(),  # torch.quantile ends at 16 million
        "min": values.min().item(),
    }
