"""Shared by the experiments with many tasks in one network: the tasks, the network, and how they are tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial, reduce
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from analysis.accuracy import accuracy
from analysis.task_inference import Answer, binary, exhaustive, gradient, objective_of, one_shot
from core.errors import OptionError
from core.store import Run
from core.trackers import Mirrors
from data.task_sequence import TaskSequence
from layers.batch_norm_stats import statistics_of
from layers.eval_mode import outputs
from layers.functional.batching import forward
from tasks.random_nets import network_of
from tasks.supsup.learners.learner import Learner
from tasks.supsup.learners.masks import MaskLearner
from tasks.supsup.sequences import sequence_of, sequence_outline
from tasks.supsup.supsup_options import ManyTasksOptions
from tasks.task import Task

LARGE = 1e6  # the margin where there is only one task to choose
INFERENCES = {"one-shot": one_shot, "binary": binary, "gradient": gradient}


ManyTasksT = TypeVar("ManyTasksT", bound=ManyTasksOptions)


class ManyTasks(Task[ManyTasksT]):
    """Base of supsup and supsup_nns.

    Args:
        options, run, mirrors: as of `Task`.
        learner: (network, options, run) -> how tasks are learned.
    """

    def __init__(
        self, options: ManyTasksT, run: Run, mirrors: Mirrors,
        learner: Callable[[nn.Module, ManyTasksOptions, Run], Learner],
    ):  # fmt: skip
        super().__init__(options, run, mirrors)
        image, classes = sequence_outline(options)
        outputs = classes if options.outputs is None else options.outputs
        if outputs < classes:
            raise OptionError(f"outputs={outputs} is fewer than the {classes} classes of a task")
        if options.infer.strategy != "none" and options.infer.objective == "G" and outputs == classes:
            raise OptionError(f"infer.objective=G needs superfluous outputs: outputs above {classes}")
        self.model = network_of(options, options.mask, options.seed, image, outputs, self.device).train()
        if options.infer.strategy != "none" and statistics_of(self.model):
            raise OptionError(
                f"infer.strategy={options.infer.strategy} needs a network without batch normalisation, whose "
                f"statistics belong to a task; model={options.model}: infer.strategy=none"
            )
        self.learner = learner(self.model, options, run)

    @cached_property
    def tasks(self) -> TaskSequence:
        """The tasks, whose images are loaded when they are first used."""
        return sequence_of(self.options, self.device)

    # training

    def loss(self, tasks: Sequence[int], batch: tuple[Tensor, Tensor], draw: tuple[int, float]) -> Tensor:
        """Return the sum of the tasks' mean cross entropies; chunk i of the batch is of task i.

        Args:
            tasks: their numbers.
            batch: images and labels.
            draw: seed of the masks, and the progress of the training.
        """
        x, y = batch
        weights, statistics = self.learner.weights(tasks, *draw), self.learner.normalisation(tasks)
        logits = forward(self.model, weights | statistics, len(tasks), x)
        self.learner.keep_normalisation(tasks, statistics)
        parts = zip(logits.chunk(len(tasks)), y.chunk(len(tasks)), strict=True)
        loss = reduce(torch.add, (cross_entropy(part, target) for part, target in parts))
        if isinstance(self.learner, MaskLearner) and self.options.mask.penalty:
            loss = loss + self.options.mask.penalty * len(tasks) / len(y) * self.learner.penalty(tasks, draw[1])
        return loss

    # testing

    def logits(self, network: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Return the outputs of the network with these weights, in evaluation mode."""
        size = self.options.train.eval_batch_size
        return outputs(self.model, lambda part: forward(self.model, network, None, part), x, size)

    def accuracy(self, task: int, part: str, own: int | None = None) -> float:
        """Return the fraction of a set of a task that the network `own` (None: that of its number) answers right."""
        x, y = self.tasks.examples(task, part)
        network = self.learner.network(task if own is None else own)
        return accuracy(self.logits(network, x), y)

    def infer(self, x: Tensor) -> Answer:
        """Return which of the learned tasks the images x [N, C, H, W] are of."""
        chosen, learner = self.options.infer, self.learner
        assert isinstance(learner, MaskLearner)
        if chosen.strategy == "exhaustive":
            return exhaustive(learner.masked, learner.bits, x)
        objective = objective_of(chosen.objective, self.tasks.classes)
        return INFERENCES[chosen.strategy](learner.masked, learner.bits, x, objective)

    def tested(self, task: int, own: int | None, right: Callable[[int], bool]) -> dict[str, float]:
        """Return the test results of a task, each a fraction of its images or batches.

        Args:
            task: whose images.
            own: index of the network to use when the task is given; None: it has none, and all answers are wrong.
            right: whether the network found for a batch is one of this task.

        Returns:
            "gg" accuracy when the task is told; "gns" when it is inferred for each batch; "gnu" the same where a wrong
            network makes the whole batch wrong; "inferred" fraction of batches with a right one; "margin" the mean
            difference of the second score to the first.

        Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, table 1 and its code.
        """
        x, y = self.tasks.examples(task, "test")
        chosen = self.options.infer
        told = None if own is None else self.logits(self.learner.network(own), x).argmax(-1) == y
        gg = 0.0 if told is None else told.double().mean().item()
        if chosen.strategy == "none":
            return {"gg": gg}
        starts = range(0, len(y), chosen.batch_size)[: chosen.batches]
        batches = [(x[i : i + chosen.batch_size], y[i : i + chosen.batch_size]) for i in starts]
        answers = [self.infer(images[: chosen.images]) for images, _ in batches]
        found = [
            int(told[i * chosen.batch_size :][: len(batch[1])].sum())
            if told is not None and answer.task == own
            else self._right(answer.task, *batch)
            for i, (answer, batch) in enumerate(zip(answers, batches, strict=True))
        ]
        good = [right(answer.task) for answer in answers]
        margins = [min(answer.margin, LARGE) for answer in answers]
        total = sum(len(labels) for _, labels in batches)
        return {
            "gg": gg, "gns": sum(found) / total,
            "gnu": sum(hits for hits, ok in zip(found, good, strict=True) if ok) / total,
            "inferred": sum(good) / len(good), "margin": float(np.mean(margins)),
        }  # fmt: skip

    def _right(self, task: int, x: Tensor, y: Tensor) -> int:
        return int((self.logits(self.learner.network(task), x).argmax(-1) == y).sum())

    def all_tested(self, own: Sequence[int | None], right: Callable[[int, int], bool]) -> dict[str, list[float]]:
        """Return what `tested` says of each task.

        Args:
            own: of each task, the number of its network.
            right: (task, number of a network) -> whether the network is one of the task.
        """
        each = [self.tested(task, number, partial(right, task)) for task, number in enumerate(own)]
        return {name: [one[name] for one in each] for name in each[0]}
