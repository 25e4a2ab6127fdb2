"""Options shared by tasks on images: the images, and training by epochs."""

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
    """Dataset; digits are scikit-learn's 1,797 images of 8x8 and need no download."""
    file: Path | None = None
    """An .npz with x_train, y_train, x_test, y_test (x uint8 [N, C, H, W]) instead of the named dataset."""
    canvas: Annotated[int, Range(1, 1024)] | None = None
    """Side of a square canvas on which each image is pasted at a random position; none: no canvas."""
    noise: Strength = 0.0
    """Standard deviation of the noise on the canvas, relative to white = 1."""
    train_size: Examples | None = None
    """Number of training images to use, the first ones; none: all."""
    test_size: Examples | None = None
    """Number of test images to use, the first ones; none: all."""
    augment: bool = False
    """Train on random crops after padding by 4 black pixels, with random horizontal flips."""
    hold_out: bool = True
    """Hold out a fifth of the training images for validation; the original program does not."""

    only_with: ClassVar = {"name": when("file", None), "noise": unless("canvas", None)}


@dataclass(frozen=True)
class ManyImageOptions(ImageOptions):
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits", "imagenet"] = "cifar10"  # type: ignore[assignment]  # more
    """Dataset; digits are scikit-learn's 1,797 images of 8x8 and need no download; imagenet is read from
    <run.cache>/imagenet/train and /val, with a folder per class."""
    train_size: Examples | None = None
    """Number of training images to use; none: all. For imagenet, which is sorted by class, a random subset that is the
    same in every run; otherwise the first ones."""
    test_size: Examples | None = None
    """Number of test images to use, chosen like the training images; none: all."""
    hold_out: bool = True
    """Hold out a fifth of the training images (4 % for imagenet) for validation; the original programs do not."""
    augment: bool = False
    """Train on random crops after padding by 4 black pixels, with random horizontal flips; for imagenet, on random
    resized crops."""


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
    """Momentum, also for the branches."""
    weight_decay: Strength = 0.0
    """L2 penalty added to the gradient, also for the branches."""
    shuffle: bool = True
    """Reshuffle the images every epoch; the original program uses the same order throughout."""
    evaluations: Few = 100
    """Number of log-spaced epochs (rounded, without duplicates) after which the CNN is evaluated and saved, besides 0
    and splits."""
    eval_batch_size: BatchSize = 1000
    """Images per forward pass of an evaluation, for each network of a stack."""


@dataclass(frozen=True)
class ImageTaskOptions(TaskOptions):
    """What a task has that trains by epochs of images: groups `data` and `train`, among its own options."""

    if TYPE_CHECKING:

        @property
        def data(self) -> ImageOptions: ...

        @property
        def train(self) -> EpochOptions: ...
