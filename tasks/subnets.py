"""A mask for the whole task and one for each of its parts: the experiment of "Are Neural Nets Modular?".

Stages: `train` (the network), then masks on the frozen network: `control` (the whole task) and one per subtask.
Each mask stage ends with the accuracies of its subnet, of its inverse and of random masks of its size.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from analysis.half import half
from analysis.histogram import probability_histogram
from analysis.inverse import inverse
from analysis.overlap import overlap, remaining, sharing
from analysis.picture import picture
from core.fit import Stage
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from masks.algebra import Masks
from masks.model import MaskedModel, Rows, freeze
from masks.options import method_of
from masks.rows import Given, Hard, Sample
from masks.select import maskable
from tasks.task import Task

CONTROL = "control"


class SubnetTask(Task):
    """Base of the tasks that learn a mask per subtask. A task says what a batch, a loss and an accuracy are.

    Source: Csordas, van Steenkiste, Schmidhuber, "Are Neural Nets Modular?", ICLR 2021, section 3.
    """

    subtasks: tuple[str, ...]
    middle_is_early = False  # the half-mask test of a network with an odd number of layers

    def __init__(self, options: Any, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.model = self.make_model(stream(options.seed, "init")).to(self.device)
        names = maskable(
            dict(self.model.named_parameters()), options.mask.include, options.mask.exclude, options.mask.bias
        )
        self.masked = MaskedModel(self.model, method_of(options.mask), names)

    def state_dict(self) -> dict[str, Any]:
        """Return the weights and every subnet's scores."""
        return self.masked.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.masked.load_state_dict(state)

    @abstractmethod
    def make_model(self, rng: torch.Generator) -> torch.nn.Module:
        """Return the network, initialised from `rng`; it has `groups()` and `io()`."""

    @abstractmethod
    def draw(self, rng: torch.Generator, size: int, subtask: str | None) -> Any:
        """Draw a training batch of `size` examples, of one subtask or of the whole task."""

    @abstractmethod
    def loss(self, batch: Any, subtask: str | None, rows: Rows | None) -> Tensor:
        """Return the mean loss of a batch, without regularisers."""

    @abstractmethod
    def measure(self, rows: Rows | None, subtask: str | None) -> dict[str, float]:
        """Return <set>/loss and <set>/accuracy/<part> while training; under a restriction, of the subtask alone."""

    @abstractmethod
    def accuracy(self, rows: Rows | None, name: str) -> dict[str, float]:
        """Return accuracy/<part> of the whole task on the set "valid", "test" or "seen"."""

    # stages

    def stages(self) -> Iterator[Stage]:
        """Yield `train`, `control` and the subtasks."""
        self.model.requires_grad_(True).train()
        yield Stage(
            name="train",
            data=self.train_batch,
            steps=self.options.train.steps,
            train=lambda: dict(self.model.named_parameters()),
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

    def train_batch(self, rng: torch.Generator, step: int) -> tuple[Any, str | None]:
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
            train=lambda: self.masked.learn(subnet, mask.init, self.options.seed),
            rows=lambda seed: Sample(subnet, mask.samples, seed),
            loss=lambda batch, rows: self.loss(*batch, rows) + scale * self.masked.penalty(subnet),
            measure=lambda: self.measure(Hard(subnet), subtask) | {"kept": self.masked.masks(subnet).density()},
            optim=dataclasses.replace(
                self.options.train, lr=mask.lr, warmup=mask.warmup, optimizer="adam", schedule="constant",
                weight_decay=0.0,
            ),
            finish=lambda: self.finish_mask(subnet),
        )

    def all_accuracies(self, prefix: str, rows: Rows | None, sets: tuple[str, ...]) -> dict[str, float]:
        """Return <prefix>/<set>/accuracy/<part> for these sets."""
        return {f"{prefix}/{name}/{k}": v for name in sets for k, v in self.accuracy(rows, name).items()}

    # ends of stages

    def finish_training(self) -> dict[str, float]:
        """Measure the trained network on every set."""
        if self.options.run.save_tensors:
            self.run.write_tensors("weights", self.model.state_dict())
        return self.all_accuracies("final/network", None, ("valid", "test", "seen"))

    def finish_mask(self, subnet: str) -> dict[str, float]:
        """Save the mask and test it: alone, inverted, by halves, and against random masks of its size."""
        scores = self.masked.scores(subnet)
        if self.options.run.save_tensors:
            self.run.write_tensors(f"scores_{subnet}", scores)
        edges, counts = probability_histogram(scores)
        self.run.write_arrays(f"histogram_{subnet}", edges=edges, counts=counts)
        for name, tensor in scores.items():
            self.mirrors.histogram(f"{subnet}/probability/{name}", tensor.detach().sigmoid().cpu().numpy())
        masks = self.masked.settle(subnet)
        masks.save(self.run.path("masks", f"{subnet}.npz"))
        for name, mask in masks.items():
            if mask.dim() > 1:
                self.mirrors.image(f"{subnet}/mask/{name}", picture(mask))

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
        kept_control = {f"kept/{CONTROL}/{name}": float(mask.count_nonzero()) for name, mask in control.items()}
        return (
            sizes | {"size/total": float(control.size())}
            | kept_control | {f"kept/{CONTROL}/total": float(control.count())}
            | sharing(subnets) | remaining(control, subnets) | overlap(first, second)
        )
