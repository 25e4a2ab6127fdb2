"""How many bytes a mask takes to keep: as a bit for each weight, or as indices of those kept."""

from __future__ import annotations

from masks.algebra import Masks


def bitmap_bytes(masks: Masks) -> int:
    """Return the bytes of a bit for each weight, every tensor rounded up."""
    return sum(-(-mask.numel() // 8) for mask in masks.values())


def index_bytes(masks: Masks) -> int:
    """Return the bytes of 16-bit indices: compressed sparse columns, one for each input.

    A weight [O, I, ...] is a matrix of I columns; kept are the row of every kept weight and where each column begins.

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 4.1 (16-bit integers).
    """
    columns = (mask.shape[1] if mask.dim() > 1 else 1 for mask in masks.values())
    return 2 * masks.count() + 2 * sum(n + 1 for n in columns)


def stored_bytes(masks: Masks) -> int:
    """Return the bytes of the smaller of the two."""
    return min(bitmap_bytes(masks), index_bytes(masks))
