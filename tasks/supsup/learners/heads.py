"""Separate heads: each task has its own output layer on a shared trunk."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tasks.supsup.learners.learner import Learner


class Heads(Learner):
    """The initial head of every task is the network's own output layer as initialised.

    train_weights_for=1 trains the trunk on the first task; 0 leaves it random; none trains it for every task, and the
    accuracy right after a task is then the upper bound that a network of its own would reach.

    Source: the baselines of "Supermasks in Superposition", NeurIPS 2020, section 4.1.
    """

    def own(self, task: int) -> dict[str, Tensor]:
        if task not in self._learning:
            name, weight = self._last()
            self._learning[task] = {name: weight.detach().clone()}
        return self._learning[task]

    def begin(self, tasks: Sequence[int]) -> dict[str, Tensor]:
        """Return the heads of these tasks, and the trunk where it is trained."""
        found = super().begin(tasks)
        found.pop(f"weight/{self._last()[0]}", None)  # every head begins as this one, which stays as it was drawn
        return found

    def _last(self) -> tuple[str, Tensor]:
        return list(self.model.named_parameters())[-1]

    def learned(self, task: int) -> dict[str, Tensor]:
        return dict(self.own(task))

    def own_bytes(self, task: int) -> float:
        return 4.0 * sum(tensor.numel() for tensor in self.own(task).values())
