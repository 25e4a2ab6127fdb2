"""The Gumbel-sigmoid product without a compiler: block by block in numpy, so that the numbers stay in the cache.

The slow parts of the obvious formula in torch are memory traffic, waking threads for every small operation, and
boolean results and shifts, which it does not vectorise. Here each operation works in place on one block, and a
weight is kept or dropped by its bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from masks.hash import ENTRY
from masks.law import least_kept, slope_, tempered_slope_

BLOCK = 2**15  # three such blocks of four bytes fit the cache that belongs to one core
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def product(weight: Tensor | None, scores: Tensor, keys: Tensor) -> Tensor:
    """Return W (1 when None) where the mask keeps it and 0 elsewhere, [k, n]."""
    if weight is None:
        weight = torch.ones_like(scores)
    weight = weight.contiguous()
    out = weight.new_empty(len(keys), len(scores))
    integer = _BITS[weight.element_size()]
    _kept_bits(weight.view(integer).numpy()[None], scores, keys, out.view(integer).numpy())
    return out


def weight_gradient(scores: Tensor, keys: Tensor, gradient: Tensor) -> Tensor:
    """Return sum_k m_k g_k, [n]."""
    gradient = gradient.contiguous()
    kept = torch.empty_like(gradient)
    integer = _BITS[gradient.element_size()]
    _kept_bits(gradient.view(integer).numpy(), scores, keys, kept.view(integer).numpy())
    return kept.sum(0)


def scores_gradient(
    weight: Tensor | None, scores: Tensor, keys: Tensor, gradient: Tensor, temperature: Tensor | None = None
) -> Tensor:
    """Return W * sum_k ds_k/dscore g_k, [n]; temperature 1 when None."""
    total = torch.zeros_like(scores)
    out, scores, gradient = total.numpy(), scores.numpy(), gradient.to(scores.dtype).numpy()
    weight = None if weight is None else weight.to(total.dtype).numpy()
    heat = None if temperature is None else out.dtype.type(temperature)
    with np.errstate(all="ignore"):  # overflow to infinity is meant, and gives 0
        for mask, span, hashes in _hashes(len(scores), keys):
            if mask == 0:
                part = out[span]
                c = np.exp(-scores[span].clip(-80, 80))
            u = (hashes >> 9).astype(out.dtype)
            u *= 2.0**-23
            u += 0.5 + 2.0**-24
            u = slope_(u, c) if heat is None else tempered_slope_(u, c, heat)
            u *= gradient[mask, span]
            part += u
            if mask == len(keys) - 1:
                if heat is None:
                    part *= c
                if weight is not None:
                    part *= weight[span]
    return total


def _kept_bits(bits: np.ndarray, scores: Tensor, keys: Tensor, out: np.ndarray) -> None:
    """Write `bits` [1 or k, n] where the mask keeps the entry, and 0 elsewhere, into `out` [k, n]."""
    scores = scores.numpy()
    with np.errstate(invalid="ignore"):
        for mask, span, hashes in _hashes(len(scores), keys):
            if mask == 0:
                most_dropped = least_kept(scores[span].astype(np.float32)).astype(np.int32) - 1
            hashes >>= 9
            np.subtract(most_dropped, hashes, out=hashes)
            hashes >>= 31  # -1, all bits set, where the entry is kept
            np.bitwise_and(bits[mask % len(bits), span], hashes, out=out[mask, span], casting="same_kind")


def _hashes(n: int, keys: Tensor) -> Iterator[tuple[int, slice, np.ndarray]]:
    """Yield (mask, entries, their hashes as int32, to be overwritten); a block goes through all masks in turn."""
    width, step = min(n, BLOCK), ENTRY % 2**32
    keys = keys.numpy().view(np.uint32)
    first = np.arange(width, dtype=np.uint32) * np.uint32(step)
    base, hashes, shifted = np.empty_like(first), np.empty_like(first), np.empty_like(first)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        e, x, t = base[:size], hashes[:size], shifted[:size]
        np.add(first[:size], np.uint32(start * step % 2**32), out=e)
        for mask, key in enumerate(keys):
            np.bitwise_xor(e, key, out=x)
            np.right_shift(x, 16, out=t)
            np.bitwise_xor(x, t, out=x)
            np.multiply(x, 0x7FEB352D, out=x)
            np.right_shift(x, 15, out=t)
            np.bitwise_xor(x, t, out=x)
            np.multiply(x, 0x846CA68B, out=x)
            yield mask, slice(start, start + size), x.view(np.int32)
