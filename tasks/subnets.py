"""A mask for the whole task and one for each of its parts: the experiment of "Are Neural Nets Modular?".

Stages: `train` (the network), then masks on the frozen network: `control` (the whole task) and one per subtask.
Each mask stage ends with the accuracies of its subnet, of its inverse and of random masks of its size.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from analysis.half import half
from analysis.histogram import probability_histogram
from analysis.overlap import overlap, remaining, sharing
from analysis.picture import picture
from core.fit import Stage
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from masks.algebra import Masks
from masks.maskable import maskable
from masks.masking import Given, Hard, Sample
from masks.model import MaskedModel, Masking, freeze
from masks.options import method_of
from tasks.pretrained import restore
from tasks.subnets_options import SubnetOptions
from tasks.task import Task

log = logging.getLogger("sieve")
CONTROL = "control"


SubnetT = TypeVar("SubnetT", bound=SubnetOptions)


class SubnetTask(Task[SubnetT]):
    """Base of the tasks that train a mask per subtask. A task defines batches, loss and accuracy.

    Source: Csordas, van Steenkiste, Schmidhuber, "Are Neural Nets Modular?", ICLR 2021, section 3.
    """

    sets: tuple[str, ...] = ("valid", "test", "seen")  # measured at the end of a stage
    tests: tuple[str, ...] = ("test",)  # measured with half masks and random ones
    middle_is_early = False  # the half-mask test of a network with an odd number of layers
    from_control: frozenset[str] = frozenset()  # parameters whose scores each subtask takes from the control

    def __init__(self, options: SubnetT, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.model = self.make_model(stream(options.seed, "init")).to(self.device)
        names = maskable(
            dict(self.model.named_parameters()), options.mask.include, options.mask.exclude, options.mask.bias
        )
        self.masked = MaskedModel(self.model, method_of(options.mask), names, unit=options.mask.unit)
        self.restored = options.restore_pretrained is not None
        if options.restore_pretrained is not None:
            log.info("weights of %s", restore(self.model, options.restore_pretrained, options.seed))

    def state_dict(self) -> dict[str, Any]:
        """Return the weights and every subnet's scores."""
        return self.masked.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.masked.load_state_dict(state)

    @property
    @abstractmethod
    def subtasks(self) -> tuple[str, ...]:
        """Names of the parts of the task."""

    @abstractmethod
    def make_model(self, rng: torch.Generator) -> torch.nn.Module:
        """Return the network, initialised from `rng`."""

    @abstractmethod
    def groups(self) -> list[list[str]]:
        """Return the network's parameter names by layer, from input to output."""

    @abstractmethod
    def draw(self, rng: torch.Generator, size: int, subtask: str | None) -> Any:
        """Draw a training batch of `size` examples, of one subtask or of the whole task."""

    @abstractmethod
    def loss(self, batch: Any, subtask: str | None, masking: Masking | None) -> Tensor:
        """Return the mean loss of a batch, without regularisers."""

    @abstractmethod
    def measure(self, masking: Masking | None, subtask: str | None) -> dict[str, float]:
        """Return <set>/loss and <set>/accuracy/<part> while training; under a restriction, of the subtask alone."""

    @abstractmethod
    def accuracy(self, masking: Masking | None, name: str) -> dict[str, float]:
        """Return accuracy/<part> of the whole task on one of the `sets`."""

    # stages

    def stages(self) -> Iterator[Stage]:
        """Yield `train`, `control` and the subtasks; `train` has no steps where the weights are a finished run's."""
        self.model.requires_grad_(True).train()
        yield Stage(
            name="train",
            batch=self.train_batch,
            steps=0 if self.restored else self.options.train.steps,
            parameters=lambda: {} if self.restored else dict(self.model.named_parameters()),
            loss=lambda batch, masking: self.loss(batch[0], batch[1], masking),
            evaluate=lambda: self.measure(None, None),
            optim=self.options.train,
            on_end=self.finish_training,
            monitor=self.best,
        )
        freeze(self.model)
        self.before_masks()
        for subnet in self.subnets:
            yield self.mask_stage(subnet)

    @property
    def best(self) -> str:
        """The key of `measure` whose largest value marks the best checkpoint."""
        return "valid/accuracy/total"

    @property
    def subnets(self) -> tuple[str, ...]:
        """The masks to be learned, in their order."""
        return (CONTROL,) if self.options.only_control else (CONTROL, *self.subtasks)

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
            batch=lambda rng, step: (self.draw(rng, size, subtask), subtask),
            steps=mask.steps,
            parameters=lambda: self.scores_to_train(subnet),
            masking=lambda seed, progress: Sample(subnet, mask.samples, seed, progress),
            loss=lambda batch, masking: (
                self.loss(batch[0], batch[1], masking) + scale * self.masked.penalty(subnet, masking.progress)
            ),
            annealed=self.masked.annealed,
            evaluate=lambda: self.measure(Hard(subnet), subtask) | {"kept": self.masked.masks(subnet).density()},
            optim=mask.training(self.options.train.eval_every, self.options.train.grad_clip),
            on_end=lambda: self.finish_mask(subnet),
        )

    def scores_to_train(self, subnet: str) -> Mapping[str, Tensor]:
        """Return the scores of a subnet without those that it takes from the control."""
        scores = self.masked.add_scores(subnet, self.options.mask.init, self.options.seed)
        if subnet == CONTROL:
            return scores
        for name in self.from_control:
            scores[name].requires_grad_(False).copy_(self.masked.scores(CONTROL)[name])
        return {name: tensor for name, tensor in scores.items() if name not in self.from_control}

    def all_accuracies(self, prefix: str, masking: Masking | None, sets: tuple[str, ...]) -> dict[str, float]:
        """Return <prefix>/<set>/accuracy/<part> for these sets."""
        return {f"{prefix}/{name}/{k}": v for name in sets for k, v in self.accuracy(masking, name).items()}

    # ends of stages

    def finish_training(self) -> dict[str, float]:
        """Measure the trained network on every set."""
        if self.options.run.save_tensors:
            self.run.write_tensors("weights", self.model.state_dict())
        return self.all_accuracies("final/network", None, self.sets)

    def finish_mask(self, subnet: str) -> dict[str, float]:
        """Save the mask and test it: alone, by halves, and against random masks of its size."""
        scores = self.masked.scores(subnet)
        if self.options.run.save_tensors:
            self.run.write_tensors(f"scores_{subnet}", scores)
        edges, counts = probability_histogram(scores)
        self.run.write_arrays(f"histogram_{subnet}", edges=edges, counts=counts)
        for name, tensor in scores.items():
            self.mirrors.histogram(f"{subnet}/probability/{name}", tensor.detach().sigmoid().cpu().numpy())
        keep = subnet == CONTROL and self.from_control
        masks = self.masked.masks(subnet) if keep else self.masked.finalize(subnet)
        masks.save(self.run.path("masks", f"{subnet}.npz"))
        for name, mask in masks.items():
            if mask.dim() > 1:
                self.mirrors.image(f"{subnet}/mask/{name}", picture(mask))

        numbers = self.all_accuracies(f"final/{subnet}", Hard(subnet), self.sets)
        random = masks.random(stream(self.options.seed, "control", subnet))
        numbers |= self.all_accuracies(f"random/{subnet}", Given(random), self.tests)
        if subnet == CONTROL:
            for early in (True, False):
                masking = Given(half(masks, self.groups(), early, self.middle_is_early))
                numbers |= self.all_accuracies(f"half/{'early' if early else 'late'}", masking, self.tests)
        numbers |= self.extra(subnet, masks)
        if subnet == self.subnets[-1]:
            numbers |= self.compare()
        return numbers

    def extra(self, subnet: str, masks: Masks) -> dict[str, float]:
        """Measure what only this task measures."""
        return {}

    def compare(self) -> dict[str, float]:
        """Compare the finished masks: sharing, overlap, and what remains of the control."""
        control = self.masked.masks(CONTROL)
        subnets = {name: self.masked.masks(name) for name in self.subnets if name != CONTROL}
        sizes = {f"size/{name}": float(mask.numel()) for name, mask in control.items()}
        kept_control = {f"kept/{CONTROL}/{name}": float(mask.count_nonzero()) for name, mask in control.items()}
        return (
            sizes
            | {"size/total": float(control.size())}
            | kept_control
            | {f"kept/{CONTROL}/total": float(control.count())}
            | sharing(subnets)
            | remaining(control, subnets)
            | (overlap(*subnets.values()) if len(subnets) == 2 else {})
        )
