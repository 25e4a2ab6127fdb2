"""Options of HopSupSup: masks of units, kept in a Hopfield network."""

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
    """What a task is: the pixels in an order of its own, the images at its own angle, or some of the classes."""
    count: Few = 5
    """Number of tasks."""
    ordered: bool = True
    """Split the classes in their order, and not by a permutation that the seed draws."""
    relabel: bool = False
    """Label the classes of a task from 0; false: as they are labelled in the images' set."""


@dataclass(frozen=True)
class UnitMaskKind(ScoreConfig):
    """The masks: of the hidden units."""

    init: Real | None = 1e-8
    """First value of every score: just on, as in the original."""


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
    """Finding the mask that images need."""

    batch_size: Annotated[int, Range(2, 10**6)] = 64
    """Images per step; there is no step for an incomplete batch."""
    passes: Few = 1
    """Passes over the test images, one step for each batch."""
    strength: Strength = 1.5e-3
    """Weight of the energy at the last step (gamma); that of the entropy falls from 1 to 0."""
    lr: Rate = 500.0
    """Learning rate of the descent, with momentum 0.9."""
    weight_decay: Strength = 1e-4
    """L2 penalty added to the gradient of the descent."""


@dataclass(frozen=True)
class HopSupSupOptions(TaskOptions):
    """The masks of all tasks in a Hopfield network, and found again by descent on unlabelled images."""

    revision: ClassVar[int] = 2

    layer_sizes: Annotated[tuple[Width, ...], Items(least=1, once=False)] = (2048, 2048)
    """Widths of the hidden layers."""
    init: Init = "signed_constant"
    """How the weights are drawn."""
    tasks: SplitOptions = field(default_factory=SplitOptions)
    data: SequenceImages = field(default_factory=SequenceImages)
    train: UnitTraining = field(default_factory=UnitTraining)
    mask: UnitMaskKind = field(default_factory=mask_options("threshold", UnitMaskKind, "threshold"))
    infer: RecoveryOptions = field(default_factory=RecoveryOptions)
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        if METHODS[self.mask.method].signed:
            raise OptionError(f"mask.method={self.mask.method}: a unit is on or off, and has no sign")
