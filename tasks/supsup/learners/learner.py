"""The interface of a learner: one network, and for each task a few tensors that turn its weights into the task's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from core.store import Run
from layers.batch_norm_stats import statistics_of
from tasks.supsup.supsup_options import ManyTasksOptions


class Learner(ABC):
    """Base of the learners.

    Statistics of batch normalisation belong to the task: each has its own from the start.

    Args:
        model: the network; its parameters are shared by all tasks.
        options: of the task supsup.
        run: where masks are kept.
    """

    def __init__(self, model: nn.Module, options: ManyTasksOptions, run: Run):
        self.model, self.options, self.run = model, options, run
        self.device = next(model.parameters()).device
        self._learning: dict[int, dict[str, Tensor]] = {}
        self._statistics: dict[int, dict[str, Tensor]] = {}

    def trains_weights(self, task: int) -> bool:
        """True when the network's own weights are trained for this task."""
        first = self.options.train_weights_for
        return first is None or task < first

    def begin(self, tasks: Sequence[int]) -> dict[str, Tensor]:
        """Return what is trained for these tasks, new or as it was when training was interrupted."""
        shared = self.trains_weights(tasks[0])
        for parameter in self.model.parameters():
            parameter.requires_grad_(shared)
        found: dict[str, Tensor] = {
            f"weight/{name}": tensor for name, tensor in self.model.named_parameters() if shared
        }
        for task in tasks:
            if task not in self._statistics:
                self._statistics[task] = self._fresh()
            found |= {f"{task}/{name}": tensor for name, tensor in self.own(task).items()}
        return found

    def weights(self, tasks: Sequence[int], seed: int, progress: float) -> dict[str, Tensor]:
        """Return name -> [K, *shape] for a training step: the network of each of these tasks, ready for a gradient."""
        each = [self.learned(task) for task in tasks]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def annealed(self, progress: float) -> dict[str, float]:
        """Return what changes with the progress of a task's training, for the log."""
        return {}

    def normalisation(self, tasks: Sequence[int]) -> dict[str, Tensor]:
        """Return the running statistics [K, C] of these tasks; training moves them in place."""
        each = [self._statistics[task] for task in tasks]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def keep_normalisation(self, tasks: Sequence[int], moved: dict[str, Tensor]) -> None:
        """Take over what a training step made of `normalisation`."""
        for name, tensor in moved.items():
            for task, row in zip(tasks, tensor.unbind(), strict=True):
                self._statistics[task][name] = row

    def network(self, task: int) -> dict[str, Tensor]:
        """Return name -> [*shape], weights and statistics, of a task that has been learned."""
        return self.learned(task) | self._statistics[task]

    def end(self, tasks: Sequence[int]) -> None:  # noqa: B027
        """End the learning of these tasks; nothing of them is trained again. Most learners have nothing to do."""

    @abstractmethod
    def own(self, task: int) -> dict[str, Tensor]:
        """Return the tensors that are trained for this task alone, made when they are asked for first."""

    @abstractmethod
    def learned(self, task: int) -> dict[str, Tensor]:
        """Return name -> [*shape], the weights of a task, a function of its tensors and the network's."""

    @abstractmethod
    def own_bytes(self, task: int) -> float:
        """Return what a task takes to keep, besides the network and statistics."""

    def nbytes(self, tasks: Sequence[int]) -> dict[str, float]:
        """Return the bytes of all these tasks: "own", "statistics" (float32), "network" (0 where a seed says it)."""
        numbers = sum(tensor.numel() for tensor in self.model.parameters())
        statistics = sum(tensor.numel() for tensor in self._fresh().values())
        return {
            "own": sum(map(self.own_bytes, tasks)), "statistics": 4.0 * statistics * len(tasks),
            "network": 4.0 * numbers if self.trains_weights(0) else 0.0,
        }  # fmt: skip

    def exported(self) -> dict[str, Tensor]:
        """Return the tensors of all tasks as <task>/<name>; masks are in files of their own."""
        return {f"{task}/{name}": x for task, tensors in self._learning.items() for name, x in tensors.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that training changes."""
        return {
            "model": self.model.state_dict(),
            "own": {t: {n: x.detach() for n, x in tensors.items()} for t, tensors in self._learning.items()},
            "statistics": self._statistics,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.model.load_state_dict(state["model"])
        move = self.device
        self._learning = {t: {n: x.to(move) for n, x in tensors.items()} for t, tensors in state["own"].items()}
        self._statistics = {t: {n: x.to(move) for n, x in held.items()} for t, held in state["statistics"].items()}

    def _fresh(self) -> dict[str, Tensor]:
        return {
            name: torch.ones_like(buffer) if name.endswith("running_var") else torch.zeros_like(buffer)
            for name, buffer in statistics_of(self.model).items()
        }
