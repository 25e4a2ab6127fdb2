"""Options of the task that learns permutations of an image's pixels in turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.conditions import unless
from core.errors import OptionError
from core.limits import BatchSize, Count, Few, Positive, Real, Strength, Width
from core.option_groups import RunOptions, TaskOptions, fixed
from masks.options import MaskOptions, mask_options
from tasks.image_options import ImageOptions


@dataclass(frozen=True)
class PermutedImageOptions(ImageOptions):
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits"] = "mnist"
    """Which; digits are sklearn's 1,797 of 8x8 and need no download."""
    augment: ClassVar[bool] = False  # a crop of permuted pixels means nothing


@dataclass(frozen=True)
@fixed(include=("*",), exclude=())  # all must be masked: others every permutation would change
class PermutedMaskOptions(MaskOptions):
    """Training of the masks, and of the weights that no earlier mask keeps."""

    steps: Count = 30_000
    """Number of optimiser steps for each permutation."""
    samples: Few = 8
    """K: masks drawn for each step; chunk i of the batch goes through mask i."""
    batch_size: BatchSize = 128
    """Examples per step. A multiple of mask.samples."""
    penalty: Strength = 1.28e-3
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""
    grad_clip: Positive | None = 1.0
    """Largest global norm of the gradient of scores and weights; none turns clipping off."""


@dataclass(frozen=True)
class Transfer:
    """What a permutation takes from those before it."""

    permutations: Few = 11
    """Number of permutations, the first being that of the images as they are."""
    mask_new_init: Real = 2.0
    """First score, from the second permutation on, of a weight that no earlier mask keeps; the first permutation's
    scores all begin at mask.init."""
    mask_used_init: Real = 2.0
    """First score of a weight that an earlier mask keeps."""
    reset_first_layer: bool = True
    """Every permutation has a first layer of its own."""


@dataclass(frozen=True)
class PermutedOptions(TaskOptions):
    """Permutations of the pixels in turn; the weights that a mask keeps are not trained any more."""

    data: PermutedImageOptions = field(default_factory=PermutedImageOptions)
    mask: PermutedMaskOptions = field(default_factory=mask_options("gumbel", PermutedMaskOptions))
    run: RunOptions = field(default_factory=RunOptions)
    layer_sizes: tuple[Width, ...] = (800, 800, 64)
    """Widths of the hidden layers."""
    transfer: Transfer = field(default_factory=Transfer)
    eval_every: Count = 1000
    """Steps between validations."""
    eval_batch_size: BatchSize = 8192
    """Images per forward pass of a validation."""

    only_with: ClassVar = {"transfer.mask_new_init": unless("mask.method", "magnitude", "edge-popup", "signed-popup")}

    def __post_init__(self) -> None:
        if not self.mask.bias:
            raise OptionError("mask.bias=false leaves biases that every permutation would change; all must be masked")

    @property
    def revision(self) -> int:
        """2 where the first permutation used to begin at transfer.mask_new_init, and not at mask.init."""
        return 1 if self.transfer.mask_new_init == self.mask.init else 2
