"""The tasks that a task's options ask for, made from one set of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from data.task_sequence import TaskSequence
from tasks.images import sets_of


def sequence_of(options: Any, device: torch.device) -> tuple[TaskSequence, Sequence[int]]:
    """Return the tasks and the size (C, H, W) of an image.

    Args:
        options: of a task with `tasks` (tasks.options.supsup.SequenceOptions), `data`, `train`, `run` and `seed`.
        device: where the images lie.
    """
    sets, tasks = sets_of(options, device), options.tasks
    sequence = TaskSequence(
        sets, tasks.kind, tasks.count, options.train.batch_size, options.seed, tasks.angle, tasks.classes,
        tasks.ordered, tasks.relabel, options.data.augment,
    )  # fmt: skip
    return sequence, tuple(sets["train"][0].shape[1:])
