"""Batches of a dataset in memory, reshuffled every epoch; any batch can be accessed at any time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from core.rng import key, stream
from data.augment import cropped_and_flipped
from data.image_folder import FolderImages

ORDERS_KEPT = 64  # orders that are in use at the same time, of branches in different epochs


class Epochs:
    """The batches of every epoch, each a function of the seed, the epoch and its place in it.

    Args:
        x, y: the examples [N, ...], or images in files, and their labels [N].
        batch_size: the last batch of an epoch may be smaller.
        seed: of the orders.
        shuffle: a new order every epoch; otherwise the order of the examples.
        augment: crop and flip every image at random, see `data.augment`; x is [N, C, H, W].
        endless: batches run on over the ends of epochs, so that all have the same size.

    Attributes:
        steps: batches in an epoch; the last begins in it.
    """

    def __init__(
        self, x: Tensor | FolderImages, y: Tensor, batch_size: int, seed: int, shuffle: bool = True,
        endless: bool = False, augment: bool = False,
    ):  # fmt: skip
        self.x, self.y, self.batch_size, self.seed, self.shuffle = x, y, batch_size, seed, shuffle
        self.endless, self.augment = endless, augment
        self._black = x.amin((0, 2, 3)).view(-1, 1, 1) if augment and isinstance(x, Tensor) else None
        self.steps = -(-len(y) // batch_size)
        self._order = lru_cache(ORDERS_KEPT)(self._draw)

    def batch(self, step: int, offsets: Sequence[int] = (0,)) -> tuple[Tensor, Tensor]:
        """Return the batches of a step, one after the other.

        Args:
            step: steps taken so far.
            offsets: a batch for each: that of the step as if so many epochs had gone before.
        """
        index = torch.cat([self._index(step, offset) for offset in offsets])
        if not self.augment:
            return self.x[index], self.y[index]
        parts = zip(index.chunk(len(offsets)), offsets, strict=True)
        return torch.cat([self._augmented(part, step + offset * self.steps) for part, offset in parts]), self.y[index]

    def _augmented(self, index: Tensor, step: int) -> Tensor:
        if isinstance(self.x, FolderImages):
            found = self.x.augmented(index, key(self.seed, "augment", step))
            self.x.ahead(self._index(step + 1, 0), key(self.seed, "augment", step + 1))
            return found
        assert self._black is not None  # which augment asks for
        return cropped_and_flipped(self.x[index], self._black, stream(self.seed, "augment", step))

    def _index(self, step: int, offset: int) -> Tensor:
        if not self.endless:
            epoch, i = divmod(step, self.steps)
            return self._order(offset + epoch)[i * self.batch_size : (i + 1) * self.batch_size]
        epoch, start = divmod(step * self.batch_size, len(self.y))
        found = [self._order(offset + epoch)[start : start + self.batch_size]]
        while (missing := self.batch_size - sum(map(len, found))) > 0:
            found.append(self._order(offset + epoch + len(found))[:missing])
        return torch.cat(found)

    def _draw(self, epoch: int) -> Tensor:
        n, device = len(self.y), self.y.device
        if not self.shuffle:
            return torch.arange(n, device=device)
        return torch.randperm(n, generator=stream(self.seed, "order", epoch)).to(device)


def log_spaced(last: int, count: int) -> tuple[int, ...]:
    """Return `count` whole numbers from 1 to `last`, log-spaced, rounded and without doubles; nothing if last is 0.

    Differs from the original: it cuts off instead of rounding, which can lose `last` itself.
    """
    if last < 1:
        return ()
    found = np.geomspace(1, last, count) if count > 1 else np.array([last])
    return tuple(int(epoch) for epoch in np.unique(np.clip(np.rint(found), 1, last)))
