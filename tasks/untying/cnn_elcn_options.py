"""Options of the task cnn_elcn: a convolutional network that is untied at several epochs of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from core.conditions import when
from core.errors import OptionError
from core.limits import Epochs, Few, Items, Path, Range, RateAbove0, Width
from core.option_groups import RunOptions
from masks.options import Patterns
from tasks.image_options import EpochOptions, ImageOptions, ImageTaskOptions

KINDS = Literal["control", "elcn", "efcn", "lcn", "fcn"]
ExamplesFrom0 = Annotated[int, Range(0, 10**8)]


@dataclass(frozen=True)
class SplitOptions:
    """When branches split off the CNN, and what they are."""

    at: Annotated[tuple[Epochs, ...], Items()] = ()
    """Epochs of the CNN at which branches split off; none: 0 and `split.count` log-spaced ones."""
    count: Few = 10
    """Number of log-spaced epochs from 1 to the last, rounded, without duplicates."""
    branches: Annotated[tuple[KINDS, ...], Items(least=1)] = ("control", "elcn", "efcn", "lcn")
    """control: the CNN continues at the branches' learning rate; elcn, efcn: it is untied into locally connected or
    fully connected layers (elcn also evaluates the re-tied network); lcn, fcn: the same layers trained from random
    initialisation, for as long as the latest split's branch."""
    epochs: Epochs = 150
    """Epochs of each branch after its split."""
    lr: Annotated[tuple[RateAbove0, ...], Items(least=1)] = (0.01,)
    """Learning rates of the branches; all share one CNN."""
    multiplier: Literal["one", "sqrt", "sites"] = "one"
    """Factor on the learning rate of an untied layer with L sites: 1, sqrt(L) or L; with L its tied component moves as
    fast as the convolution would."""
    layers: Patterns = ("*",)
    """Names, or shell patterns of names, of the convolutions to untie; !NAME excludes."""
    evaluations: Few = 20
    """Number of log-spaced epochs after which a branch is evaluated, besides 0."""
    at_once: Few | None = None
    """Number of branches trained side by side; none: all splits of a kind. Fewer need less memory."""

    only_with: ClassVar = {
        "count": when("at", ()),
        "multiplier": when("branches", "elcn", "efcn", "lcn", "fcn"),
        "layers": when("branches", "elcn", "efcn", "lcn", "fcn"),
    }

    def __post_init__(self) -> None:
        splits = len(self.at) or self.count + 1
        if self.at_once is not None and self.at_once > splits:
            raise OptionError(f"split.at_once={self.at_once} is more than the {splits} splits there are at most")


@dataclass(frozen=True)
class PathOptions:
    """Paths from the CNN's final weights to those of each untied branch."""

    methods: Annotated[tuple[Literal["linear", "curvilinear", "average", "string"], ...], Items()] = (
        "linear",
        "curvilinear",
        "average",
        "string",
    )
    """linear or curvilinear interpolation of the weights, average of the logits, or a string relaxed by training; none:
    no paths."""
    points: Annotated[int, Range(2, 1000)] = 9
    """Number of points on a path, including both ends."""
    epochs: Epochs = 3
    """Epochs of training the string."""
    lr: RateAbove0 | None = None
    """Learning rate of the string; none: that of the branch."""
    stiffness: Annotated[float, Range(0, 0.5, open_high=True)] = 0.25
    """Fraction of the distance to the midpoint of its neighbours that a point of the string moves per step; from 0.5 on
    it would oscillate."""

    only_with: ClassVar = {
        "points": when("methods", "linear", "curvilinear", "average", "string"),
        "epochs": when("methods", "string"),
        "lr": when("methods", "string"),
        "stiffness": when("methods", "string"),
    }

    def __post_init__(self) -> None:
        if "string" in self.methods and self.points < 3:
            raise OptionError(f"paths.points={self.points} leaves a string nothing to move; it must be at least 3")


@dataclass(frozen=True)
class BranchRunOptions(RunOptions):
    """Where and how a run is executed; nothing here changes its results or its signature."""

    save_planned: tuple[Literal["cnn", KINDS], ...] = ("cnn",)
    """Networks whose weights are saved at every evaluation, not only at the end (run.save_tensors)."""


@dataclass(frozen=True)
class CNNtoLCNOptions(ImageTaskOptions):
    """A convolutional network that is untied at several epochs of its training."""

    revision: ClassVar[int] = 2

    model: Literal["skinny", "alexnet", "digits", "skinny_plus_fc"] = "skinny"
    """The CNN: SkinnyNet and AlexNet for 32x32 images, or two small convolutions for 12x12; skinny_plus_fc: SkinnyNet
    in parallel with a fully connected network, trained jointly on the sum of their logits."""
    channels: Width = 64
    """Number of channels of each convolution of SkinnyNet."""
    start: Path | None = None
    """File with the CNN's initial weights, instead of random ones: tensors/cnn_<epoch>.npz of a run, or a .pyT file of
    the original programs."""
    sharpness: ExamplesFrom0 = 250
    """Number of training images on which the largest eigenvalue of the Hessian is measured; 0: not measured."""
    data: ImageOptions = field(default_factory=ImageOptions)
    train: EpochOptions = field(default_factory=EpochOptions)
    split: SplitOptions = field(default_factory=SplitOptions)
    paths: PathOptions = field(default_factory=PathOptions)
    run: BranchRunOptions = field(default_factory=BranchRunOptions)

    only_with: ClassVar = {
        "channels": when("model", "skinny", "skinny_plus_fc"),
        "paths": when("split.branches", "elcn", "efcn"),
    }

    def __post_init__(self) -> None:
        beyond = [str(epoch) for epoch in self.split.at if not 0 <= epoch <= self.train.epochs]
        if beyond:
            last = self.train.epochs
            raise OptionError(f"split.at={','.join(beyond)}: the CNN's epochs are 0 to {last} (train.epochs)")
