"""Counter-based noise: the uniform number of mask k, entry i is a hash of (seed, k, i).

No generator and no storage: the numbers are drawn again wherever they are needed. They are the same for any
number of threads, on any device and in any order, so a resumed run needs only the step's seed.

    key_k = the high half of splitmix64(splitmix64(seed) + k * golden)
    x     = i * 0x9E3779B1 xor key_k, then x ^= x >> 16; x *= 0x7FEB352D; x ^= x >> 15; x *= 0x846CA68B
    u     = 1/2 + (2 floor(x / 2^9) + 1) / 2^24,   x read as a signed 32-bit number

u is an odd multiple of 2^-24: exact in float32, never 0 or 1, and symmetric about 1/2.

Source: the two rounds are "lowbias32" of C. Wellons, "Prospecting for Hash Functions" (2018), without its last
`x ^= x >> 16`, which leaves the high bits as they are; the keys are made by the finaliser of Steele, Lea and
Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
"""

from __future__ import annotations

import torch
from torch import Tensor

ENTRY = 0x9E3779B1 - 2**32  # what one entry adds before hashing, as a signed 32-bit number


def uniforms(n: int, k: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the uniform numbers of K masks of n entries.

    Args:
        n: entries of one mask.
        k: number of masks.
        seed: any integer; its low 64 bits count.
        device: where to make them; the numbers do not depend on it.

    Returns:
        float32 [k, n] in (0, 1). More masks or more entries leave the first ones as they are.
    """
    return uniform(scramble_(entries(n, device) ^ keys(seed, k, device)[:, None]), torch.float32)


def keys(seed: int, k: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the key of each of K masks, int32 [k].

    The seed is hashed before the mask is counted, so neighbouring seeds share no key with each other's masks.
    """
    start = _mix(seed)
    numbers = [_signed(_mix(start + (j + 1) * 0x9E3779B97F4A7C15) >> 32) for j in range(k)]
    return torch.tensor(numbers, dtype=torch.int32, device=device)


def entries(n: int, device: torch.device | str = "cpu") -> Tensor:
    """Return what entries 0 .. n-1 put into the hash, int32 [n]."""
    return torch.arange(n, dtype=torch.int32, device=device) * ENTRY


def scramble_(x: Tensor) -> Tensor:
    """Hash int32 `x` = entry xor key in place, and return it; only its high 23 bits are to be used."""
    # int32 multiplication wraps as the hash wants it, but >> repeats the sign, which the masks cut off
    x ^= (x >> 16).bitwise_and_(0xFFFF)
    x *= 0x7FEB352D
    x ^= (x >> 15).bitwise_and_(0x1FFFF)
    x *= 0x846CA68B - 2**32
    return x


def uniform(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the number u in (0, 1) of a hash, in `dtype` (float32 or float64, exact in both)."""
    return (x >> 9).to(dtype).mul_(2.0**-23).add_(0.5 + 2.0**-24)


def _mix(z: int) -> int:
    z &= 2**64 - 1
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & 2**64 - 1
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & 2**64 - 1
    return z ^ (z >> 31)


def _signed(number: int) -> int:
    return (number + 2**31) % 2**32 - 2**31
