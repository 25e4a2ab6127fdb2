"""Random crops and horizontal flips of a batch, on its device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cropped_and_flipped(x: Tensor, black: Tensor, rng: torch.Generator, padding: int = 4) -> Tensor:
    """Return each image cut at a random place from itself with a border around it, half of them mirrored.

    Args:
        x: [N, C, H, W].
        black: of the border, [C, 1, 1].
        rng: a stream on the CPU.
        padding: width of the border.
    """
    n, _, height, width = x.shape
    top, left = (torch.randint(2 * padding + 1, (n, 1), generator=rng) for _ in range(2))
    mirrored = torch.rand(n, 1, generator=rng) < 0.5
    rows, columns = top + torch.arange(height), left + torch.arange(width)
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(x - black, (padding,) * 4) + black
    rows, columns = rows.to(x.device), columns.to(x.device)
    image = torch.arange(n, device=x.device).view(n, 1, 1)
    found = padded.permute(0, 2, 3, 1)[image, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)
    # copied, as with the strides of channels last torch's convolutions on CPU can crash in the backward pass
    return torch.empty(found.shape, dtype=found.dtype, device=found.device).copy_(found)
