"""Class removal: is a class lost when the weights that only it needs are removed? Also in ResNet-110."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from core.errors import OptionError
from core.store import Run
from core.trackers import Mirrors
from models.cifar import resnet110
from tasks.modularity.class_options import RemovalOptions, ResNetRemovalOptions
from tasks.modularity.class_subnets import ClassTask

RemovalT = TypeVar("RemovalT", bound=RemovalOptions)


class ClassRemoval(ClassTask[RemovalT]):
    """A mask for all classes, and one for all but each removed class.

    Source: Csordas et al., "Are Neural Nets Modular?", ICLR 2021, section 5.
    """

    def __init__(self, options: RemovalT, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        chosen = options.class_removal.classes
        if set(chosen) - set(range(self.classes)) or len(set(chosen)) < len(chosen):
            given = ",".join(map(str, chosen))
            raise OptionError(f"class_removal.classes={given} must name classes of 0 to {self.classes - 1}, each once")

    @property
    def subtasks(self) -> tuple[str, ...]:
        """All classes but one."""
        return tuple(f"without_{c}" for c in self.options.class_removal.classes or range(self.classes))

    def classes_of(self, subtask: str) -> tuple[int, ...]:
        removed = int(subtask.removeprefix("without_"))
        return tuple(c for c in range(self.classes) if c != removed)


class ResNetClassRemoval(ClassRemoval[ResNetRemovalOptions]):
    """In ResNet-110, whose batch normalisation keeps the trained network's statistics."""

    def make_model(self, rng: torch.Generator) -> nn.Sequential:
        return resnet110(self.channels, self.classes, rng, self.options.width)
