"""Weights that are never trained: how they are initialised, and how they are scaled for the fraction kept."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from core.errors import OptionError
from core.registry import nearest

Init = Literal[
    "kaiming_normal",
    "signed_constant",
    "unsigned_constant",
    "kaiming_uniform",
    "xavier_normal",
    "xavier_constant",
    "standard",
]
Scale = Literal["none", "keep", "published"]
PUBLISHED = ("kaiming_normal", "signed_constant", "unsigned_constant")  # what the authors' code scales


def draw_weight(weight: Tensor, init: Init, rng: torch.Generator, keep: float = 1.0, scale: Scale = "none") -> Tensor:
    """Fill the weight of a linear layer or a convolution, in place, and return it.

    With std = sqrt(2 / fan_in):
        kaiming_normal N(0, std^2); kaiming_uniform U(-sqrt(3) std, sqrt(3) std);
        signed_constant std or -std, each as likely; unsigned_constant std everywhere;
        xavier_normal N(0, 2 / (fan_in + fan_out)); xavier_constant the same deviation with a random sign;
        standard as torch draws a convolution, U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)).

    Args:
        weight: [O, I, ...].
        init: which.
        rng: a stream on the weight's device.
        keep: fraction of the weights that will be kept, in (0, 1].
        scale: keep multiplies by sqrt(1 / keep), so that sums over the kept weights have the variance of sums over
            all; published by sqrt(1 / (1 - keep)), as the authors' code does, and only the inits that it scales.

    Raises:
        OptionError: an unknown init or scale, or nothing is left to scale by.

    Source: Ramanujan et al., "What's Hidden in a Randomly Weighted Neural Network?", CVPR 2020, section 3.2 (scaled
    Kaiming); its code takes the fraction kept for the fraction removed, which is right at 1/2 alone.
    """
    for name, value, allowed in (("init", init, get_args(Init)), ("scale", scale, get_args(Scale))):
        if value not in allowed:
            raise OptionError(f"{name}={value!r} is not one of {', '.join(allowed)}{nearest(value, allowed)}")
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
    deviation = math.sqrt(2 / (fan_in + fan_out)) if init.startswith("xavier") else math.sqrt(2 / fan_in)
    with torch.no_grad():
        if init.endswith("normal"):
            weight.normal_(0, deviation, generator=rng)
        elif init == "kaiming_uniform":
            weight.uniform_(-math.sqrt(3) * deviation, math.sqrt(3) * deviation, generator=rng)
        elif init == "standard":
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=rng)
        elif init == "unsigned_constant":
            weight.fill_(deviation)
        else:
            signs = torch.rand(weight.shape, generator=rng, device=weight.device) < 0.5
            weight.fill_(deviation)
            weight[signs] = -deviation
        return weight.mul_(_factor(init, keep, scale))


def _factor(init: str, keep: float, scale: str) -> float:
    if scale == "none" or scale == "published" and init not in PUBLISHED:
        return 1.0
    rest = keep if scale == "keep" else 1 - keep
    if not 0 < rest <= 1:
        raise OptionError(f"scale={scale} with keep={keep} divides by {rest:g}")
    return math.sqrt(1 / rest)
