"""Options of the task cnn_elcn: a convolutional network, untied at many epochs of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from core.errors import OptionError
from core.option_groups import RunOptions, TaskOptions, require
from tasks.options.images import EpochOptions, ImageOptions

KINDS = Literal["control", "elcn", "efcn", "lcn", "fcn"]


def above_0(name: str, *values: float) -> None:
    """Raise OptionError unless every value is above 0."""
    for value in values:
        if not value > 0:
            raise OptionError(f"{name}={value} is too small; it must be above 0")


@dataclass(frozen=True)
class SplitOptions:
    """Where the CNN is split off, and what becomes of it from there."""

    at: tuple[int, ...] = ()
    """Epochs of the CNN at which it splits; none: 0 and `split.count` log-spaced ones."""
    count: int = 10
    """Log-spaced epochs from 1 to the last, rounded, without doubles."""
    branches: tuple[KINDS, ...] = ("control", "elcn", "efcn", "lcn")
    """control: the CNN goes on at the branches' learning rate; elcn, efcn: it is untied to locally connected or fully
    connected layers (elcn also measures the re-tied network); lcn, fcn: the same layers from their own random weights,
    as long as the latest split."""
    epochs: int = 150
    """Epochs of each branch after its split."""
    lr: tuple[float, ...] = (0.01,)
    """Learning rates of the branches; all share one CNN."""
    multiplier: Literal["one", "sqrt", "sites"] = "one"
    """Learning rate of an untied layer with L sites, times 1, sqrt(L) or L; with L its tied part moves as fast as the
    convolution would."""
    layers: tuple[str, ...] = ("*",)
    """Names, or shell patterns of names, of the convolutions to untie; !NAME leaves one out."""
    evaluations: int = 20
    """Epochs (log-spaced) after which a branch is measured, besides 0."""
    at_once: int | None = None
    """Branches in one product; none: all splits of a kind. Fewer need less memory."""

    def __post_init__(self) -> None:
        require(self, "split.", count=1, epochs=0, evaluations=1, at_once=1)
        above_0("split.lr", *self.lr)
        if not self.lr or not self.branches:
            raise OptionError("split.lr and split.branches need at least one value")
        for name in ("at", "lr", "branches"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise OptionError(f"split.{name}={','.join(map(str, values))} names one twice")


@dataclass(frozen=True)
class PathOptions:
    """Ways from the CNN's last weights to those of each untied branch."""

    methods: tuple[Literal["linear", "curvilinear", "average", "string"], ...] = (
        "linear", "curvilinear", "average", "string",
    )
    """linear and curvilinear interpolation of the weights, average of the logits, and a string that is relaxed by
    training; none: no paths."""
    points: int = 9
    """Points of a path, both ends included."""
    epochs: int = 3
    """Epochs of training the string."""
    lr: float | None = None
    """Learning rate of the string; none: that of the branch."""
    stiffness: float = 0.25
    """How far, in a step, a point of the string moves to the middle of its neighbours; below 0.5, or it swings."""

    def __post_init__(self) -> None:
        require(self, "paths.", points=2, epochs=0, stiffness=0)
        above_0("paths.lr", *(() if self.lr is None else (self.lr,)))
        if self.stiffness >= 0.5:
            raise OptionError(f"paths.stiffness={self.stiffness} makes the string swing; it must be below 0.5")
        if "string" in self.methods and self.points < 3:
            raise OptionError(f"paths.points={self.points} leaves a string nothing to move; it must be at least 3")


@dataclass(frozen=True)
class BranchRunOptions(RunOptions):
    """Where and how a run is done; nothing here changes its result or its signature."""

    save_planned: tuple[Literal["cnn", KINDS], ...] = ("cnn",)
    """Networks whose weights are kept at every epoch that is measured, not only at the end (run.save_tensors)."""


@dataclass(frozen=True)
class CNNtoLCNOptions(TaskOptions):
    """A convolutional network that is untied at many epochs of its training."""

    revision: ClassVar[int] = 2

    model: Literal["skinny", "alexnet", "digits", "skinny_plus_fc"] = "skinny"
    """The CNN: SkinnyNet and AlexNet for 32x32 images, or two small convolutions for 12x12; skinny_plus_fc: SkinnyNet
    beside a fully connected network, trained as one on the sum of their logits."""
    channels: int = 64
    """Outputs of each convolution of SkinnyNet."""
    start: str | None = None
    """File with the CNN's first weights, in place of random ones: tensors/cnn_<epoch>.npz of a run, or a .pyT file of
    the original programs."""
    sharpness: int = 250
    """Training images on which the largest eigenvalue of the Hessian is measured; 0: not measured."""
    data: ImageOptions = field(default_factory=ImageOptions)
    train: EpochOptions = field(default_factory=EpochOptions)
    split: SplitOptions = field(default_factory=SplitOptions)
    paths: PathOptions = field(default_factory=PathOptions)
    run: BranchRunOptions = field(default_factory=BranchRunOptions)

    def __post_init__(self) -> None:
        require(self, "", channels=1, sharpness=0)
        beyond = [str(epoch) for epoch in self.split.at if not 0 <= epoch <= self.train.epochs]
        if beyond:
            last = self.train.epochs
            raise OptionError(f"split.at={','.join(beyond)}: the CNN's epochs are 0 to {last} (train.epochs)")
