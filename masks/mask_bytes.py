"""How many bytes a mask takes: as one bit per weight, or as indices of the weights kept."""

from __future__ import annotations

from masks.algebra import Masks


def bitmap_bytes(masks: Masks) -> int:
    """Return the bytes of a bit for each weight, or unit of weights, every tensor rounded up."""
    return sum(-(-bits.numel() // 8) for bits in masks.compact().values())


def index_bytes(masks: Masks) -> int:
    """Return the bytes of 16-bit indices: compressed sparse columns, one for each input.

    A weight [O, I, ...] is a matrix of I columns; kept are the row of every kept weight and where each column begins.
    Of a mask of units it is the matrix of the units.

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 4.1 (16-bit integers).
    """
    every = masks.compact().values()
    columns = (bits.shape[1] if bits.dim() > 1 else 1 for bits in every)
    return 2 * sum(int(bits.count_nonzero()) for bits in every) + 2 * sum(n + 1 for n in columns)


def stored_bytes(masks: Masks) -> int:
    """Return the bytes of the smaller of the two."""
    return min(bitmap_bytes(masks), index_bytes(masks))
