"""Sequences of tasks made from one set of images: its pixels permuted, its images rotated, or its classes split."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from core.errors import OptionError
from core.registry import nearest
from core.rng import key, stream
from data.epochs import Epochs

KINDS = ("permuted", "rotated", "split")
IN_USE = 64  # tasks whose training batches are drawn in turns


class TaskSequence:
    """A number of tasks, each with its own training batches and a function of the seed and its index.

    permuted: task t sees the pixels in an order of its own, the same for all channels.
    rotated: task t sees the images turned by t * angle degrees, nearest pixels, black where there is no image.
    split: task t has `classes` classes, labelled from 0; which ones is a permutation by the seed, or their order.

    Args:
        sets: "train", "test" and perhaps "valid" -> x [N, C, H, W], y [N].
        kind: one of `KINDS`.
        count: number of tasks.
        batch_size: all batches have this size; they run on over the ends of epochs.
        seed: of permutations, splits and orders.
        angle: degrees, of rotated.
        classes: per task, of split.
        ordered: split the classes in their order.
        relabel: label the classes of a task from 0; otherwise as in `sets`.
        augment: crop and flip training images at random, before anything else.

    Raises:
        OptionError: an unknown kind; more classes asked for than there are.

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 4.
    """

    def __init__(
        self, sets: dict[str, tuple[Tensor, Tensor]], kind: str, count: int, batch_size: int, seed: int,
        angle: float = 10.0, classes: int = 2, ordered: bool = False, relabel: bool = True, augment: bool = False,
    ):  # fmt: skip
        if kind not in KINDS:
            raise OptionError(f"unknown kind of tasks {kind!r}; allowed: {', '.join(KINDS)}{nearest(kind, KINDS)}")
        self.sets, self.kind, self.count, self.batch_size, self.seed = sets, kind, count, batch_size, seed
        self.angle, self.parts, self.augment = angle, tuple(sets), augment
        x, y = sets["train"]
        self.classes = int(y.max()) + 1
        if isinstance(x, Tensor):
            self._black = x.amin((0, 2, 3)).tolist()
        elif kind != "split":
            raise OptionError(f"tasks.kind={kind} needs images that fit in memory; allowed here: split")
        if kind == "split":
            if count * classes > self.classes:
                raise OptionError(
                    f"{count} tasks of {classes} classes need {count * classes}; there are {self.classes}"
                )
            every = torch.randperm(self.classes, generator=stream(seed, "split"))
            self._classes = (torch.arange(self.classes) if ordered else every)[: count * classes].view(count, classes)
            self._relabel = relabel
            self.classes = classes if relabel else self.classes
        self._epochs = lru_cache(IN_USE)(self._draw)

    def batch(self, task: int, step: int) -> tuple[Tensor, Tensor]:
        """Return training batch number `step` of a task: x [batch_size, C, H, W], y [batch_size]."""
        x, y = self._epochs(task).batch(step)
        return self._seen(task, x), y

    def examples(self, task: int, part: str) -> tuple[Tensor, Tensor]:
        """Return all examples of a task that are in the set `part`."""
        x, y = self._chosen(task, *self.sets[part])
        return self._seen(task, x), y

    def least(self, part: str) -> int:
        """Return the number of examples of the task that has the fewest in the set `part`."""
        y = self.sets[part][1]
        if self.kind != "split":
            return len(y)
        return min(int(torch.isin(y, classes.to(y.device)).sum()) for classes in self._classes)

    def epoch(self, task: int) -> int:
        """Return the number of batches in which every training image of a task has been seen."""
        return self._epochs(task).steps

    def _draw(self, task: int) -> Epochs:
        x, y = self._chosen(task, *self.sets["train"])
        return Epochs(x, y, self.batch_size, key(self.seed, "task", task), endless=True, augment=self.augment)

    def _chosen(self, task: int, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.kind != "split":
            return x, y
        classes = self._classes[task].to(y.device)
        found, label = (y.unsqueeze(1) == classes).max(1)
        return x[found] if isinstance(x, Tensor) else x.subset(found), (label if self._relabel else y)[found]

    def _seen(self, task: int, x: Tensor) -> Tensor:
        if self.kind == "permuted":
            order = self._order(task, x.shape[-2] * x.shape[-1]).to(x.device)
            return x.flatten(2).index_select(2, order).view(x.shape)
        if self.kind == "rotated" and task * self.angle % 360:
            from torchvision.transforms.functional import InterpolationMode, rotate

            return rotate(x, task * self.angle, InterpolationMode.NEAREST, fill=self._black)
        return x

    def _order(self, task: int, pixels: int) -> Tensor:
        return torch.randperm(pixels, generator=stream(self.seed, "permutation", task))
