"""The Gumbel-sigmoid product in plain torch: block by block and in place, so that the numbers stay in the cache.

The slow parts of the obvious formula are memory traffic and the boolean results, which torch does not vectorise;
here a comparison writes 0 or 1 as integers, and a weight is kept or dropped by multiplying its bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from masks.hash import entries, scramble_, shift, uniform
from masks.law import bound, slope_, tempered_slope_

# Up to this many numbers torch runs an operation on one thread, without waking and awaiting the others; three
# such blocks of four bytes also fit the cache that belongs to a core.
BLOCK = 2**15
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def product(weight: Tensor | None, scores: Tensor, keys: Tensor) -> Tensor:
    """Return W (1 when None) where the mask keeps it and 0 elsewhere, [k, n]."""
    if weight is None:
        weight = scores.new_ones(1).expand(len(scores))
    weight = weight.contiguous()
    out = weight.new_empty(len(keys), len(scores))
    integer = _BITS[weight.element_size()]
    bits, result = weight.view(integer), out.view(integer)
    least = kept = None
    for masks, span, hashes in _hashes(len(scores), keys):
        if masks.start == 0:
            least = bound(scores[span])
        kept = torch.empty_like(hashes) if kept is None or kept.shape != hashes.shape else kept
        torch.ge(hashes, least, out=kept)
        torch.mul(kept, bits[span], out=result[masks, span])
    return out


def scores_gradient(
    weight: Tensor | None, scores: Tensor, keys: Tensor, gradient: Tensor, temperature: Tensor | None = None
) -> Tensor:
    """Return W * sum_k ds_k/dscore g_k, [n]; temperature 1 when None."""
    total = torch.zeros_like(scores)
    for masks, span, hashes in _hashes(len(scores), keys):
        if masks.start == 0:
            part, known = total[span], scores[span]
            c = _odds(known) if temperature is None else None
        u = uniform(hashes, scores.dtype)
        slope = slope_(u, c) if temperature is None else tempered_slope_(u, known, temperature)
        for row in slope.mul_(gradient[masks, span]):  # sum(0) may add in another order
            part += row
        if masks.stop == len(keys):
            if temperature is None:
                part *= c
            if weight is not None:
                part *= weight[span]
    return total


def weight_gradient(scores: Tensor, keys: Tensor, gradient: Tensor) -> Tensor:
    """Return sum_k m_k g_k, [n]."""
    out = gradient.new_zeros(len(scores))
    for k, key in enumerate(keys.split(1)):
        out += product(gradient[k], scores, key)[0]
    return out


def _odds(scores: Tensor) -> Tensor:
    """Return `masks.law.odds` by sigmoids: torch runs exp on all threads, however short the block."""
    scores = scores.clamp(-80, 80)
    return torch.sigmoid(-scores).div_(torch.sigmoid(scores))


def _hashes(n: int, keys: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield (masks, entries, their hashes [masks, entries]); a block of entries goes through all masks in turn."""
    k, width = len(keys), max(1, min(n, BLOCK))
    if keys.device.type != "cpu":
        width = max(1, n)
    rows = max(1, min(k, BLOCK // width))
    start, keys = entries(width, keys.device), keys[:, None]
    for first in range(0, n, width):
        stop = min(n, first + width)
        base = start[: stop - first] + shift(first)
        for mask in range(0, k, rows):
            masks = slice(mask, min(k, mask + rows))
            yield masks, slice(first, stop), scramble_(base ^ keys[masks])
