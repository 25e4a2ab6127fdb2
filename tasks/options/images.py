"""Options that tasks on images share: the images, and training by epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.errors import OptionError
from core.option_groups import require


@dataclass(frozen=True)
class ImageOptions:
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits"] = "cifar10"
    """Which; digits are sklearn's 1,797 of 8x8 and need no download."""
    file: str | None = None
    """An .npz with x_train, y_train, x_test, y_test (x uint8 [N, C, H, W]) in place of the named set."""
    canvas: int | None = None
    """Paste each image at a random place of a canvas of this side; none: as they are."""
    noise: float = 0.0
    """Standard deviation of the noise on the canvas, where white is 1."""
    train_size: int | None = None
    """Use only the first training images; none: all."""
    test_size: int | None = None
    """Use only the first test images; none: all."""
    augment: bool = False
    """Train on random crops of the images with 4 black pixels around them, half of them mirrored."""
    hold_out: bool = True
    """Keep a fifth of the training images as validation set; the original program has none."""

    def __post_init__(self) -> None:
        require(self, "data.", canvas=1, noise=0, train_size=1, test_size=1)
        if self.noise and self.canvas is None:
            raise OptionError(f"data.noise={self.noise} is the noise of a canvas, and there is none: data.canvas=SIDE")


@dataclass(frozen=True)
class ManyImageOptions(ImageOptions):
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits", "imagenet"] = "cifar10"
    """Which; digits are sklearn's 1,797 of 8x8 and need no download; imagenet is read from <run.cache>/imagenet/train
    and /val, a folder for each class."""
    train_size: int | None = None
    """Use only so many training images; none: all. Of imagenet, which lies class by class, a random choice that is the
    same in every run; else the first ones."""
    test_size: int | None = None
    """Use only so many test images, chosen as those of training; none: all."""
    hold_out: bool = True
    """Keep a fifth of the training images as validation set, of imagenet 4 %; the original programs have none."""
    augment: bool = False
    """Train on random crops of the images with 4 black pixels around them, half of them mirrored; of imagenet, on
    random parts that are resized."""


@dataclass(frozen=True)
class EpochOptions:
    """Training of the CNN by stochastic gradient descent at a constant learning rate."""

    epochs: int = 150
    """Passes over the training images."""
    batch_size: int = 250
    """Images per step; the last batch of an epoch may be smaller."""
    lr: float = 0.1
    """Learning rate."""
    momentum: float = 0.0
    """Momentum, also of the branches."""
    weight_decay: float = 0.0
    """L2 penalty added to the gradient, also of the branches."""
    shuffle: bool = True
    """A new order every epoch; the original program keeps one order throughout."""
    evaluations: int = 100
    """Epochs (log-spaced, rounded, without doubles) after which the CNN is measured and saved, besides 0 and splits."""
    eval_batch_size: int = 1000
    """Images per forward pass of a measurement, for each network of a stack."""

    def __post_init__(self) -> None:
        require(
            self, "train.", epochs=0, batch_size=1, lr=0, momentum=0, weight_decay=0, evaluations=1, eval_batch_size=1
        )
