"""Options of the tasks that train a network, then a mask for the whole task and for each subtask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from core.conditions import unless
from core.limits import Path
from core.option_groups import RunOptions, TaskOptions, TrainOptions
from masks.options import MaskOptions, mask_options


@dataclass(frozen=True)
class SubnetOptions(TaskOptions):
    """Shared options."""

    train: TrainOptions = field(default_factory=TrainOptions)
    mask: MaskOptions = field(default_factory=mask_options("gumbel", MaskOptions))
    run: RunOptions = field(default_factory=RunOptions)
    only_control: bool = False
    """Train only the mask of the whole task."""
    restore_pretrained: Path | None = None
    """Folder of a finished run, or of a sweep (the run with the same seed is used), whose trained weights are loaded;
    only masks are trained."""

    only_with: ClassVar = {  # of magnitude nothing is trained
        f"mask.{name}": unless("mask.method", "magnitude") for name in ("lr", "warmup", "grad_clip")
    }

    @property
    def revision(self) -> int:
        """2 where masks used to be trained by the network's train.beta2 and train.eps, and not by Adam's own."""
        return 1 if (self.train.beta2, self.train.eps) == (TrainOptions.beta2, TrainOptions.eps) else 2
