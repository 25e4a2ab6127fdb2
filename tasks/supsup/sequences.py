"""Builds the sequence of tasks that the options describe, from one set of images."""

from __future__ import annotations

import torch

from core.errors import OptionError
from data.image_sets import standardised_images
from data.outline import image_outline
from data.task_sequence import TaskSequence
from tasks.sizes import check_at_most
from tasks.supsup.hopsupsup_options import HopSupSupOptions
from tasks.supsup.supsup_options import ManyTasksOptions


def sequence_of(options: ManyTasksOptions | HopSupSupOptions, device: torch.device) -> TaskSequence:
    """Return the tasks.

    Args:
        options: of a task with `tasks` (supsup_options.SequenceOptions), `data`, `train`, `run` and `seed`.
        device: where the images lie.

    Raises:
        OptionError: a batch is larger than the training or test set of a task, or there are fewer batches.
    """
    tasks = options.tasks
    sequence = TaskSequence(
        standardised_images(options.data, options.run.cache, device), tasks.kind, tasks.count, options.train.batch_size,
        options.seed, tasks.angle, tasks.classes, tasks.ordered, tasks.relabel, options.data.augment,
    )  # fmt: skip
    if tasks.kind == "split":
        _check_sizes(options, sequence.least("train"), sequence.least("test"))
    return sequence


def sequence_outline(options: ManyTasksOptions | HopSupSupOptions) -> tuple[tuple[int, int, int], int]:
    """Return the size (C, H, W) of an image and the number of classes of a task, before any image is loaded.

    Raises:
        OptionError: the images cannot be used, have fewer classes than the tasks need, or are fewer than a batch.
    """
    tasks, outline = options.tasks, image_outline(options.data, options.run.cache)
    if options.data.name == "imagenet" and options.data.file is None and tasks.kind != "split":
        raise OptionError(f"tasks.kind={tasks.kind} needs images that fit in memory; data.name=imagenet allows split")
    if tasks.kind != "split":
        _check_sizes(options, outline.sizes["train"], outline.sizes["test"])
        return outline.shape, outline.classes
    if tasks.count * tasks.classes > outline.classes:
        raise OptionError(
            f"tasks.count={tasks.count} tasks of tasks.classes={tasks.classes} classes need "
            f"{tasks.count * tasks.classes}; there are {outline.classes}"
        )
    return outline.shape, tasks.classes if tasks.relabel else outline.classes


def _check_sizes(options: ManyTasksOptions | HopSupSupOptions, train: int, test: int) -> None:
    """Refuse batches larger than the training or test set of a task, and more of them than there are."""
    check_at_most(options, "train.batch_size", train, "training images of a task")
    if getattr(options.infer, "strategy", "") == "none":
        return
    check_at_most(options, "infer.batch_size", test, "test images of a task")
    if getattr(options.infer, "batches", None) is not None:
        batches = -(-test // options.infer.batch_size)
        check_at_most(options, "infer.batches", batches, "batches of test images of a task")
