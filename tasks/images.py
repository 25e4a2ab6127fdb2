"""The images of an image task."""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from core.store import Run
from core.trackers import Mirrors
from data.epochs import Epochs
from data.image_sets import Sets, standardised_images
from data.outline import Outline, image_outline
from tasks.image_options import ImageTaskOptions
from tasks.sizes import check_at_most
from tasks.task import Task

ImageOptionsT = TypeVar("ImageOptionsT", bound=ImageTaskOptions)


class ImageTask(Task[ImageOptionsT]):
    """Base of the tasks that train by epochs of images, which are loaded when they are first used."""

    def __init__(self, options: ImageOptionsT, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        check_at_most(options, "train.batch_size", self.outline.sizes["train"], "training images")

    @cached_property
    def outline(self) -> Outline:
        """What is known of the images before they are loaded."""
        return image_outline(self.options.data, self.options.run.cache)

    @cached_property
    def sets(self) -> Sets:
        """The sets "train", "valid" (unless nothing is held out) and "test"."""
        return standardised_images(self.options.data, self.options.run.cache, self.device)

    @cached_property
    def epochs(self) -> Epochs:
        """The batches of training."""
        options, train = self.options, self.options.train
        x, y = self.sets["train"]
        return Epochs(x, y, train.batch_size, options.seed, train.shuffle, augment=options.data.augment)
