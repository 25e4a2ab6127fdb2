"""Arithmetic in a network: what the arithmetic tasks share about batches, losses and accuracies."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.faithfulness.evaluation import Evaluation
from analysis.inverse import inverse
from data.arithmetic import BASE, HeldOut, digits, draw_set
from layers.eval_mode import evaluating
from masks.algebra import Masks
from masks.masking import Given
from masks.model import Masking
from models.layered import Layered
from tasks.modularity.arithmetic_options import ArithmeticOptions
from tasks.subnets import CONTROL, SubnetTask

EVAL_BATCH = 8192
Cases = dict[str, Tensor]


@dataclass(frozen=True)
class EvalSet:
    """An evaluation set in which every distinct case occurs once.

    Attributes:
        cases: name -> [C, ...], the different inputs.
        items: [N, P] index into the C * A answers: which answers make up item n.
        operation: [N] index of the operation asked for, or None.
    """

    cases: Cases
    items: Tensor
    operation: Tensor | None = None


ArithmeticT = TypeVar("ArithmeticT", bound=ArithmeticOptions)


class Arithmetic(SubnetTask[ArithmeticT]):
    """Base of the arithmetic tasks. A case is one forward pass; it gives A answers of `n_digits` digits."""

    model: Layered

    def groups(self) -> list[list[str]]:
        return self.model.groups()

    @cached_property
    def train_set(self) -> Cases:
        """The training examples."""
        return self.make_train_set()

    @cached_property
    def eval_sets(self) -> dict[str, EvalSet]:
        """The sets "valid", "test" and "seen"."""
        return {name: self.make_eval_set(name) for name in ("valid", "test", "seen")}

    def draw_pairs(self, which: str, n: int, per_item: int) -> Tensor:
        """Return the operands of a set, [n, per_item, 2], as data.split says."""
        data = self.options.data
        held_out = None if data.split == "seen" else HeldOut(data.held_out, ordered=data.split == "unseen_order")
        return draw_set(which, n, per_item, self.options.n_digits, held_out, 0, self.device)

    @abstractmethod
    def make_train_set(self) -> Cases:
        """Return the training examples, name -> [N, ...]."""

    @abstractmethod
    def make_eval_set(self, name: str) -> EvalSet:
        """Return the set "valid", "test" or "seen"."""

    @abstractmethod
    def cases(self, examples: Cases, subtask: str | None) -> Cases:
        """Return the forward passes of a training batch; only the subtask's when one is given."""

    @abstractmethod
    def logits(self, cases: Cases, masking: Masking | None, subtask: str | None) -> Tensor:
        """Run the network: [C, A, n_digits, 10], A answers a case."""

    @abstractmethod
    def results(self, cases: Cases, subtask: str | None) -> Tensor:
        """Return the right answers as numbers [C, A]."""

    @abstractmethod
    def parts(self, correct: Tensor, eval_set: EvalSet) -> dict[str, float]:
        """Return the accuracy of each part of the task from [N, P] right or wrong."""

    def subset(self, subtask: str) -> Tensor | None:
        """Return the indices of the training examples of a subtask; None for all."""
        return None

    @abstractmethod
    def restricted(self, eval_set: EvalSet, subtask: str | None) -> EvalSet:
        """Return the items of a subtask only (all of them for None)."""

    def draw(self, rng: torch.Generator, size: int, subtask: str | None) -> Cases:
        """Draw `size` training examples with replacement and return their forward passes."""
        subset = None if subtask is None else self.subset(subtask)
        n = len(next(iter(self.train_set.values()))) if subset is None else len(subset)
        index = torch.randint(n, (size,), generator=rng).to(self.device)
        index = index if subset is None else subset[index]
        return self.cases({name: tensor[index] for name, tensor in self.train_set.items()}, subtask)

    def loss(self, cases: Cases, subtask: str | None, masking: Masking | None) -> Tensor:
        """Return the mean cross entropy over cases, answers and digits."""
        logits = self.logits(cases, masking, subtask)
        targets = digits(self.results(cases, subtask), self.options.n_digits)
        return cross_entropy(logits.flatten(0, -2), targets.flatten())

    def answers(self, masking: Masking | None, eval_set: EvalSet, subtask: str | None = None) -> tuple[Tensor, Tensor]:
        """Return every case's loss [C, A] and answer as a number [C, A], in eval mode."""
        n_digits, losses, numbers = self.options.n_digits, [], []
        size = self.options.train.eval_batch_size or EVAL_BATCH
        with evaluating(self.model):
            for start in range(0, len(next(iter(eval_set.cases.values()))), size):
                cases = {name: tensor[start : start + size] for name, tensor in eval_set.cases.items()}
                logits = self.logits(cases, masking, subtask)
                target = digits(self.results(cases, subtask), n_digits)
                loss = cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
                losses.append(loss.view(target.shape).mean(-1))
                numbers.append((logits.argmax(-1) * BASE ** torch.arange(n_digits, device=self.device)).sum(-1))
        return torch.cat(losses), torch.cat(numbers)

    def evaluation(self, name: str, subtask: str | None, size: int) -> Evaluation:
        """Return the first forward passes of a set, at most `size`, that a subtask consists of; None: the whole task.

        A pass counts as right when all its answers are right.
        """
        eval_set = self.restricted(self.eval_sets[name], subtask)
        answers = self.results(eval_set.cases, subtask).shape[1]
        index = (eval_set.items[:, ::answers] // answers).flatten()[:size]
        cases = {key: tensor[index] for key, tensor in eval_set.cases.items()}
        targets = digits(self.results(cases, subtask), self.options.n_digits)
        return Evaluation(
            self.masked, lambda one, masking: self.logits(dict(one), masking, subtask), [(cases, targets)]
        )

    def accuracy(self, masking: Masking | None, name: str) -> dict[str, float]:
        """Return accuracy/<part> of the whole task on a set: valid, test or seen."""
        eval_set = self.eval_sets[name]
        _, numbers = self.answers(masking, eval_set)
        correct = (numbers == self.results(eval_set.cases, None)).flatten()[eval_set.items]
        return {f"accuracy/{part}": value for part, value in self.parts(correct, eval_set).items()}

    def measure(self, masking: Masking | None, subtask: str | None) -> dict[str, float]:
        """Return loss and accuracies on valid and seen; under a restriction, those of the subtask alone."""
        numbers: dict[str, float] = {}
        for name in ("valid", "seen"):
            eval_set = self.restricted(self.eval_sets[name], subtask)
            losses, answers = self.answers(masking, eval_set, subtask)
            correct = answers == self.results(eval_set.cases, subtask)
            numbers[f"{name}/loss"] = losses.flatten()[eval_set.items].mean().item()
            items = correct.flatten()[eval_set.items]
            found = self.parts(items, eval_set) if subtask is None else {"total": items.double().mean().item()}
            numbers |= {f"{name}/accuracy/{part}": value for part, value in found.items()}
        return numbers

    def extra(self, subnet: str, masks: Masks) -> dict[str, float]:
        """Test the inverse of a mask."""
        control = self.masked.masks(CONTROL)
        numbers: dict[str, float] = {}
        for way in self.options.inverse_io:
            if subnet != CONTROL or way != "control":
                masking = Given(inverse(masks, self.model.io(), way, control))
                numbers |= self.all_accuracies(f"inverse/{subnet}/{way}", masking, ("valid", "test"))
        return numbers
