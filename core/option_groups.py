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
    """Options of every task, and a group `run`, which stands among the task's own options."""

    if TYPE_CHECKING:

        @property
        def run(self) -> RunOptions: ...

    task: str = ""
    """Name of the task."""
    seed: Seed = 0
    """Seed of every named random stream of the run; entropy: main.py draws one from the system."""
    log: Literal["auto", "tb", "wandb", "all", "none"] = "auto"
    """Where results are mirrored: tb (TensorBoard files in the run's folder), wandb (Weights & Biases), all, or none;
    auto: wandb under a W&B agent, tb elsewhere."""

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
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    """adam, adamw (whose weight decay is no part of the gradient), sgd with momentum, or rmsprop (alpha 0.99)."""
    momentum: Below1 = 0.9
    """Momentum of sgd."""
    beta2: Below1 = 0.999
    """Adam's decay rate of the second moment."""
    eps: Kept = 1e-8
    """Adam's epsilon."""
    weight_decay: Strength = 0.0
    """L2 penalty added to the gradient (the optimiser's own weight_decay); of adamw: weights shrink by lr times it at
    every step."""
    warmup: CountFrom0 = 0
    """Steps over which the learning rate rises linearly from lr / warmup."""
    schedule: Literal["constant", "linear", "cosine", "step", "inverse_sqrt"] = "constant"
    """Learning rate after the warm-up: constant; linear or cosine: decays to zero at the last step; step: multiplied by
    `decay` after each of the steps in `decay_at`; inverse_sqrt: proportional to 1 / sqrt(step), from lr at the end of
    the warm-up."""
    decay_at: tuple[Count, ...] = ()
    """Steps after which schedule=step reduces the learning rate."""
    decay: Fraction = 0.1
    """Factor by which schedule=step multiplies the learning rate."""
    grad_clip: Positive | None = 1.0
    """Maximum global gradient norm; none: no clipping."""
    eval_every: Count = 1000
    """Steps between validations."""
    eval_batch_size: BatchSize | None = None
    """Examples per forward pass of a validation; none: 8192, of images 1000."""

    only_with: ClassVar = {
        "momentum": when("optimizer", "sgd"),
        "beta2": when("optimizer", "adam", "adamw"),
        "eps": when("optimizer", "adam", "adamw"),
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
    """Where and how a run is executed; nothing here changes its results or its signature."""

    dir: Path = "runs"
    """Folder for all results."""
    cache: Path = "cache"
    """Folder for downloads."""
    sweep: Annotated[str, SweepName()] = "single"
    """Name of the sweep: results go to <dir>/<sweep>/<signature>."""
    device: Device = "auto"
    """auto (cuda if available), cpu, cuda, cuda:1, mps."""
    checkpoint_every: Count = 1000
    """Steps between checkpoints, from which a killed run resumes."""
    keep_checkpoints: tuple[Literal["first", "best", "last", "all"], ...] = ("last",)
    """Which checkpoints to keep: first, best (by validation), last (the newest two, always kept), all."""
    save_tensors: bool = True
    """Save the trained weights and every subnet's scores in tensors/, for other programs and later analyses."""
    quiet: bool = False
    """No progress output on the terminal; log.txt still has it."""
