"""Drawn images with two cues, shape and texture, that agree, contradict each other, or have nothing to do with another.

Six shapes at random places, sizes and angles, filled with one of six textures in two random colours. Where an object
lies is known exactly, so that every image has a mean-pooled twin: object and background each in their mean colour. It
keeps the shape and loses the texture. A laptop's stand-in for the images of Zhang, Lepori, Pavlick, "Instilling
Inductive Biases with Subnetworks", arXiv 2310.10899, section 4: ImageNet, its twin pooled by Segment Anything, and the
cue-conflict images of Geirhos et al., ICLR 2019.

The contrast of the textures decides what can be seen at all: with a low one any network learns shape first, with a high
one none does. Look at a network from scratch before a subnetwork is judged: with `CONTRAST` it prefers texture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from core.errors import OptionError
from core.registry import nearest
from core.rng import stream

Cues = Literal["ambiguous", "conflict", "decorrelated"]
SHAPES = ("disc", "square", "triangle", "cross", "ring", "bar")
TEXTURES = ("horizontal", "vertical", "rising", "falling", "checker", "dots")
SIDE, PERIOD = 32, 5.0  # pixels
CONTRAST, NOISE = (0.25, 0.35), 0.08
SCALARS = 12  # uniform numbers of an image
AT_ONCE = 512  # images drawn in one go


@dataclass(frozen=True)
class Pictures:
    """Images with two cues.

    Attributes:
        x: [N, 3, 32, 32] float32, about 0.
        pooled: their mean-pooled twins, with noise of their own.
        inside: [N, 32, 32] bool, where the object is.
        shape, texture: [N] int64, the cues.
    """

    x: Tensor
    pooled: Tensor
    inside: Tensor
    shape: Tensor
    texture: Tensor

    def __len__(self) -> int:
        return len(self.shape)

    def partly_pooled(self, share: float) -> tuple[Tensor, Tensor]:
        """Return the images, the first `share` of them pooled, and which are still textured [N]."""
        textured = torch.arange(len(self), device=self.x.device) >= round(share * len(self))
        return torch.where(textured.view(-1, 1, 1, 1), self.x, self.pooled), textured


def pictures(
    cues: Cues, count: int, seed: int, purpose: str, contrast: tuple[float, float] = CONTRAST, noise: float = NOISE,
    device: torch.device | str = "cpu",
) -> Pictures:  # fmt: skip
    """Draw images, each a function of the seed, the purpose and its place: fewer are the first of more.

    Args:
        cues: ambiguous, shape and texture are the same number; conflict, the 30 pairs of different numbers;
            decorrelated, all 36 pairs. Each takes turns, so that they are balanced.
        count: how many.
        seed, purpose: of the stream, such as 0 and "test".
        contrast: least and most amplitude of a texture.
        noise: standard deviation of what is added to every pixel, where black is 0 and white 1.
        device: where the tensors lie.

    Raises:
        OptionError: an unknown kind of cues.
    """
    if cues not in get_args(Cues):
        raise OptionError(f"cues={cues!r} is not one of {', '.join(get_args(Cues))}{nearest(cues, get_args(Cues))}")
    every = torch.cartesian_prod(torch.arange(len(SHAPES)), torch.arange(len(TEXTURES)))
    same = every[:, 0] == every[:, 1]
    allowed = every[{"ambiguous": same, "conflict": ~same, "decorrelated": torch.ones_like(same)}[cues]]
    shape, texture = allowed[torch.arange(count) % len(allowed)].unbind(1)
    x, pooled = (torch.empty(count, 3, SIDE, SIDE) for _ in range(2))
    inside = torch.empty(count, SIDE, SIDE, dtype=torch.bool)
    for begin in range(0, count, AT_ONCE):
        part = slice(begin, min(begin + AT_ONCE, count))
        streams = [stream(seed, "pictures", purpose, cues, i) for i in range(part.start, part.stop)]
        u = torch.stack([torch.rand(SCALARS, generator=rng) for rng in streams])
        colours = torch.stack([torch.randn(2, 3, generator=rng) for rng in streams])
        alpha = _cover(_distance(shape[part], u))
        flat, amplitude, background = _colours(u, colours, contrast)
        wave = _wave(texture[part], u)
        x[part], pooled[part], inside[part] = _painted(alpha, flat, amplitude, background, wave)
        if noise:
            added = torch.stack([torch.randn(2, 3, SIDE, SIDE, generator=rng) for rng in streams]) * noise
            x[part] += added[:, 0]
            pooled[part] += added[:, 1]
    return Pictures(*(t.to(device) for t in ((x - 0.5) * 3, (pooled - 0.5) * 3, inside, shape, texture)))


def _between(u: Tensor, low: float, high: float) -> Tensor:
    return low + u * (high - low)


def _distance(shape: Tensor, u: Tensor) -> Tensor:
    """Return how far each pixel is outside of the object, in pixels, [N, 32, 32]; negative inside."""
    half = SIDE / 2
    radius = _between(u[:, 0], 0.65, 0.85) * half
    centre = half + _between(u[:, 1:3], -0.15, 0.15) * half
    angle = _between(u[:, 3], -0.2, 0.2)
    place = torch.arange(SIDE) + 0.5
    x, y = place.view(1, 1, -1) - centre[:, 0].view(-1, 1, 1), place.view(1, -1, 1) - centre[:, 1].view(-1, 1, 1)
    cos, sin, radius = (t.view(-1, 1, 1) for t in (angle.cos(), angle.sin(), radius))
    p, q = (x * cos + y * sin) / radius, (y * cos - x * sin) / radius  # in the object's own directions
    r, wide, high = torch.hypot(p, q), p.abs(), q.abs()

    def box(a: float, b: float) -> Tensor:
        return torch.maximum(wide - a, high - b)

    distances = torch.stack([
        r - 0.85,
        box(0.75, 0.75),
        torch.maximum(q - 0.55, math.sqrt(3) / 2 * wide - q / 2 - 0.55),
        torch.minimum(box(0.95, 0.32), box(0.32, 0.95)),
        (r - 0.72).abs() - 0.23,
        box(1.0, 0.36),
    ])  # fmt: skip
    return distances[shape, torch.arange(len(shape))] * radius


def _cover(distance: Tensor) -> Tensor:
    """Return how much of each pixel the object covers: a soft edge."""
    return torch.sigmoid(-3 * distance)


def _wave(texture: Tensor, u: Tensor) -> Tensor:
    """Return the texture, [N, 32, 32] from -1 to 1, in the directions of the image and not of the object."""
    w = 2 * math.pi / (PERIOD * _between(u[:, 4], 0.9, 1.1)).view(-1, 1, 1)
    p1, p2 = (2 * math.pi * u[:, i].view(-1, 1, 1) for i in (5, 6))
    place = torch.arange(SIDE) + 0.5
    x, y = place.view(1, 1, -1), place.view(1, -1, 1)
    shape = (len(texture), SIDE, SIDE)
    waves = torch.stack([
        torch.sin(w * y + p1).expand(shape),
        torch.sin(w * x + p1).expand(shape),
        torch.sin(w * (x + y) / math.sqrt(2) + p1),
        torch.sin(w * (x - y) / math.sqrt(2) + p1),
        1.5 * torch.sin(w * x + p1) * torch.sin(w * y + p2),
        1.3 * (torch.cos(w * x + p1) + torch.cos(w * y + p2) - 0.9),
    ])  # fmt: skip
    return torch.tanh(2 * waves[texture, torch.arange(len(texture))])


def _colours(u: Tensor, directions: Tensor, contrast: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Return colour of the object, what the texture adds to it, and the background, each [N, 3, 1, 1]."""
    directions = directions / directions.norm(dim=2, keepdim=True)
    background = _between(u[:, 7:10], 0.2, 0.8)
    flat = background + directions[:, 0] * _between(u[:, 10:11], 0.45, 0.65)
    amplitude = directions[:, 1] * _between(u[:, 11:12], *contrast) * math.sqrt(3) * 0.8
    flat, amplitude, background = (t[:, :, None, None] for t in (flat, amplitude, background))
    return flat, amplitude, background


def _painted(
    alpha: Tensor, flat: Tensor, amplitude: Tensor, background: Tensor, wave: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return images and pooled twins [N, 3, 32, 32] from 0 to 1, and a little beyond, and where the object is."""
    cover = alpha[:, None]
    image = background * (1 - cover) + (flat + amplitude * wave[:, None]) * cover
    inside = cover > 0.5
    means = [(image * part).sum((2, 3), True) / part.sum((2, 3), True) for part in (inside, ~inside)]
    return image, torch.where(inside, means[0], means[1]), inside[:, 0]
