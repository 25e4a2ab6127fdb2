"""Options that tasks on images share: the images, and training by epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from core.conditions import unless, when
from core.limits import BatchSize, Below1, Epochs, Examples, Few, Path, Range, Rate, Strength
from core.option_groups import TaskOptions


@dataclass(frozen=True)
class ImageOptions:
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits"] = "cifar10"
    """Which; digits are sklearn's 1,797 of 8x8 and need no download."""
    file: Path | None = None
    """An .npz with x_train, y_train, x_test, y_test (x uint8 [N, C, H, W]) in place of the named set."""
    canvas: Annotated[int, Range(1, 1024)] | None = None
    """Paste each image at a random place of a canvas of this side; none: as they are."""
    noise: Strength = 0.0
    """Standard deviation of the noise on the canvas, where white is 1."""
    train_size: Examples | None = None
    """Use only the first training images; none: all."""
    test_size: Examples | None = None
    """Use only the first test images; none: all."""
    augment: bool = False
    """Train on random crops of the images with 4 black pixels around them, half of them mirrored."""
    hold_out: bool = True
    """Keep a fifth of the training images as validation set; the original program has none."""

    only_with: ClassVar = {"name": when("file", None), "noise": unless("canvas", None)}


@dataclass(frozen=True)
class ManyImageOptions(ImageOptions):
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits", "imagenet"] = "cifar10"  # type: ignore[assignment]  # more
    """Which; digits are sklearn's 1,797 of 8x8 and need no download; imagenet is read from <run.cache>/imagenet/train
    and /val, a folder for each class."""
    train_size: Examples | None = None
    """Use only so many training images; none: all. Of imagenet, which lies class by class, a random choice that is the
    same in every run; else the first ones."""
    test_size: Examples | None = None
    """Use only so many test images, chosen as those of training; none: all."""
    hold_out: bool = True
    """Keep a fifth of the training images as validation set, of imagenet 4 %; the original programs have none."""
    augment: bool = False
    """Train on random crops of the images with 4 black pixels around them, half of them mirrored; of imagenet, on
    random parts that are resized."""


@dataclass(frozen=True)
class EpochOptions:
    """Training of the CNN by stochastic gradient descent at a constant learning rate."""

    epochs: Epochs = 150
    """Passes over the training images."""
    batch_size: BatchSize = 250
    """Images per step; the last batch of an epoch may be smaller."""
    lr: Rate = 0.1
    """Learning rate."""
    momentum: Below1 = 0.0
    """Momentum, also of the branches."""
    weight_decay: Strength = 0.0
    """L2 penalty added to the gradient, also of the branches."""
    shuffle: bool = True
    """A new order every epoch; the original program keeps one order throughout."""
    evaluations: Few = 100
    """Epochs (log-spaced, rounded, without doubles) after which the CNN is measured and saved, besides 0 and splits."""
    eval_batch_size: BatchSize = 1000
    """Images per forward pass of a measurement, for each network of a stack."""


@dataclass(frozen=True)
class ImageTaskOptions(TaskOptions):
    """What a task has that trains by epochs of images: groups `data` and `train`, among its own options."""

    if TYPE_CHECKING:

        @property
        def data(self) -> ImageOptions: ...

        @property
        def train(self) -> EpochOptions: ...
