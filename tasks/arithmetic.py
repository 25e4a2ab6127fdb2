"""Which weights does each part of a composed function use? The experiment shared by the arithmetic tasks.

Stages: `train` (the network), then masks on the frozen network: `control` (the whole task) and one per subtask.
Each mask stage ends with the accuracies of its subnet, of its inverse and of random masks of its size.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.half import half
from analysis.histogram import probability_histogram
from analysis.inverse import inverse
from analysis.overlap import overlap, remaining, sharing
from core.fit import Stage
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.arithmetic import digits
from masks.algebra import Masks
from masks.model import MaskedModel, Rows, freeze
from masks.options import method_of
from masks.rows import Given, Hard, Sample
from masks.select import maskable
from tasks.task import Task

CONTROL = "control"
EVAL_BATCH = 8192
Cases = dict[str, Tensor]


@dataclass(frozen=True)
class EvalSet:
    """A set to measure on, every different case only once.

    Attributes:
        cases: name -> [C, ...], the different inputs.
        items: [N, P] index into the C * A answers: which answers make up item n.
        operation: [N] index of the operation asked for, or None.
    """

    cases: Cases
    items: Tensor
    operation: Tensor | None = None


class Arithmetic(Task):
    """Base of the arithmetic tasks: says nothing about what the numbers are, only how parts of a task are masked.

    Source: Csordas, van Steenkiste, Schmidhuber, "Are Neural Nets Modular?", ICLR 2021, sections 3.1 and 3.2.
    """

    subtasks: tuple[str, ...]
    middle_is_early = False  # the half-mask test of a network with an odd number of layers

    def __init__(self, options: Any, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.train_set = self.make_train_set()
        self.eval_sets = {name: self.make_eval_set(name) for name in ("valid", "test", "seen")}
        self.model = self.make_model(stream(options.seed, "init")).to(self.device)
        names = maskable(
            dict(self.model.named_parameters()), options.mask.include, options.mask.exclude, options.mask.bias
        )
        self.masked = MaskedModel(self.model, method_of(options.mask), names)

    @abstractmethod
    def make_train_set(self) -> Cases:
        """Return the training examples, name -> [N, ...]."""

    @abstractmethod
    def make_eval_set(self, name: str) -> EvalSet:
        """Return the set "valid", "test" or "seen"."""

    @abstractmethod
    def make_model(self, rng: torch.Generator) -> torch.nn.Module:
        """Return the network, initialised from `rng`; it has `groups()` and `io()`."""

    @abstractmethod
    def cases(self, examples: Cases, subtask: str | None) -> Cases:
        """Return the forward passes of a training batch; only the subtask's when one is given."""

    @abstractmethod
    def logits(self, cases: Cases, rows: Rows | None, subtask: str | None) -> Tensor:
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

    # stages

    def stages(self) -> Iterator[Stage]:
        """Yield `train`, `control` and the subtasks."""
        self.model.requires_grad_(True).train()
        yield Stage(
            name="train",
            data=self.train_batch,
            steps=self.options.train.steps,
            train=dict(self.model.named_parameters()),
            loss=lambda batch, rows: self.loss(*batch, rows),
            measure=lambda: self.measure(None, None),
            optim=self.options.train,
            finish=self.finish_training,
            best="valid/accuracy/total",
        )
        freeze(self.model)
        self.before_masks()
        for subnet in (CONTROL, *self.subtasks):
            yield self.mask_stage(subnet)

    def train_batch(self, rng: torch.Generator, step: int) -> tuple[Cases, str | None]:
        """Draw the batch of a weight-training step and say which subtask it is restricted to."""
        return self.draw(rng, self.options.train.batch_size, None), None

    def before_masks(self) -> None:
        """Change the trained network before masks are learned; runs again on resuming."""

    def mask_stage(self, subnet: str) -> Stage:
        """Return the stage that learns the mask of the whole task or of one subtask."""
        mask, subtask = self.options.mask, None if subnet == CONTROL else subnet
        size = mask.batch_size or self.options.train.batch_size
        scale = mask.penalty / size
        return Stage(
            name=subnet,
            data=lambda rng, step: (self.draw(rng, size, subtask), subtask),
            steps=mask.steps,
            train=self.masked.learn(subnet, mask.init, self.options.seed),
            rows=lambda seed: Sample(subnet, mask.samples, seed),
            loss=lambda batch, rows: self.loss(*batch, rows) + scale * self.masked.penalty(subnet),
            measure=lambda: self.measure(Hard(subnet), subtask) | {"kept": self.masked.masks(subnet).density()},
            optim=dataclasses.replace(
                self.options.train, lr=mask.lr, warmup=mask.warmup, optimizer="adam", schedule="constant",
                weight_decay=0.0,
            ),
            finish=lambda: self.finish_mask(subnet),
        )

    def draw(self, rng: torch.Generator, size: int, subtask: str | None) -> Cases:
        """Draw `size` training examples with replacement and return their forward passes."""
        subset = None if subtask is None else self.subset(subtask)
        n = len(next(iter(self.train_set.values()))) if subset is None else len(subset)
        index = torch.randint(n, (size,), generator=rng).to(self.device)
        index = index if subset is None else subset[index]
        return self.cases({name: tensor[index] for name, tensor in self.train_set.items()}, subtask)

    def loss(self, cases: Cases, subtask: str | None, rows: Rows | None) -> Tensor:
        """Return the mean cross entropy over cases, answers and digits."""
        logits = self.logits(cases, rows, subtask)
        targets = digits(self.results(cases, subtask), self.options.n_digits)
        return cross_entropy(logits.flatten(0, -2), targets.flatten())

    # measuring

    @torch.no_grad()
    def answers(self, rows: Rows | None, eval_set: EvalSet, subtask: str | None = None) -> tuple[Tensor, Tensor]:
        """Return every case's loss [C, A] and answer as a number [C, A], in eval mode."""
        training, n_digits = self.model.training, self.options.n_digits
        self.model.eval()
        losses, numbers = [], []
        size = self.options.train.eval_batch_size or EVAL_BATCH
        for start in range(0, len(next(iter(eval_set.cases.values()))), size):
            cases = {name: tensor[start : start + size] for name, tensor in eval_set.cases.items()}
            logits = self.logits(cases, rows, subtask)
            target = digits(self.results(cases, subtask), n_digits)
            loss = cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
            losses.append(loss.view(target.shape).mean(-1))
            numbers.append((logits.argmax(-1) * 10 ** torch.arange(n_digits, device=self.device)).sum(-1))
        self.model.train(training)
        return torch.cat(losses), torch.cat(numbers)

    def accuracy(self, rows: Rows | None, name: str) -> dict[str, float]:
        """Return accuracy/<part> of the whole task on a set: valid, test or seen."""
        eval_set = self.eval_sets[name]
        _, numbers = self.answers(rows, eval_set)
        correct = (numbers == self.results(eval_set.cases, None)).flatten()[eval_set.items]
        return {f"accuracy/{part}": value for part, value in self.parts(correct, eval_set).items()}

    def measure(self, rows: Rows | None, subtask: str | None) -> dict[str, float]:
        """Return loss and accuracies on valid and seen; under a restriction, those of the subtask alone."""
        numbers: dict[str, float] = {}
        for name in ("valid", "seen"):
            eval_set = self.restricted(self.eval_sets[name], subtask)
            losses, answers = self.answers(rows, eval_set, subtask)
            correct = answers == self.results(eval_set.cases, subtask)
            numbers[f"{name}/loss"] = losses.flatten()[eval_set.items].mean().item()
            items = correct.flatten()[eval_set.items]
            found = self.parts(items, eval_set) if subtask is None else {"total": items.double().mean().item()}
            numbers |= {f"{name}/accuracy/{part}": value for part, value in found.items()}
        return numbers

    @abstractmethod
    def restricted(self, eval_set: EvalSet, subtask: str | None) -> EvalSet:
        """Return the items of a subtask only (all of them for None)."""

    def all_accuracies(self, prefix: str, rows: Rows | None, sets: tuple[str, ...]) -> dict[str, float]:
        """Return <prefix>/<set>/accuracy/<part> for these sets."""
        return {f"{prefix}/{name}/{k}": v for name in sets for k, v in self.accuracy(rows, name).items()}

    # ends of stages

    def finish_training(self) -> dict[str, float]:
        """Measure the trained network on every set."""
        if self.options.run.save_tensors:
            self.run.write_arrays("weights", **_arrays(self.model.state_dict()))
        return self.all_accuracies("final/network", None, ("valid", "test", "seen"))

    def finish_mask(self, subnet: str) -> dict[str, float]:
        """Save the mask and test it: alone, inverted, by halves, and against random masks of its size."""
        scores = self.masked.scores(subnet)
        if self.options.run.save_tensors:
            self.run.write_arrays(f"scores_{subnet}", **_arrays(scores))
        edges, counts = probability_histogram(scores)
        self.run.write_arrays(f"histogram_{subnet}", edges=edges, counts=counts)
        for name, tensor in scores.items():
            self.mirrors.histogram(f"{subnet}/probability/{name}", tensor.detach().sigmoid().cpu().numpy(), 0)
        masks = self.masked.settle(subnet)
        masks.save(self.run.path("masks", f"{subnet}.npz"))

        numbers = self.all_accuracies(f"final/{subnet}", Hard(subnet), ("valid", "test", "seen"))
        control = self.masked.masks(CONTROL)
        for way in self.options.inverse_io:
            if subnet != CONTROL or way != "control":
                rows = Given(inverse(masks, self.model.io(), way, control))
                numbers |= self.all_accuracies(f"inverse/{subnet}/{way}", rows, ("valid", "test"))
        random = masks.random(stream(self.options.seed, "control", subnet))
        numbers |= self.all_accuracies(f"random/{subnet}", Given(random), ("test",))
        if subnet == CONTROL:
            for early in (True, False):
                rows = Given(half(masks, self.model.groups(), early, self.middle_is_early))
                numbers |= self.all_accuracies(f"half/{'early' if early else 'late'}", rows, ("test",))
        numbers |= self.extra(subnet)
        if subnet == self.subtasks[-1]:
            numbers |= self.compare()
        return numbers

    def extra(self, subnet: str) -> dict[str, float]:
        """Measure what only this task measures."""
        return {}

    def compare(self) -> dict[str, float]:
        """Compare the finished masks: sharing, overlap, and what remains of the control."""
        control = self.masked.masks(CONTROL)
        subnets: dict[str, Masks] = {name: self.masked.masks(name) for name in self.subtasks}
        first, second = subnets.values()
        sizes = {f"size/{name}": float(mask.numel()) for name, mask in control.items()}
        kept_control = {f"kept/{CONTROL}/{name}": float(mask.sum()) for name, mask in control.items()}
        return (
            sizes | {"size/total": float(control.size())}
            | kept_control | {f"kept/{CONTROL}/total": float(control.count())}
            | sharing(subnets) | remaining(control, subnets) | overlap(first, second)
        )


def _arrays(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
