"""The images of an image task."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from core.store import Run
from core.trackers import Mirrors
from data.epochs import Epochs
from data.image_sets import standardised_images
from data.outline import Outline, image_outline
from tasks.image_options import ImageOptions, ImageTaskOptions
from tasks.sizes import check_at_most
from tasks.task import Task

Sets = dict[str, tuple[Tensor, Tensor]]
ImageOptionsT = TypeVar("ImageOptionsT", bound=ImageTaskOptions)


def sets_of(data: ImageOptions, cache: str, device: torch.device) -> Sets:
    """Return the sets "train", "valid" (unless nothing is held out) and "test" of a task's `data` and `run.cache`."""
    return standardised_images(
        data.name, cache, data.file, data.canvas, data.noise, data.train_size, data.test_size,
        data.hold_out, device,
    )  # fmt: skip


def outline_of(data: ImageOptions, cache: str) -> Outline:
    """Return shape, classes and sizes of the images of a task's `data` and `run.cache`, which need not be there yet.

    Raises:
        OptionError: the options name a file, a folder or sizes that cannot be used.
    """
    return image_outline(data.name, cache, data.file, data.canvas, data.train_size, data.test_size, data.hold_out)


class ImageTask(Task[ImageOptionsT]):
    """Base of the tasks that train by epochs of images, which are loaded when they are first used."""

    def __init__(self, options: ImageOptionsT, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        check_at_most(options, "train.batch_size", self.outline.sizes["train"], "training images")

    @cached_property
    def outline(self) -> Outline:
        """What is known of the images before they are loaded."""
        return outline_of(self.options.data, self.options.run.cache)

    @cached_property
    def sets(self) -> Sets:
        """The sets "train", "valid" (unless nothing is held out) and "test"."""
        return sets_of(self.options.data, self.options.run.cache, self.device)

    @cached_property
    def epochs(self) -> Epochs:
        """The batches of training."""
        options, train = self.options, self.options.train
        x, y = self.sets["train"]
        return Epochs(x, y, train.batch_size, options.seed, train.shuffle, augment=options.data.augment)
