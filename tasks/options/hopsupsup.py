"""Options of HopSupSup: masks of units, kept in a Hopfield network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.errors import OptionError
from core.option_groups import RunOptions, TaskOptions, require
from masks.options import MaskKind, mask_options
from tasks.options.random_nets import Init
from tasks.options.supsup import SequenceImages, SequenceOptions


@dataclass(frozen=True)
class SplitOptions(SequenceOptions):
    """The tasks."""

    kind: Literal["permuted", "rotated", "split"] = "split"
    """What a task is: the pixels in an order of its own, the images at its own angle, or some of the classes."""
    count: int = 5
    """Number of tasks."""
    ordered: bool = True
    """Split the classes in their order, and not by a permutation that the seed draws."""
    relabel: bool = False
    """Label the classes of a task from 0; false: as they are labelled in the images' set."""


@dataclass(frozen=True)
class UnitMaskKind(MaskKind):
    """The masks: of the hidden units."""

    init: float | None = 1e-8
    """First value of every score: just on, as in the original."""


@dataclass(frozen=True)
class UnitTraining:
    """Training of a task by stochastic gradient descent."""

    epochs: int = 1
    """Passes over the images of a task."""
    batch_size: int = 128
    """Images per step."""
    lr: float = 0.1
    """Learning rate of the scores."""
    momentum: float = 0.9
    """Momentum."""
    weight_decay: float = 1e-4
    """L2 penalty added to the gradient."""

    def __post_init__(self) -> None:
        require(self, "train.", epochs=1, batch_size=1, lr=0, momentum=0, weight_decay=0)


@dataclass(frozen=True)
class RecoveryOptions:
    """Finding the mask that images need."""

    batch_size: int = 64
    """Images per step; there is no step for an incomplete batch."""
    passes: int = 1
    """Passes over the test images, one step for each batch."""
    strength: float = 1.5e-3
    """Weight of the energy at the last step (gamma); that of the entropy falls from 1 to 0."""
    lr: float = 500.0
    """Learning rate of the descent, with momentum 0.9."""
    weight_decay: float = 1e-4
    """L2 penalty added to the gradient of the descent."""

    def __post_init__(self) -> None:
        require(self, "infer.", batch_size=2, passes=1, strength=0, lr=0, weight_decay=0)


@dataclass(frozen=True)
class HopSupSupOptions(TaskOptions):
    """The masks of all tasks in a Hopfield network, and found again by descent on unlabelled images."""

    revision: ClassVar[int] = 2

    layer_sizes: tuple[int, ...] = (2048, 2048)
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
        if not self.layer_sizes or not all(size > 0 for size in self.layer_sizes):
            raise OptionError(f"layer_sizes={','.join(map(str, self.layer_sizes))}: there must be widths above 0")
