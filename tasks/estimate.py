"""How long a run will take on this machine: a few steps of every stage, timed, and multiplied by what the stage has."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from core.errors import StoreError
from core.fit import Stage, make_optimizer, train_step
from core.malloc import keep_freed_memory
from core.option_groups import TaskOptions
from core.store import Run
from core.trackers import Mirrors
from tasks.registry import TASKS

STEPS = 20  # timed of every stage
WARM = 3  # steps before, in which kernels are chosen and memory is fetched
SIMILAR = 3  # stages of one name that are timed; the others are taken for their mean


@dataclass(frozen=True)
class Estimate:
    """What was timed of a stage.

    Attributes:
        name: of the stage.
        steps, evaluations: how many the whole stage has.
        step, evaluation, end: seconds of one step, of one evaluation, and of what follows the last step.
    """

    name: str
    steps: int
    evaluations: int
    step: float
    evaluation: float
    end: float

    @property
    def seconds(self) -> float:
        """Of the whole stage."""
        return self.steps * self.step + self.evaluations * self.evaluation + self.end


def estimate(options: TaskOptions, steps: int = STEPS) -> tuple[list[Estimate], str]:
    """Run a few steps of every stage of a run, in a folder that is removed, and return what a whole run would take.

    Besides, why no more stages could be timed, "" where all were: some need what only a whole earlier stage leaves.

    The weights are hardly trained then, so that what depends on them, such as how often a mask is refused, is not that
    of a whole run.

    Args:
        options: of the run; its own folder is not touched.
        steps: timed in every stage.

    Raises:
        SieveError: as the task does.
    """
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        inside = dataclasses.replace(options.run, dir=folder)  # the cache stays: data is not fetched twice
        options = dataclasses.replace(options, log="none", run=inside)  # type: ignore[call-arg]  # every task has `run`
        run = Run.create(options)
        task = TASKS[options.task](options, run, Mirrors((), run))
        found: list[Estimate] = []
        stages = task.stages()
        try:
            for stage in stages:
                alike = [each for each in found if each.name == stage.name]
                found.append(
                    _timed(stage, options.seed, steps, task.device)
                    if len(alike) < SIMILAR
                    else _as(alike[:SIMILAR], stage, options.seed)
                )
        except StoreError as error:
            return found, str(error).replace(str(run.folder), "the run")
        return found, ""


def _timed(stage: Stage, seed: int, steps: int, device: torch.device) -> Estimate:
    optimizer, some = make_optimizer(stage), min(stage.steps, steps)
    step = 0.0
    if optimizer is not None and some:
        for number in range(min(WARM, some)):
            train_step(stage, optimizer, seed, number)
        step = _seconds(lambda: [train_step(stage, optimizer, seed, n) for n in range(some)], device) / some
    evaluations = sum(map(stage.measured_at, _steps(stage)))
    evaluation = _seconds(stage.evaluate, device) if evaluations else 0.0
    return Estimate(stage.name, stage.steps, evaluations, step, evaluation, _seconds(stage.on_end, device))


def _as(alike: list[Estimate], stage: Stage, seed: int) -> Estimate:
    """Return the mean of stages of the same name, and bring this one to its end for those that follow."""
    if (optimizer := make_optimizer(stage)) is not None and stage.steps:
        train_step(stage, optimizer, seed, 0)
    stage.on_end()
    step, evaluation, end = (
        sum(getattr(each, name) for each in alike) / len(alike) for name in ("step", "evaluation", "end")
    )
    return Estimate(stage.name, stage.steps, sum(map(stage.measured_at, _steps(stage))), step, evaluation, end)


def _steps(stage: Stage) -> Iterator[int]:
    """Yield the steps after which the stage may be evaluated."""
    if stage.eval_steps is not None:
        yield from {*stage.eval_steps, stage.steps}
    else:
        yield from {*range(0, stage.steps + 1, stage.optim.eval_every), stage.steps}


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    begin = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def lines(estimates: list[Estimate], untimed: str, points: int) -> list[str]:
    """Return an aligned table of stages of the same name, and the hours of one run and of all.

    Args:
        estimates: of the stages.
        untimed: why there are no more of them.
        points: how many runs there are.
    """
    rows = [["stage", "stages", "steps", "ms per step", "evaluations", "s per evaluation", "s at the end", "hours"]]
    for name in dict.fromkeys(each.name for each in estimates):
        mine = [each for each in estimates if each.name == name]
        mean = [sum(getattr(each, what) for each in mine) / len(mine) for what in ("step", "evaluation", "end")]
        rows.append(
            [
                name, str(len(mine)), str(sum(each.steps for each in mine)), f"{1000 * mean[0]:.3g}",
                str(sum(each.evaluations for each in mine)), f"{mean[1]:.3g}", f"{mean[2]:.3g}",
                f"{sum(each.seconds for each in mine) / 3600:.3g}",
            ]
        )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    hours = sum(each.seconds for each in estimates) / 3600
    least = "more than " if untimed else ""
    end = f"one run: {least}{hours:.3g} hours; {points} like it: {least}{points * hours:.3g} hours, one at a time"
    return [*table, *([f"later stages are not timed: {untimed}"] if untimed else []), end]
