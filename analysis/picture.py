"""A small greyscale image of where a mask is dense."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

LARGEST = 256  # pixels on a side


def picture(mask: Tensor) -> np.ndarray:
    """Return a mask as a grey picture; a pixel of a large one is the share of its block that is kept.

    Args:
        mask: [outputs, ...] bool; what comes after the outputs is laid out in one row.

    Returns:
        [height, width] uint8, at most 256 on a side; white is kept.
    """
    rows = mask.flatten(1).float()
    height, width = rows.shape
    size = min(height, LARGEST), min(width, LARGEST)
    return (adaptive_avg_pool2d(rows[None], size)[0] * 255).round().byte().cpu().numpy()
