"""The distribution of the probabilities of keeping a weight."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
import torch
from torch import Tensor


def probability_histogram(scores: Mapping[str, Tensor], bins: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Return the histogram of sigmoid(score) over all masked weights.

    Returns:
        edges [bins + 1] from 0 to 1, counts [bins] int64.
    """
    counts = reduce(torch.add, (torch.histc(s.detach().float().sigmoid().cpu(), bins, 0, 1) for s in scores.values()))
    return np.linspace(0, 1, bins + 1), counts.numpy().astype(np.int64)
