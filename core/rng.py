"""Named random streams: every random number of a run is a function of the seed and the name of its use.

Streams are independent, so deleting one condition of an experiment changes no other, and they need no
state: a stream for step 700 is made from the number 700, which is what makes resuming exact.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def key(seed: int, *names: str | int) -> int:
    """Return a 63-bit number that is a hash of `seed` and `names` (order and types matter)."""
    text = repr((int(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def stream(seed: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """Return a fresh `torch.Generator` for the named use, e.g. `stream(3, "data", "train", step)`."""
    import torch

    return torch.Generator(device).manual_seed(key(seed, *names))
