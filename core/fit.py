"""The training loop: a sequence of stages, each of which trains something for a number of steps and then evaluates it.

Killed at any moment and started again, a run ends with the same bits as one that was never interrupted:
every random number is a function of (seed, stage, step), and a checkpoint holds all the rest.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from core.checkpoint import Checkpoints
from core.errors import SieveError
from core.history import History
from core.option_groups import RunOptions, TrainOptions
from core.progress import Progress
from core.rng import key, stream
from core.signals import Signals
from core.store import Run
from core.trackers import Mirrors

log = logging.getLogger("sieve")
LOG_EVERY = 100  # steps between rows that hold only the loss


@dataclass
class Stage:
    """What to train, on what, for how long, and what to measure.

    Attributes:
        name: prefix of the stage's keys ("train", or the subnet's name).
        batch: (generator, step) -> one training batch.
        steps: exact number of optimiser steps.
        parameters: returns the tensors to train, by name; called when the stage begins, not for finished stages.
        masking: (step seed, progress) -> the masks of that step's forward pass (masks/masking.py), or None for the
            dense network; progress grows from 0 at the first step to exactly 1 at the last.
        loss: (batch, masking) -> scalar loss, regularisers included.
        evaluate: validation; returns key -> number, None where there is none. Called as `eval_steps` says, and after
            the last step.
        optim: learning rate, optimiser, clipping and the evaluation period.
        on_end: called once after the last step; analyses, exports; returns key -> number for the summary.
        monitor: key of `evaluate` whose largest value marks the best checkpoint.
        eval_steps: steps after which to evaluate, 0 being before the first; None: every `optim.eval_every`.
        lr_scales: factors of the learning rate for some of the tensors.
        carried: the optimiser's state, if it outlives the stage: the stage starts from it unless it is empty, and
            stores its own in it. The task empties it when other tensors are to be trained, and includes it in its
            state_dict.
        annealed: progress -> what else changes by it, for the log; recorded with what is measured.
        may_diverge: a loss that is not finite is logged as null and training continues, as for several networks side by
            side, where `loss` excludes those that diverged from the gradient; otherwise it ends the run.
    """

    name: str
    batch: Callable[[torch.Generator, int], Any]
    steps: int
    parameters: Callable[[], Mapping[str, Tensor]]
    loss: Callable[[Any, Any], Tensor]
    evaluate: Callable[[], Mapping[str, float | None]]
    optim: TrainOptions
    masking: Callable[[int, float], Any] = lambda seed, progress: None
    on_end: Callable[[], Mapping[str, float | None]] = dict
    monitor: str = ""
    eval_steps: Collection[int] | None = None
    lr_scales: Mapping[str, float] = field(default_factory=dict)
    carried: dict[str, Any] | None = None
    annealed: Callable[[float], Mapping[str, float]] = lambda progress: {}
    may_diverge: bool = False

    def measured_at(self, step: int) -> bool:
        """True if the stage is to be evaluated after `step` of its steps."""
        if self.eval_steps is not None and step in self.eval_steps:
            return True
        return step > 0 and (step == self.steps or self.eval_steps is None and step % self.optim.eval_every == 0)


class Trainable(Protocol):
    """What `fit` requires of a task."""

    def stages(self) -> Iterator[Stage]:
        """Yield the stages in order. Code between two yields runs again on resuming, so it must be idempotent."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that training changes, as plain tensors and numbers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`; called before `stages`."""


class Stopped(Exception):
    """A signal requested a stop; everything is saved."""


@dataclass
class _Position:
    """Position of the run; all of it is saved in the checkpoint."""

    stage: int = 0
    step: int = 0
    before: int = 0  # steps of the stages already finished
    loss_sum: Tensor | float = 0.0  # stays on the device: reading it every step would wait for a GPU
    loss_count: int = 0
    best: float = -math.inf
    summary: dict[str, Any] = field(default_factory=dict)


def fit(
    task: Trainable, run: Run, seed: int, options: RunOptions, mirrors: Mirrors, signals: Signals
) -> dict[str, Any]:
    """Run every stage of `task` to its end, resuming from the newest readable checkpoint.

    Returns:
        The summary: last value of each logged key, and what the stages' `on_end` returned.

    Raises:
        Stopped: a signal arrived; the state is saved.
        SieveError: the loss is not finite.
        CheckpointError: a checkpoint cannot be written.
    """
    checkpoints = Checkpoints(run.path("checkpoints"), options.keep_checkpoints)
    saved = checkpoints.load()
    here = _Position(**saved["position"]) if saved else _Position()
    history = History(run.path("history.jsonl"), saved["history"] if saved else 0)
    if saved:
        task.load_state_dict(saved["task"])
        log.info("resuming in stage %d at step %d", here.stage, here.step)

    with Progress(run, options.quiet) as progress:

        def save(optimizer: torch.optim.Optimizer | None, best: bool = False) -> None:
            state = {
                "position": vars(here) | {"summary": dict(here.summary)},
                "history": history.sync(),
                "task": task.state_dict(),
                "optimizer": optimizer.state_dict() if optimizer else None,
            }
            checkpoints.save(here.stage, here.before + here.step, state, best)

        def record(stage: Stage, measured: Mapping[str, float | None]) -> None:
            row = {f"{stage.name}/{name}": value for name, value in measured.items()}
            whole = {"step": here.before + here.step, "stage": stage.name} | row
            history.append(whole)
            mirrors.row(whole)
            here.summary |= row

        for index, stage in enumerate(task.stages()):
            if index < here.stage:
                continue
            optimizer = make_optimizer(stage)
            if optimizer is not None:
                if saved and saved["optimizer"] is not None:
                    optimizer.load_state_dict(saved["optimizer"])
                elif stage.carried:
                    optimizer.load_state_dict(copy.deepcopy(stage.carried))  # which would go on with these very tensors
            if saved is None and "first" in options.keep_checkpoints and index == 0:
                save(optimizer)
            saved = None
            progress.start(stage.name, here.step, stage.steps)
            if signals.received:
                save(optimizer)
                raise Stopped(signals.received)
            if here.step == 0 and stage.measured_at(0):
                lr, annealed = lr_at(stage.optim, 0, stage.steps), stage.annealed(progress_at(0, stage.steps))
                record(stage, {"lr": lr, **annealed, **stage.evaluate()})
            while here.step < stage.steps:
                assert optimizer is not None  # only a stage of no steps trains nothing
                loss = train_step(stage, optimizer, seed, here.step)
                here.step += 1
                here.loss_sum = here.loss_sum + loss
                here.loss_count += 1
                evaluate = stage.measured_at(here.step)
                improved = False
                if evaluate or here.step % LOG_EVERY == 0:
                    mean = float(here.loss_sum) / here.loss_count
                    if not (math.isfinite(mean) or stage.may_diverge):
                        raise SieveError(
                            f"the loss of stage {stage.name} is {mean} at step {here.step}; "
                            "a smaller learning rate may help"
                        )
                    row: dict[str, float | None] = {"loss": mean if math.isfinite(mean) else None}
                    row["lr"] = lr_at(stage.optim, here.step - 1, stage.steps)
                    here.loss_sum, here.loss_count = 0.0, 0
                    if evaluate:
                        row |= {**stage.annealed(progress_at(here.step - 1, stage.steps)), **stage.evaluate()}
                        score = row[stage.monitor] if stage.monitor else None
                        if score is not None and score > here.best:
                            improved, here.best = True, score
                    record(stage, row)
                    progress.show(row)
                progress.step(here.step)
                if (
                    improved
                    and "best" in options.keep_checkpoints
                    or here.step == stage.steps
                    or (here.step % options.checkpoint_every == 0)
                ):
                    save(optimizer, best=improved)
                if signals.received and here.step < stage.steps:
                    save(optimizer)
                    raise Stopped(signals.received)
            if stage.carried is not None and optimizer is not None:
                stage.carried.update(optimizer.state_dict())
            results = stage.on_end()
            here.summary |= results
            mirrors.results(results, here.before + here.step)
            here.stage, here.step, here.before = index + 1, 0, here.before + stage.steps
            here.loss_sum, here.loss_count, here.best = 0.0, 0, -math.inf
            save(None)
            run.write_summary(here.summary)
            if signals.received:
                raise Stopped(signals.received)
    return here.summary


def train_step(stage: Stage, optimizer: torch.optim.Optimizer, seed: int, step: int) -> Tensor:
    """Take one optimiser step and return its loss, 0-dim; all randomness follows from (seed, stage name, step)."""
    # Dropout inside torch's modules can only draw from the global generator, so it is set at every step.
    torch.manual_seed(key(seed, "noise", stage.name, step))
    batch = stage.batch(stream(seed, "data", stage.name, step), step)
    optimizer.zero_grad(set_to_none=True)
    loss = stage.loss(batch, stage.masking(key(seed, "mask", stage.name, step), progress_at(step, stage.steps)))
    loss.backward()
    if stage.optim.grad_clip is not None:
        tensors = [tensor for group in optimizer.param_groups for tensor in group["params"]]
        torch.nn.utils.clip_grad_norm_(tensors, stage.optim.grad_clip)
    lr = lr_at(stage.optim, step, stage.steps)
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("scale", 1.0)
    optimizer.step()
    return loss.detach()


def lr_at(optim: TrainOptions, step: int, steps: int) -> float:
    """Return the learning rate of step number `step` (from 0) of `steps`."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    if optim.schedule == "step":
        return optim.lr * optim.decay ** sum(step >= at for at in optim.decay_at)
    if optim.schedule == "inverse_sqrt":
        return optim.lr * math.sqrt(max(1, optim.warmup) / (step + 1))
    if optim.schedule == "linear":
        return optim.lr * (1 - (step - optim.warmup) / max(1, steps - optim.warmup))
    if optim.schedule == "cosine":
        return optim.lr * 0.5 * (1 + math.cos(math.pi * (step - optim.warmup) / max(1, steps - optim.warmup)))
    return optim.lr


def progress_at(step: int, steps: int) -> float:
    """Return how far step number `step` (from 0) of `steps` is: 0 at the first, exactly 1 at the last."""
    return step / (steps - 1) if steps > 1 else 1.0


def make_optimizer(stage: Stage) -> torch.optim.Optimizer | None:
    """Build the stage's optimiser over its tensors; Adam and AdamW are torch's fused ones, where the device has them.

    None where the stage trains nothing, which one of 0 steps may.
    """
    tensors = {name: tensor.requires_grad_() for name, tensor in stage.parameters().items()}
    if not tensors and stage.steps == 0:
        return None
    by_scale: dict[float, list[Tensor]] = {}
    for name, tensor in tensors.items():
        by_scale.setdefault(stage.lr_scales.get(name, 1.0), []).append(tensor)
    groups = [{"params": part, "scale": scale} for scale, part in by_scale.items()]
    optim = stage.optim
    if optim.optimizer in ("adam", "adamw"):
        fused = all(tensor.device.type in ("cpu", "cuda") for tensor in tensors.values())
        betas, kind = (0.9, optim.beta2), torch.optim.Adam if optim.optimizer == "adam" else torch.optim.AdamW
        return kind(groups, optim.lr, betas, optim.eps, optim.weight_decay, fused=fused)
    if optim.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, optim.lr, weight_decay=optim.weight_decay)
    return torch.optim.SGD(groups, optim.lr, momentum=optim.momentum, weight_decay=optim.weight_decay)
