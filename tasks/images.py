"""The images that a task's options ask for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from data.epochs import Epochs
from data.standardised import standardised_images

Sets = dict[str, tuple[Tensor, Tensor]]


def sets_of(options: Any, device: torch.device) -> Sets:
    """Return the sets "train", "valid" (unless nothing is held out) and "test" of a task's `data` and `run.cache`."""
    data = options.data
    return standardised_images(
        data.name, options.run.cache, data.file, data.canvas, data.noise, data.train_size, data.test_size,
        data.hold_out, device,
    )  # fmt: skip


def images_of(options: Any, device: torch.device) -> tuple[Sets, Epochs]:
    """Return the sets and the batches of training.

    Args:
        options: of a task with `data` (tasks.options.images.ImageOptions), `train` (EpochOptions), `run` and `seed`.
        device: where the images lie.
    """
    sets, train = sets_of(options, device), options.train
    return sets, Epochs(*sets["train"], train.batch_size, options.seed, train.shuffle, augment=options.data.augment)
