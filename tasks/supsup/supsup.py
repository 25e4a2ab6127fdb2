"""Supermasks in superposition: many tasks in one network, without forgetting, with task inference."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import eq
from typing import Any

import torch
from torch import Tensor

from core.fit import Stage
from core.store import Run
from core.trackers import Mirrors
from tasks.supsup.learners import LEARNERS
from tasks.supsup.learners.masks import MaskLearner
from tasks.supsup.many_tasks import ManyTasks
from tasks.supsup.supsup_options import SupSupOptions


class SupSup(ManyTasks[SupSupOptions]):
    """A stage for every group of tasks that are trained side by side; all stages are called `learn`.

    Source: Wortsman, Ramanujan, Liu, Kembhavi, Rastegari, Yosinski, Farhadi, "Supermasks in Superposition", NeurIPS
    2020. Differs from its code: a validation set is held out, and the statistics of batch normalisation belong to the
    task, so that a task does not change when others are learned.
    """

    def __init__(self, options: SupSupOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors, LEARNERS[options.learner])
        self.after: list[float] = []  # accuracy of each task right after it was trained

    def state_dict(self) -> dict[str, Any]:
        """Return the network, the tasks learned and their accuracies."""
        return {"learner": self.learner.state_dict(), "after": self.after}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.learner.load_state_dict(state["learner"])
        self.after = list(state["after"])

    def stages(self) -> Iterator[Stage]:
        """Yield a stage for each group of tasks."""
        count, together, train = self.options.tasks.count, self.options.tasks_at_once, self.options.train
        for first in range(0, count, together):
            tasks = range(first, min(first + together, count))
            own = train.weights_lr if self.learner.trains_weights(first) else None
            yield Stage(
                name="learn",
                batch=partial(self.batch, tasks),
                steps=train.steps,
                parameters=partial(self.learner.begin, tasks),
                masking=lambda seed, progress: (seed, progress),
                annealed=self.learner.annealed,
                loss=partial(self.loss, tasks),
                evaluate=partial(self.measure, tasks),
                optim=train if own is None else replace(train, lr=own),
                on_end=partial(self.finish, tasks),
            )  # fmt: skip

    def batch(self, tasks: range, rng: torch.Generator, step: int) -> tuple[Tensor, Tensor]:
        """Return the batches of the tasks, one after the other."""
        x, y = zip(*(self.tasks.batch(task, step) for task in tasks), strict=True)
        return torch.cat(x), torch.cat(y)

    def measure(self, tasks: range) -> dict[str, float]:
        """Return the accuracy on held-out images of the tasks that are being learned, the worst and the mean."""
        numbers = {"task": float(tasks[0])}
        if "valid" in self.tasks.parts:
            found = [self.accuracy(task, "valid") for task in tasks]
            numbers |= {"valid/accuracy": math.fsum(found) / len(found), "valid/worst": min(found)}
        return numbers

    def finish(self, tasks: range) -> dict[str, float]:
        """Settle the tasks, and test all that are learned when it is time for it."""
        self.learner.end(tasks)
        self.after[tasks[0] :] = [self.accuracy(task, "test") for task in tasks]
        learned, count = len(self.after), self.options.tasks.count
        if learned == count and self.options.run.save_tensors:
            self.export()
        due = any(tasks[0] < n <= learned for n in self.options.evaluate_at)
        return self.test_all() if due or learned == count else {}

    def export(self) -> None:
        """Write the trained tensors other than masks, for other programs."""
        if own := self.learner.exported():
            self.run.write_tensors("tasks", own)
        if self.learner.trains_weights(0):
            self.run.write_tensors("weights", dict(self.model.named_parameters()))

    def test_all(self) -> dict[str, float]:
        """Test every learned task; numbers of single tasks go to arrays/tasks_<n>.npz."""
        n = len(self.after)
        found = self.all_tested(range(n), eq)
        found |= {"after": self.after}
        self.run.write_arrays(f"tasks_{n:04d}", **{name: torch.tensor(v).numpy() for name, v in found.items()})
        means = {name: math.fsum(values) / n for name, values in found.items()}
        means["changed"] = float(sum(now != then for now, then in zip(found["gg"], self.after, strict=True)))
        means |= {f"bytes/{name}": value for name, value in self.learner.nbytes(range(n)).items()}
        if isinstance(self.learner, MaskLearner):
            means["kept"] = math.fsum(self.learner.masks(task).density() for task in range(n)) / n
        numbers = {f"{name}/{n}": value for name, value in means.items()}
        return numbers | ({f"final/{name}": v for name, v in means.items()} if n == self.options.tasks.count else {})
