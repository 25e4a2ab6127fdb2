"""Images at random positions on a larger, noisy canvas: without the shifts, weight sharing would not help."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from core.errors import OptionError


def shifted(x: Tensor, size: int, noise: float, rng: torch.Generator) -> Tensor:
    """Paste every image at a random place of a canvas and add Gaussian noise.

    Args:
        x: [N, C, H, W] uint8.
        size: height and width of the canvas.
        noise: standard deviation, where white is 1.
        rng: a CPU stream; the result is a function of it.

    Returns:
        [N, C, size, size] float32, not normalised.

    Raises:
        OptionError: the canvas is smaller than the images.
    """
    n, _, height, width = x.shape
    if size < max(height, width):
        raise OptionError(f"a canvas of {size}x{size} is too small for images of {height}x{width}")
    canvas = pad(x.float() / 255, (0, size - width, 0, size - height))
    down, right = (torch.randint(size - side + 1, (n, 1), generator=rng) for side in (height, width))
    steps = torch.arange(size)
    rows, columns = (steps - down) % size, (steps - right) % size  # rolls: what leaves on one side is empty
    canvas = canvas[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return canvas + noise * torch.randn(canvas.shape, generator=rng)
