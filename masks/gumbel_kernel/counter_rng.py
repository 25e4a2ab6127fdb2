"""Counter-based noise: the uniform number of mask k, entry i is a hash of (seed, k, i).

No generator and no storage: the numbers are drawn again wherever they are needed. They are the same for any
number of threads, on any device and in any order, so a resumed run needs only the step's seed.

    e   = i * 0x9E3779B1;  e ^= e >> 16
    key = the high half of splitmix64(splitmix64(seed) + k * golden)
    x   = e ^ key;  x *= 0x7FEB352D;  x ^= x >> 15;  x *= 0x846CA68B
    h   = x >> 9, which is -2^22 .. 2^22 - 1 where x is read as a signed 32-bit number
    u   = (h + 2^22 + 1/2) / 2^23

u is exact in float32, never 0 or 1, and symmetric about 1/2. What e needs is done once for all masks.

Source: the rounds are "lowbias32" of C. Wellons, "Prospecting for Hash Functions" (2018), without its last
`x ^= x >> 16`, which leaves the high bits as they are, and with the key put in after the first shift: as that
is linear, putting in another key before it would be the same. The keys are made by the finaliser of Steele,
Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEP, FIRST, SECOND = 0x9E3779B1, 0x7FEB352D, 0x846CA68B  # the odd factors, in this order


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
    h = high_bits(entries(n, device), keys(seed, k, device)[:, None])
    return h.to(torch.float32).add_(2**22 + 0.5).mul_(2.0**-23)


def keys(seed: int, k: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the key of each of K masks, int32 [k].

    The seed is hashed before the mask is counted, so neighbouring seeds share no key with each other's masks.
    """
    start = _mix(seed)
    numbers = [_signed(_mix(start + (j + 1) * 0x9E3779B97F4A7C15) >> 32) for j in range(k)]
    return torch.tensor(numbers, dtype=torch.int32, device=device)


def entries(n: int, device: torch.device | str = "cpu") -> Tensor:
    """Return what entries 0 .. n-1 put into the hash, e, int32 [n]."""
    # int32 products wrap as the hash wants it, but >> repeats the sign, which has to be cut off
    e = torch.arange(n, dtype=torch.int32, device=device) * _signed(STEP)
    return e ^ ((e >> 16) & 0xFFFF)


def high_bits(e: Tensor, key: Tensor) -> Tensor:
    """Return h, the 23 high bits of the hash of entries and key, int32."""
    x = (e ^ key) * _signed(FIRST)
    x = (x ^ ((x >> 15) & 0x1FFFF)) * _signed(SECOND)
    return x >> 9


def _mix(z: int) -> int:
    z &= 2**64 - 1
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & 2**64 - 1
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & 2**64 - 1
    return z ^ (z >> 31)


def _signed(number: int) -> int:
    return (number + 2**31) % 2**32 - 2**31
