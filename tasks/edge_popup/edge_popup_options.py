"""Options of the task edge_popup: subnetworks of a network with random weights."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from core.conditions import when
from core.errors import OptionError
from core.limits import BatchSize, Below1, CountFrom0, Few, PathName, Range, Strength
from core.option_groups import RunOptions
from masks.options import METHODS, MaskConfig, mask_options
from tasks.image_options import EpochOptions, ImageTaskOptions, ManyImageOptions
from tasks.random_net_options import Network, RandomNetOptions

PENALISED = ("gumbel", "threshold")  # and bernoulli, which has a revision of its own
TRAINING = (
    "epochs", "lr", "optimizer", "momentum", "weight_decay", "warmup", "schedule", "label_smoothing", "evaluations"
)  # fmt: skip


@dataclass(frozen=True)
class ScoreOptions(EpochOptions):
    """Training of the scores, or of the weights with trained=weights."""

    epochs: Annotated[int, Range(1, 10**6)] = 100
    """Passes over the training images."""
    batch_size: BatchSize = 128
    """Images per step; the last batch of an epoch may be smaller."""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """sgd with momentum, or adam."""
    momentum: Below1 = 0.9
    """Momentum of sgd."""
    weight_decay: Strength = 1e-4
    """L2 penalty of the scores, added to the gradient."""
    warmup: CountFrom0 = 0
    """Epochs over which the learning rate rises linearly."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Learning rate after the warm-up: constant, or cosine decay to zero at the last step."""
    label_smoothing: Below1 = 0.0
    """Probability mass of the target spread uniformly over all classes."""
    evaluations: Few = 20
    """Number of log-spaced epochs (rounded, without duplicates) after which the subnetwork is evaluated, besides 0."""

    only_with: ClassVar = {"momentum": when("optimizer", "sgd")}


@dataclass(frozen=True)
class ScoreMaskKind(MaskConfig):
    """The mask; by default, keeping weights is not penalised."""

    penalty: Strength = 0.0
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""
    evaluate: Literal["hard", "sample"] = "hard"
    """The mask that is evaluated and saved: hard: the deterministic mask; sample: a sampled mask, for stochastic
    methods (gumbel, bernoulli)."""


@dataclass(frozen=True)
class EdgePopupOptions(ImageTaskOptions, RandomNetOptions):
    """The best subnetwork of a network with fixed random weights."""

    model: Network = "conv4"
    """Architecture: fully connected, pairs of 3x3 convolutions, or residual, for small images or for ImageNet."""
    trained: Literal["scores", "weights"] = "scores"
    """What is trained: the scores of a mask, or, as a baseline, the weights of the whole network without a mask."""
    evaluate: Annotated[str, PathName()] | None = None
    """A subnetwork to evaluate without training: masks/subnet.npz of a run with the same weights (seed, model, init,
    scale), or a .pth of the authors of edge-popup, whose weights are also loaded and whose mask.keep must be given,
    since the file does not contain it."""
    evaluate_on: Literal["test", "valid", "train"] = "test"
    """The images on which `evaluate` evaluates."""
    controls: tuple[Literal["random", "whole"], ...] = ()
    """Controls that `evaluate` also evaluates: random: masks with the same number of weights; whole: the unmasked
    network. After training, both are always evaluated."""
    data: ManyImageOptions = field(default_factory=ManyImageOptions)
    train: ScoreOptions = field(default_factory=ScoreOptions)
    mask: ScoreMaskKind = field(default_factory=mask_options("edge-popup", ScoreMaskKind, "edge-popup"))
    run: RunOptions = field(default_factory=RunOptions)

    only_with: ClassVar = {
        "mask": when("trained", "scores"),
        "scale": when("trained", "scores"),  # by mask.keep
        "affine": when("trained", "weights"),
        **{f"train.{name}": when("evaluate", None) for name in TRAINING},
        "mask.init": when("evaluate", None),
        "mask.penalty": when("evaluate", None),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        method = self.mask.method
        drawn = [name for name in METHODS if METHODS[name].random and not METHODS[name].relaxed]
        if self.mask.evaluate == "sample" and method not in drawn:
            raise OptionError(
                f"mask.evaluate=sample: mask.method={method} draws no masks; those that do: {', '.join(drawn)}"
            )
        if self.evaluate is None:
            if self.evaluate_on != "test" or self.controls:
                name = "controls" if self.controls else "evaluate_on"
                raise OptionError(f"{name} is of a subnetwork to measure, and none is given: evaluate=FILE")
            return
        if self.trained == "weights":
            raise OptionError(f"evaluate={self.evaluate} is a subnetwork; trained=weights has none")
        if self.evaluate_on == "valid" and not self.data.hold_out:
            raise OptionError("evaluate_on=valid: with data.hold_out=false there are no validation images")
        if self.published:
            for name, only in {"method": "edge-popup", "rank": "abs", "scope": "layer", "er_scale": None}.items():
                value = getattr(self.mask, name)
                if value != only:
                    raise OptionError(
                        f"mask.{name}={value}: evaluate={self.evaluate} has scores of edge-popup, which keeps the "
                        f"largest |score| of every layer: mask.{name}={'none' if only is None else only}"
                    )

    @property
    def published(self) -> bool:
        """True where a file of the authors' is measured, and not a run's."""
        return self.evaluate is not None and Path(self.evaluate).suffix != ".npz"

    @property
    def revision(self) -> int:
        """2 where the correction of `mask.penalty`'s default, 1e-4 before, is felt: most methods have no penalty."""
        return 2 if self.mask.method in PENALISED else 1

    def check_given(self, given: Collection[str]) -> None:
        """Raise OptionError for a published file without `mask.keep`: no number of the file says how much it keeps."""
        if self.published and "mask.keep" not in given:
            raise OptionError(
                f"evaluate={self.evaluate} does not say which fraction of the weights it keeps: mask.keep=... "
                "(in its authors' program `prune_rate` where it was trained)"
            )
