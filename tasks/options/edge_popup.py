"""Options of the task edge_popup: the subnetworks of a network whose weights are random."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.errors import OptionError
from core.option_groups import RunOptions, TaskOptions, require
from masks.options import MaskKind, mask_options
from tasks.options.images import EpochOptions, ManyImageOptions
from tasks.options.random_nets import Network, RandomNetOptions


@dataclass(frozen=True)
class ScoreOptions(EpochOptions):
    """Training of the scores, or of the weights where those are trained."""

    epochs: int = 100
    """Passes over the training images."""
    batch_size: int = 128
    """Images per step; the last batch of an epoch may be smaller."""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """sgd with momentum, or adam."""
    momentum: float = 0.9
    """Momentum of sgd."""
    weight_decay: float = 1e-4
    """L2 penalty added to the gradient: of the scores."""
    warmup: int = 0
    """Epochs over which the learning rate rises linearly."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Learning rate after the warm-up: constant, or cosine to zero at the last step."""
    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes."""
    evaluations: int = 20
    """Epochs (log-spaced, rounded, without doubles) after which the subnetwork is measured, besides 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "train.", epochs=1, warmup=0, label_smoothing=0)
        if self.label_smoothing >= 1:
            raise OptionError(f"train.label_smoothing={self.label_smoothing} leaves nothing of the label")


@dataclass(frozen=True)
class EdgePopupOptions(TaskOptions, RandomNetOptions):
    """The best subnetwork of a network whose weights are random and stay so."""

    model: Network = "conv4"
    """The network: fully connected, pairs of 3x3 convolutions, or residual, for small images or for ImageNet."""
    trained: Literal["scores", "weights"] = "scores"
    """What is trained: the scores of a mask, or, as a baseline, the weights of the whole network without a mask."""
    evaluate: str | None = None
    """A subnetwork to measure, and nothing is trained: masks/subnet.npz of a run with these weights (seed, model,
    init, scale), or a .pth of the authors of edge-popup, whose weights are taken too and whose keep must be given."""
    data: ManyImageOptions = field(default_factory=ManyImageOptions)
    train: ScoreOptions = field(default_factory=ScoreOptions)
    mask: MaskKind = field(default_factory=mask_options("edge-popup", MaskKind, "edge-popup"))
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.evaluate is not None and self.trained == "weights":
            raise OptionError(f"evaluate={self.evaluate} is a subnetwork; trained=weights has none")
