"""The options that tasks share: those of every task, and the groups `train.*` and `run.*`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from core.conditions import when
from core.errors import OptionError
from core.limits import (
    BatchSize,
    Below1,
    Count,
    CountFrom0,
    Fraction,
    Kept,
    Matching,
    Path,
    Positive,
    Rate,
    Seed,
    Strength,
    SweepName,
)

Device = Annotated[str, Matching(r"auto|cpu|mps|cuda(:\d{1,3})?", "auto, cpu, cuda, cuda:1 or mps")]


Class = TypeVar("Class", bound=type)


def fixed(**values: object) -> Callable[[Class], Class]:
    """Give a dataclass that is being defined these values in place of the options that its base has of that name."""

    def fix(cls: Class) -> Class:
        for name, value in values.items():
            cls.__annotations__[name] = ClassVar
            setattr(cls, name, value)
        return cls

    return fix


@dataclass(frozen=True)
class TaskOptions:
    """What every task has, and a group `run`, which stands among the task's own options."""

    if TYPE_CHECKING:

        @property
        def run(self) -> RunOptions: ...

    task: str = ""
    """Name of the task."""
    seed: Seed = 0
    """Seed of every named random stream of the run."""
    log: Literal["auto", "tb", "wandb", "all", "none"] = "auto"
    """Where the numbers are mirrored: tb (TensorBoard files in the run's folder), wandb (Weights & Biases), all, none;
    auto is wandb under a W&B agent and tb elsewhere."""

    @property
    def revision(self) -> int:
        """Goes up when a correction changes what the same options compute; see `core.options.revisions`."""
        return 1

    def check_given(self, given: Collection[str]) -> None:
        """Raise OptionError where an option must be given by its name although it has a default.

        Args:
            given: the dotted names that a command line or a sweep gave.
        """


@dataclass(frozen=True)
class TrainOptions:
    """Training of the network's weights."""

    steps: Count = 20_000
    """Number of optimiser steps."""
    batch_size: BatchSize = 128
    """Examples per step."""
    lr: Rate = 1e-3
    """Learning rate."""
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    """adam, sgd with momentum, or rmsprop (alpha 0.99)."""
    momentum: Below1 = 0.9
    """Momentum of sgd."""
    beta2: Below1 = 0.999
    """How slowly Adam forgets squared gradients."""
    eps: Kept = 1e-8
    """Adam's term in the denominator."""
    weight_decay: Strength = 0.0
    """L2 penalty added to the gradient (the optimiser's own weight_decay)."""
    warmup: CountFrom0 = 0
    """Steps over which the learning rate rises linearly from lr / warmup."""
    schedule: Literal["constant", "cosine", "step", "inverse_sqrt"] = "constant"
    """Learning rate after the warm-up: constant; cosine to zero at the last step; step: times `decay` after each of
    `decay_at` steps; inverse_sqrt: falling as 1 / sqrt(step), from lr at the end of the warm-up."""
    decay_at: tuple[Count, ...] = ()
    """Steps after which schedule=step lowers the learning rate."""
    decay: Fraction = 0.1
    """Factor of schedule=step."""
    grad_clip: Positive | None = 1.0
    """Largest global gradient norm; none turns clipping off."""
    eval_every: Count = 1000
    """Steps between validations."""
    eval_batch_size: BatchSize | None = None
    """Examples per forward pass of a validation; none: 8192, of images 1000."""

    only_with: ClassVar = {
        "momentum": when("optimizer", "sgd"),
        "beta2": when("optimizer", "adam"),
        "eps": when("optimizer", "adam"),
        "decay_at": when("schedule", "step"),
        "decay": when("schedule", "step"),
    }

    def __post_init__(self) -> None:
        if self.schedule == "step" and not self.decay_at:
            raise OptionError("train.schedule=step needs train.decay_at, the steps after which the rate is lowered")

    @classmethod
    def of(cls, options: Any, **changed: Any) -> TrainOptions:
        """Return the training that a group of options describes: its fields of the same names, then `changed`.

        Args:
            options: a dataclass that has some of these fields, such as one that counts in epochs.
            **changed: values in place of its own, in steps.
        """
        there = {field.name: getattr(options, field.name) for field in fields(cls) if hasattr(options, field.name)}
        return cls(**there | changed)


@dataclass(frozen=True)
class RunOptions:
    """Where and how a run is done; nothing here changes its result or its signature."""

    dir: Path = "runs"
    """Folder that holds all results."""
    cache: Path = "cache"
    """Folder that holds downloads."""
    sweep: Annotated[str, SweepName()] = "single"
    """Name of the sweep: results lie in <dir>/<sweep>/<signature>."""
    device: Device = "auto"
    """auto (cuda when there is one), cpu, cuda, cuda:1, mps."""
    checkpoint_every: Count = 1000
    """Steps between checkpoints; each also marks where a killed run goes on."""
    keep_checkpoints: tuple[Literal["first", "best", "last", "all"], ...] = ("last",)
    """Which checkpoints stay: first, best (by validation), last (the newest two, always kept), all."""
    save_tensors: bool = True
    """Keep the trained weights and every subnet's scores in tensors/, for other programs and later analyses."""
    quiet: bool = False
    """No progress lines on the terminal; log.txt has them all the same."""
