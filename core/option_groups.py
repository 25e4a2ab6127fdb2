"""The options that tasks share: those of every task, and the groups `train.*` and `run.*`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.errors import OptionError


def require(options: Any, group: str, **least: float) -> None:
    """Raise OptionError unless each named field is None or at least the given number."""
    for name, minimum in least.items():
        value = getattr(options, name)
        if value is not None and value < minimum:
            raise OptionError(f"{group}{name}={value} is too small; it must be at least {minimum}")


@dataclass(frozen=True)
class TaskOptions:
    """What every task has.

    Attributes:
        revision: goes up when a correction changes what the same options compute; see `core.options.revisions`.
    """

    revision: ClassVar[int] = 1

    task: str = ""
    """Name of the task."""
    seed: int = 0
    """Seed of every named random stream of the run."""
    log: Literal["auto", "tb", "wandb", "all", "none"] = "auto"
    """Where the numbers are mirrored: tb (TensorBoard files in the run's folder), wandb (Weights & Biases), all, none;
    auto is wandb under a W&B agent and tb elsewhere."""

    def check_given(self, given: Collection[str]) -> None:
        """Raise OptionError where an option must be given by its name although it has a default.

        Args:
            given: the dotted names that a command line or a sweep gave.
        """


@dataclass(frozen=True)
class TrainOptions:
    """Training of the network's weights."""

    steps: int = 20_000
    """Number of optimiser steps."""
    batch_size: int = 128
    """Examples per step."""
    lr: float = 1e-3
    """Learning rate."""
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    """adam, sgd with momentum, or rmsprop (alpha 0.99)."""
    momentum: float = 0.9
    """Momentum of sgd."""
    beta2: float = 0.999
    """How slowly Adam forgets squared gradients."""
    eps: float = 1e-8
    """Adam's term in the denominator."""
    weight_decay: float = 0.0
    """L2 penalty added to the gradient (the optimiser's own weight_decay)."""
    warmup: int = 0
    """Steps over which the learning rate rises linearly from lr / warmup."""
    schedule: Literal["constant", "cosine", "step", "inverse_sqrt"] = "constant"
    """Learning rate after the warm-up: constant; cosine to zero at the last step; step: times `decay` after each of
    `decay_at` steps; inverse_sqrt: falling as 1 / sqrt(step), from lr at the end of the warm-up."""
    decay_at: tuple[int, ...] = ()
    """Steps after which schedule=step lowers the learning rate."""
    decay: float = 0.1
    """Factor of schedule=step."""
    grad_clip: float | None = 1.0
    """Largest global gradient norm; none turns clipping off."""
    eval_every: int = 1000
    """Steps between validations."""
    eval_batch_size: int | None = None
    """Examples per forward pass of a validation; none: 8192."""

    def __post_init__(self) -> None:
        require(
            self, "train.", steps=1, batch_size=1, lr=0, momentum=0, weight_decay=0, warmup=0, grad_clip=0,
            eval_every=1, eval_batch_size=1, beta2=0, eps=0, decay=0,
        )
        if bool(self.decay_at) != (self.schedule == "step"):
            raise OptionError(
                f"train.schedule={self.schedule} with train.decay_at={','.join(map(str, self.decay_at)) or 'none'}: "
                "schedule=step lowers the learning rate at the steps of decay_at, the others have none"
            )


@dataclass(frozen=True)
class RunOptions:
    """Where and how a run is done; nothing here changes its result or its signature."""

    dir: str = "runs"
    """Folder that holds all results."""
    cache: str = "cache"
    """Folder that holds downloads."""
    sweep: str = "single"
    """Name of the sweep: results lie in <dir>/<sweep>/<signature>."""
    device: str = "auto"
    """auto (cuda when there is one), cpu, cuda, cuda:1, mps."""
    checkpoint_every: int = 1000
    """Steps between checkpoints; each also marks where a killed run goes on."""
    keep_checkpoints: tuple[Literal["first", "best", "last", "all"], ...] = ("last",)
    """Which checkpoints stay: first, best (by validation), last (the newest two, always kept), all."""
    save_tensors: bool = True
    """Keep the trained weights and every subnet's scores in tensors/, for other programs and later analyses."""
    quiet: bool = False
    """No progress lines on the terminal; log.txt has them all the same."""

    def __post_init__(self) -> None:
        require(self, "run.", checkpoint_every=1)
