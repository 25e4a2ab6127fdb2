"""The k largest entries of a tensor: exactly k even with ties, by selection instead of sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def kept(keep: float, size: int) -> int:
    """Return how many of `size` weights the fraction `keep` is: rounded, at least 1."""
    return max(1, round(keep * size))


def largest(values: Tensor, count: int) -> Tensor:
    """Return which entries are the `count` largest, [...] bool.

    Of equal entries those stay that come last in the order of indices, whatever the layout in memory.

    Args:
        values: [...].
        count: from 0 to the number of entries; beyond is as good as the end.
    """
    flat = values.detach().reshape(-1)
    size = flat.numel()
    if count <= 0 or count >= size:
        return flat.new_full(values.shape, count > 0).bool()
    least = flat.kthvalue(size - count + 1).values
    mask = flat >= least
    extra = int(mask.sum()) - count
    if extra:
        mask[(flat == least).nonzero()[:extra, 0]] = False
    return mask.view(values.shape)


def largest_covering(values: Tensor, covers: Tensor, keep: float) -> Tensor:
    """Return which are the largest entries that together cover the fraction `keep` of the weights, [n] bool.

    As many, at least 1, as come nearest to it; ties as of `largest`.

    Args:
        values: [n].
        covers: [n] how many weights each stands for.
        keep: in (0, 1].
    """
    order = values.detach().argsort(stable=True).flip(0)
    covered = covers[order].cumsum(0)
    count = int((covered - round(keep * int(covers.sum()))).abs().argmin()) + 1
    mask = values.new_zeros(values.shape).bool()
    mask[order[:count]] = True
    return mask
