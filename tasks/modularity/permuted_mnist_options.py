"""Options of the task that learns pixel permutations one after the other."""

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
@fixed(augment=False)  # a crop of permuted pixels means nothing
class PermutedImageOptions(ImageOptions):
    """The images."""

    name: Literal["cifar10", "cifar100", "mnist", "digits"] = "mnist"
    """Dataset; digits are scikit-learn's 1,797 images of 8x8 and need no download."""


@dataclass(frozen=True)
@fixed(include=("*",), exclude=())  # all must be masked: others every permutation would change
class PermutedMaskOptions(MaskOptions):
    """Training of the masks, and of the weights that no earlier mask keeps."""

    steps: Count = 30_000
    """Number of optimiser steps per permutation."""
    samples: Few = 8
    """K: number of masks sampled per step; chunk i of the batch goes through mask i."""
    batch_size: BatchSize = 128
    """Examples per step, a multiple of mask.samples."""
    penalty: Strength = 1.28e-3
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""
    grad_clip: Positive | None = 1.0
    """Maximum global norm of the gradient of scores and weights; none: no clipping."""


@dataclass(frozen=True)
class Transfer:
    """What a permutation reuses from earlier ones."""

    permutations: Few = 11
    """Number of permutations; the first is the identity."""
    mask_new_init: Real = 2.0
    """Initial score, from the second permutation on, of a weight that no earlier mask keeps; all scores of the first
    permutation start at mask.init."""
    mask_used_init: Real = 2.0
    """Initial score of a weight that an earlier mask keeps."""
    reset_first_layer: bool = True
    """Every permutation has its own first layer."""


@dataclass(frozen=True)
class PermutedOptions(TaskOptions):
    """Pixel permutations one after the other; weights that a mask keeps are frozen from then on."""

    data: PermutedImageOptions = field(default_factory=PermutedImageOptions)
    mask: PermutedMaskOptions = field(default_factory=mask_options("gumbel", PermutedMaskOptions))
    run: RunOptions = field(default_factory=RunOptions)
    layer_sizes: tuple[Width, ...] = (800, 800, 64)
    """Widths of the hidden layers."""
    transfer: Transfer = field(default_factory=Transfer)
    eval_every: Count = 1000
    """Steps between validations."""
    eval_batch_size: BatchSize = 8192
    """Images per forward pass of an evaluation."""

    only_with: ClassVar = {"transfer.mask_new_init": unless("mask.method", "magnitude", "edge-popup", "signed-popup")}

    def __post_init__(self) -> None:
        if not self.mask.bias:
            raise OptionError("mask.bias=false leaves biases that every permutation would change; all must be masked")

    @property
    def revision(self) -> int:
        """2 where the first permutation used to begin at transfer.mask_new_init, and not at mask.init."""
        return 1 if self.transfer.mask_new_init == self.mask.init else 2
