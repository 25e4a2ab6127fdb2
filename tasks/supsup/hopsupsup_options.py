"""Options of HopSupSup: unit masks stored in a Hopfield network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from core.errors import OptionError
from core.limits import BatchSize, Below1, Few, Items, Range, Rate, Real, Strength, Width
from core.option_groups import RunOptions, TaskOptions
from masks.options import METHODS, ScoreConfig, mask_options
from tasks.random_net_options import Init
from tasks.supsup.supsup_options import SequenceImages, SequenceOptions


@dataclass(frozen=True)
class SplitOptions(SequenceOptions):
    """The tasks."""

    kind: Literal["permuted", "rotated", "split"] = "split"
    """What defines a task: a permutation of the pixels, a rotation of the images, or a subset of the classes."""
    count: Few = 5
    """Number of tasks."""
    ordered: bool = True
    """Split the classes in order; false: in a random order drawn from the seed."""
    relabel: bool = False
    """Label the classes of each task from 0; false: keep the dataset's labels."""


@dataclass(frozen=True)
class UnitMaskKind(ScoreConfig):
    """Masks of the hidden units."""

    init: Real | None = 1e-8
    """Initial value of every score: just above the threshold, as in the original."""


@dataclass(frozen=True)
class UnitTraining:
    """Training of a task by stochastic gradient descent."""

    epochs: Few = 1
    """Passes over the images of a task."""
    batch_size: BatchSize = 128
    """Images per step."""
    lr: Rate = 0.1
    """Learning rate of the scores."""
    momentum: Below1 = 0.9
    """Momentum."""
    weight_decay: Strength = 1e-4
    """L2 penalty added to the gradient."""


@dataclass(frozen=True)
class RecoveryOptions:
    """Recovery of the mask for unlabelled images."""

    batch_size: Annotated[int, Range(2, 10**6)] = 64
    """Images per step; an incomplete batch is skipped."""
    passes: Few = 1
    """Passes over the test images, with one step per batch."""
    strength: Strength = 1.5e-3
    """Weight of the energy at the last step (gamma); that of the entropy decreases from 1 to 0."""
    lr: Rate = 500.0
    """Learning rate of the gradient descent, with momentum 0.9."""
    weight_decay: Strength = 1e-4
    """L2 penalty added to the gradient during recovery."""


@dataclass(frozen=True)
class HopSupSupOptions(TaskOptions):
    """The masks of all tasks lie in a Hopfield network and are recovered by gradient descent on unlabelled images."""

    revision: ClassVar[int] = 2

    layer_sizes: Annotated[tuple[Width, ...], Items(least=1, once=False)] = (2048, 2048)
    """Widths of the hidden layers."""
    init: Init = "signed_constant"
    """Distribution of the random weights."""
    tasks: SplitOptions = field(default_factory=SplitOptions)
    data: SequenceImages = field(default_factory=SequenceImages)
    train: UnitTraining = field(default_factory=UnitTraining)
    mask: UnitMaskKind = field(default_factory=mask_options("threshold", UnitMaskKind, "threshold"))
    infer: RecoveryOptions = field(default_factory=RecoveryOptions)
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        if METHODS[self.mask.method].signed:
            raise OptionError(f"mask.method={self.mask.method}: a unit is on or off, and has no sign")
