"""Options of the tasks that learn masks for some of the classes of images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from core.conditions import when
from core.limits import BatchSize, Count, Examples, Factor, Few, Items, Label, Positive, Rate, Strength
from core.option_groups import TrainOptions
from masks.options import MaskOptions, mask_options
from tasks.image_options import ImageOptions
from tasks.modularity.subnets_options import SubnetOptions

Classes = Annotated[tuple[Label, ...], Items()]


@dataclass(frozen=True)
class ClassOptions(SubnetOptions):
    """What they share."""

    data: ImageOptions = field(default_factory=ImageOptions)
    seen_size: Examples = 1000
    """Training images on which the accuracy on what was seen is measured, the first ones."""
    keep_last_layer: bool = True
    """Every mask has the whole task's scores in the last layer, and learns only the other layers."""
    width: Factor = 1.0
    """Factor of the numbers of channels."""

    only_with: ClassVar = {"keep_last_layer": when("only_control", False)}


@dataclass(frozen=True)
class ConvMaskOptions(MaskOptions):
    """Training of the masks on a network that is trained already."""

    lr: Rate = 1e-3
    """Learning rate of Adam on the scores."""
    penalty: Strength = 3e-4
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""


@dataclass(frozen=True)
class ConvNetOptions(ClassOptions):
    """In a small convolutional network."""

    mask: ConvMaskOptions = field(default_factory=mask_options("gumbel", ConvMaskOptions))
    dropout: bool = True
    """Dropout before the last two activations, while the network is trained."""


@dataclass(frozen=True)
class Removal:
    """Classes to remove."""

    classes: Classes = ()
    """A mask is learned without each of these, by number; none: without each of all."""


@dataclass(frozen=True)
class RemovalOptions(ClassOptions):
    """What the tasks share that remove classes; `class_removal` stands among their own options."""

    if TYPE_CHECKING:

        @property
        def class_removal(self) -> Removal: ...


@dataclass(frozen=True)
class ClassRemovalOptions(RemovalOptions, ConvNetOptions):
    """A small convolutional network; a mask for all classes, and one for all but each."""

    class_removal: Removal = field(default_factory=Removal)

    only_with: ClassVar = {"class_removal": when("only_control", False)}


@dataclass(frozen=True)
class RemovalOfOne(Removal):
    """Classes to remove."""

    classes: Classes = (0,)
    """A mask is learned without each of these, by number; none: without each of all."""


@dataclass(frozen=True)
class GradientOptions(RemovalOptions, ConvNetOptions):
    """As class removal; compared are the gradients of the network with masks on more and more of its last layers."""

    revision: ClassVar[int] = 2

    keep_last_layer: bool = False
    """Every mask has the whole task's scores in the last layer, and learns only the other layers. As published: no."""
    class_removal: RemovalOfOne = field(default_factory=RemovalOfOne)

    only_with: ClassVar = {"class_removal": when("only_control", False)}


@dataclass(frozen=True)
class Stability:
    """What masks are learned twice for."""

    measure_on: Literal["minimal", "all"] = "minimal"
    """minimal: pairs of classes alone; all: all classes but one, each class in its turn."""
    pairs: Few = 10
    """Number of pairs of classes, drawn by the seed, of measure_on=minimal."""

    only_with: ClassVar = {"pairs": when("measure_on", "minimal")}


@dataclass(frozen=True)
class MaskStabilityOptions(ConvNetOptions):
    """A small convolutional network; each mask is learned twice, from other draws and another order of images."""

    mask_stability: Stability = field(default_factory=Stability)

    only_with: ClassVar = {"mask_stability": when("only_control", False)}


@dataclass(frozen=True)
class ResNetTrainOptions(TrainOptions):
    """Training of the network's weights."""

    steps: Count = 64_000
    """Number of optimiser steps."""
    lr: Rate = 0.1
    """Learning rate."""
    optimizer: Literal["adam", "sgd", "rmsprop"] = "sgd"
    """adam, sgd with momentum, or rmsprop (alpha 0.99)."""
    weight_decay: Strength = 1e-4
    """L2 penalty added to the gradient (the optimiser's own weight_decay)."""
    schedule: Literal["constant", "cosine", "step", "inverse_sqrt"] = "step"
    """Learning rate after the warm-up: constant; cosine to zero at the last step; step: times `decay` after each of
    `decay_at` steps; inverse_sqrt: falling as 1 / sqrt(step), from lr at the end of the warm-up."""
    decay_at: tuple[Count, ...] = (32_000, 48_000)
    """Steps after which schedule=step lowers the learning rate."""
    grad_clip: Positive | None = None
    """Largest global gradient norm; none turns clipping off."""


@dataclass(frozen=True)
class ResNetMaskOptions(MaskOptions):
    """Training of the masks on a network that is trained already."""

    steps: Count = 30_000
    """Number of optimiser steps for each mask."""
    batch_size: BatchSize | None = 256
    """Examples per step; none: train.batch_size. A multiple of mask.samples."""
    lr: Rate = 0.03
    """Learning rate of Adam on the scores."""
    penalty: Strength = 4e-5
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""
    grad_clip: Positive | None = 1.0
    """Largest global norm of the scores' gradient; none: train.grad_clip."""


@dataclass(frozen=True)
class AugmentedImageOptions(ImageOptions):
    """The images."""

    augment: bool = True
    """Train on random crops of the images with 4 black pixels around them, half of them mirrored."""


@dataclass(frozen=True)
class ResNetRemovalOptions(RemovalOptions):
    """ResNet-110; a mask for all classes, and one for all but each."""

    data: AugmentedImageOptions = field(default_factory=AugmentedImageOptions)
    train: ResNetTrainOptions = field(default_factory=ResNetTrainOptions)
    mask: ResNetMaskOptions = field(default_factory=mask_options("gumbel", ResNetMaskOptions))
    class_removal: Removal = field(default_factory=Removal)

    only_with: ClassVar = {"class_removal": when("only_control", False)}
