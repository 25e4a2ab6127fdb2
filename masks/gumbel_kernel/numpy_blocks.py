"""The Gumbel-sigmoid product without a compiler: in blocks of numpy, so that the numbers stay in the cache.

The slow parts of the obvious formula in torch are memory traffic, waking threads for every small operation,
and boolean results and shifts, which it does not vectorise. Here each operation works in place on one block,
and a weight is kept or dropped by its bits. One thread does it: more of them gain nothing beside torch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from masks.gumbel_kernel.counter_rng import FIRST, SECOND, STEP
from masks.gumbel_kernel.formulas import last_dropped, slope_, tempered_slope

BLOCK = 2**16  # three such blocks of four bytes fit the cache that belongs to one core
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
    out, s, g = total.numpy(), scores.numpy(), gradient.to(scores.dtype).numpy()
    w = None if weight is None else weight.to(total.dtype).numpy()
    heat = None if temperature is None else out.dtype.type(temperature)

    def work(span: slice) -> None:
        part, c = out[span], np.exp(-s[span].clip(-80, 80))
        for mask, h in _high_bits(span, keys):
            u = h.astype(out.dtype)
            u += 2**22 + 0.5
            u = slope_(u, c) if heat is None else tempered_slope(u, c, heat)
            u *= g[mask, span]
            part += u
        if heat is None:
            part *= c
        if w is not None:
            part *= w[span]

    _each_block(len(scores), work)
    return total


def _kept_bits(bits: np.ndarray, scores: Tensor, keys: Tensor, out: np.ndarray) -> None:
    """Write `bits` [1 or k, n] where the mask keeps the entry, and 0 elsewhere, into `out` [k, n]."""
    s = scores.numpy()

    def work(span: slice) -> None:
        last = last_dropped(s[span].astype(np.float32, copy=False)).astype(np.int32)
        for mask, h in _high_bits(span, keys):
            np.subtract(last, h, out=h)
            h >>= 31  # -1, all bits set, where the entry is kept
            np.bitwise_and(bits[mask % len(bits), span], h, out=out[mask, span], casting="same_kind")

    _each_block(len(scores), work)


def _high_bits(span: slice, keys: Tensor) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (mask, `counter_rng.high_bits` of these entries, to be overwritten) for one mask after another."""
    e = np.arange(span.start, span.stop, dtype=np.uint32)
    e *= np.uint32(STEP)
    x, t = np.empty_like(e), e >> 16
    e ^= t
    for mask, key in enumerate(keys.numpy().view(np.uint32)):
        np.bitwise_xor(e, key, out=x)
        np.multiply(x, FIRST, out=x)
        np.right_shift(x, 15, out=t)
        np.bitwise_xor(x, t, out=x)
        np.multiply(x, SECOND, out=x)
        h = x.view(np.int32)
        h >>= 9
        yield mask, h


def _each_block(n: int, work: Callable[[slice], None]) -> None:
    """Call `work` on every block of n entries, in order."""
    with np.errstate(all="ignore"):  # overflow to infinity is meant, and gives 0
        for start in range(0, n, BLOCK):
            work(slice(start, min(n, start + BLOCK)))
