"""Options of the task that learns permutations of an image's pixels in turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.errors import OptionError
from core.option_groups import RunOptions, TaskOptions, require
from core.options import leaves
from masks.options import MaskOptions, mask_options
from tasks.options.images import ImageOptions


@dataclass(frozen=True)
class PermutedImageOptions(ImageOptions):
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits"] = "mnist"
    """Which; digits are sklearn's 1,797 of 8x8 and need no download."""


@dataclass(frozen=True)
class PermutedMaskOptions(MaskOptions):
    """Training of the masks, and of the weights that no earlier mask keeps."""

    steps: int = 30_000
    """Number of optimiser steps for each permutation."""
    samples: int = 8
    """K: masks drawn for each step; chunk i of the batch goes through mask i."""
    batch_size: int = 128
    """Examples per step. A multiple of mask.samples."""
    penalty: float = 1.28e-3
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""
    grad_clip: float | None = 1.0
    """Largest global norm of the gradient of scores and weights; none turns clipping off."""


@dataclass(frozen=True)
class Transfer:
    """What a permutation takes from those before it."""

    permutations: int = 11
    """Number of permutations, the first being that of the images as they are."""
    mask_new_init: float = 2.0
    """First score of a weight that no earlier mask keeps."""
    mask_used_init: float = 2.0
    """First score of a weight that an earlier mask keeps."""
    reset_first_layer: bool = True
    """Every permutation has a first layer of its own."""

    def __post_init__(self) -> None:
        require(self, "transfer.", permutations=1)


@dataclass(frozen=True)
class PermutedOptions(TaskOptions):
    """Permutations of the pixels in turn; the weights that a mask keeps are not trained any more."""

    data: PermutedImageOptions = field(default_factory=PermutedImageOptions)
    mask: PermutedMaskOptions = field(default_factory=mask_options("gumbel", PermutedMaskOptions))
    run: RunOptions = field(default_factory=RunOptions)
    layer_sizes: tuple[int, ...] = (800, 800, 64)
    """Widths of the hidden layers."""
    transfer: Transfer = field(default_factory=Transfer)
    eval_every: int = 1000
    """Steps between validations."""
    eval_batch_size: int = 8192
    """Images per forward pass of a validation."""

    def __post_init__(self) -> None:
        require(self, "", eval_every=1, eval_batch_size=1)
        if not self.mask.bias:
            raise OptionError("mask.bias=false leaves biases that every permutation would change; all must be masked")
        if self.mask.init != leaves(type(self.mask))["init"].default:
            raise OptionError(
                f"mask.init={self.mask.init} is not used here; give transfer.mask_new_init and transfer.mask_used_init"
            )
