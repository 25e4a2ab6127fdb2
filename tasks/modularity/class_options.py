"""Options of the tasks that train masks on subsets of image classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from core.conditions import when
from core.limits import BatchSize, Count, Examples, Factor, Few, Items, Label, Positive, Rate, Strength
from core.option_groups import TrainOptions
from masks.options import MaskOptions, mask_options
from tasks.image_options import ImageOptions
from tasks.subnets_options import SubnetOptions

Classes = Annotated[tuple[Label, ...], Items()]


@dataclass(frozen=True)
class ClassOptions(SubnetOptions):
    """Shared options."""

    data: ImageOptions = field(default_factory=ImageOptions)
    seen_size: Examples = 1000
    """Number of training images (the first ones) on which the training accuracy is evaluated."""
    keep_last_layer: bool = True
    """Every mask uses the whole task's scores in the last layer, and only the other layers are trained."""
    width: Factor = 1.0
    """Factor on all numbers of channels."""

    only_with: ClassVar = {"keep_last_layer": when("only_control", False)}


@dataclass(frozen=True)
class ConvMaskOptions(MaskOptions):
    """Training of the masks on the trained network."""

    lr: Rate = 1e-3
    """Learning rate of Adam on the scores."""
    penalty: Strength = 3e-4
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""


@dataclass(frozen=True)
class ConvNetOptions(ClassOptions):
    """In a small convolutional network."""

    mask: ConvMaskOptions = field(default_factory=mask_options("gumbel", ConvMaskOptions))
    dropout: bool = True
    """Dropout before the last two activations while the network's weights are trained."""


@dataclass(frozen=True)
class Removal:
    """Classes to remove."""

    classes: Classes = ()
    """Indices of the classes to remove, one at a time: a mask is trained on all other classes; none: every class."""


@dataclass(frozen=True)
class RemovalOptions(ClassOptions):
    """What the tasks share that remove classes; `class_removal` stands among their own options."""

    if TYPE_CHECKING:

        @property
        def class_removal(self) -> Removal: ...


@dataclass(frozen=True)
class ClassRemovalOptions(ConvNetOptions, RemovalOptions):
    """A small convolutional network; a mask for all classes, and one for all but each removed class."""

    class_removal: Removal = field(default_factory=Removal)

    only_with: ClassVar = {"class_removal": when("only_control", False)}


@dataclass(frozen=True)
class RemovalOfOne(Removal):
    """Classes to remove."""

    classes: Classes = (0,)
    """Indices of the classes to remove, one at a time: a mask is trained on all other classes; none: every class."""


@dataclass(frozen=True)
class GradientOptions(ConvNetOptions, RemovalOptions):
    """As class removal; compares the gradients of the network as more and more of its last layers are masked."""

    revision: ClassVar[int] = 2

    keep_last_layer: bool = False
    """Every mask uses the whole task's scores in the last layer, and only the other layers are trained. As published:
    false."""
    class_removal: RemovalOfOne = field(default_factory=RemovalOfOne)

    only_with: ClassVar = {"class_removal": when("only_control", False)}


@dataclass(frozen=True)
class Stability:
    """Class subsets for which two masks are trained."""

    measure_on: Literal["minimal", "all"] = "minimal"
    """minimal: pairs of classes; all: all classes but one, for each class in turn."""
    pairs: Few = 10
    """Number of pairs of classes with measure_on=minimal, drawn from the seed."""

    only_with: ClassVar = {"pairs": when("measure_on", "minimal")}


@dataclass(frozen=True)
class MaskStabilityOptions(ConvNetOptions):
    """A small convolutional network; each mask is trained twice, with different samples and image order."""

    mask_stability: Stability = field(default_factory=Stability)

    only_with: ClassVar = {"mask_stability": when("only_control", False)}


@dataclass(frozen=True)
class ResNetTrainOptions(TrainOptions):
    """Training of the network's weights."""

    steps: Count = 64_000
    """Number of optimiser steps."""
    lr: Rate = 0.1
    """Learning rate."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "sgd"
    """adam, adamw (whose weight decay is no part of the gradient), sgd with momentum, or rmsprop (alpha 0.99)."""
    weight_decay: Strength = 1e-4
    """L2 penalty added to the gradient (the optimiser's own weight_decay); of adamw: weights shrink by lr times it at
    every step."""
    schedule: Literal["constant", "linear", "cosine", "step", "inverse_sqrt"] = "step"
    """Learning rate after the warm-up: constant; linear or cosine: decays to zero at the last step; step: multiplied by
    `decay` after each of the steps in `decay_at`; inverse_sqrt: proportional to 1 / sqrt(step), from lr at the end of
    the warm-up."""
    decay_at: tuple[Count, ...] = (32_000, 48_000)
    """Steps after which schedule=step reduces the learning rate."""
    grad_clip: Positive | None = None
    """Maximum global gradient norm; none: no clipping."""


@dataclass(frozen=True)
class ResNetMaskOptions(MaskOptions):
    """Training of the masks on the trained network."""

    steps: Count = 30_000
    """Number of optimiser steps per mask."""
    batch_size: BatchSize | None = 256
    """Examples per step, a multiple of mask.samples; none: train.batch_size."""
    lr: Rate = 0.03
    """Learning rate of Adam on the scores."""
    penalty: Strength = 4e-5
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""
    grad_clip: Positive | None = 1.0
    """Maximum global norm of the scores' gradient; none: train.grad_clip."""


@dataclass(frozen=True)
class AugmentedImageOptions(ImageOptions):
    """The images."""

    augment: bool = True
    """Train on random crops after padding by 4 black pixels, with random horizontal flips."""


@dataclass(frozen=True)
class ResNetRemovalOptions(RemovalOptions):
    """ResNet-110; a mask for all classes, and one for all but each removed class."""

    data: AugmentedImageOptions = field(default_factory=AugmentedImageOptions)
    train: ResNetTrainOptions = field(default_factory=ResNetTrainOptions)
    mask: ResNetMaskOptions = field(default_factory=mask_options("gumbel", ResNetMaskOptions))
    class_removal: Removal = field(default_factory=Removal)

    only_with: ClassVar = {"class_removal": when("only_control", False)}
