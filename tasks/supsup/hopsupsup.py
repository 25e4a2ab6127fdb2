"""HopSupSup: the masks of all tasks in a Hopfield network, recovered by gradient descent on unlabelled images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.hopfield import Hopfield, recover
from analysis.task_inference import entropy
from core.fit import Stage
from core.option_groups import TrainOptions
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.task_sequence import TaskSequence
from layers import BatchNorm1d
from layers.eval_mode import evaluating
from masks.algebra import Masks
from masks.mask_files import fingerprint
from masks.masking import Hard, Sample
from masks.model import MaskedModel, Masking, freeze
from masks.options import method_of
from models.unit_masked_mlp import channel_net
from tasks.supsup.hopsupsup_options import HopSupSupOptions
from tasks.supsup.sequences import sequence_of, sequence_outline
from tasks.task import Task


class HopSupSup(Task[HopSupSupOptions]):
    """A stage, called `learn`, for every task; the last one ends with the recovery of all masks.

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 3.5 and its code. As in the code,
    images are normalised by the statistics of their batch.
    """

    def __init__(self, options: HopSupSupOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        image, classes = sequence_outline(options)
        network = channel_net(image, options.layer_sizes, classes, stream(options.seed, "init"), options.init)
        self.model = freeze(network).to(self.device)
        names = [f"{name}.weight" for name, layer in self.model.named_modules() if isinstance(layer, BatchNorm1d)]
        self.masked = MaskedModel(self.model, method_of(options.mask), names, unit=options.mask.unit)

    @cached_property
    def tasks(self) -> TaskSequence:
        """The tasks, whose images are loaded when they are first used."""
        return sequence_of(self.options, self.device)

    def state_dict(self) -> dict[str, Any]:
        """Return scores and masks; the weights are their seed."""
        return self.masked.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.masked.load_state_dict(state)

    def stages(self) -> Iterator[Stage]:
        """Yield a stage for each task."""
        train = self.options.train
        for task in range(self.tasks.count):
            yield Stage(
                name="learn",
                batch=partial(self.batch, task),
                steps=self.tasks.epoch(task) * train.epochs,
                parameters=partial(self.masked.add_scores, name_of(task), self.options.mask.init, self.options.seed),
                masking=partial(Sample, name_of(task), 1),
                annealed=self.masked.annealed,
                loss=self.loss,
                evaluate=partial(self.measure, task),
                optim=TrainOptions.of(train, optimizer="sgd", grad_clip=None, eval_every=self.tasks.epoch(task)),
                on_end=partial(self.finish, task),
            )  # fmt: skip

    def batch(self, task: int, rng: torch.Generator, step: int) -> tuple[Tensor, Tensor]:
        """Return the training batch of a step."""
        return self.tasks.batch(task, step)

    def loss(self, batch: tuple[Tensor, Tensor], masking: Sample) -> Tensor:
        """Return the mean cross entropy."""
        x, y = batch
        return cross_entropy(self.masked(x, masking), y)

    def right(self, x: Tensor, y: Tensor, masking: Masking) -> float:
        """Return the fraction of images that are answered right, in even batches of `infer.batch_size` or more."""
        count = max(1, len(x) // self.options.infer.batch_size)
        with evaluating(self.model):
            parts = [self.masked(part, masking).argmax(-1) for part in x.tensor_split(count)]
        return (torch.cat(parts) == y).double().mean().item()

    def measure(self, task: int) -> dict[str, float]:
        """Return the accuracy of the task's mask on held-out images, and how many units it keeps."""
        numbers = {"task": float(task), "kept": self.masked.masks(name_of(task)).density()}
        if "valid" in self.tasks.parts:
            numbers["valid/accuracy"] = self.right(*self.tasks.examples(task, "valid"), Hard(name_of(task)))
        return numbers

    def finish(self, task: int) -> dict[str, float]:
        """Settle the mask; after the last one, store all of them and find each again."""
        masks = self.masked.finalize(name_of(task))
        masks.save(self.run.path("masks", f"{name_of(task)}.npz"), fingerprint(self.masked.weights))
        return self.find_all() if task == self.tasks.count - 1 else {}

    def find_all(self) -> dict[str, float]:
        """Recover the mask of every task from its test images, without labels and without the task's identity."""
        count = self.tasks.count
        every = [vectors(self.masked.masks(name_of(task))) for task in range(count)]
        stores = [Hopfield(len(z), self.device) for z in every[0]]
        for z in every:
            for store, part in zip(stores, z, strict=True):
                store.add(part)
        found: dict[str, list[float]] = {name: [] for name in ("gg", "found", "distance", "nearest", "same")}
        for task in range(count):
            x, y = self.tasks.examples(task, "test")
            z = self.find(stores, x)
            distances = [distance(z, other) for other in every]
            found["gg"].append(self.right(x, y, Hard(name_of(task))))
            found["found"].append(self.right(x, y, Recovered(z)))
            found["distance"].append(float(distances[task]))
            found["nearest"].append(float(min(range(count), key=distances.__getitem__) == task))
            found["same"].append(float(distances[task] == 0))
        self.run.write_arrays("tasks", **{name: torch.tensor(values).numpy() for name, values in found.items()})
        numbers = {f"final/{name}": math.fsum(values) / count for name, values in found.items()}
        bits = sum(len(z) for z in every[0])
        hopfield = 4 * sum(len(z) ** 2 for z in every[0])
        sizes = {"units": bits, "bytes/masks": count * bits / 8, "bytes/hopfield": hopfield}
        return numbers | {f"final/{name}": float(value) for name, value in sizes.items()}

    def find(self, stores: Sequence[Hopfield], x: Tensor) -> list[Tensor]:
        """Return the mask that images of one task need, z of each layer."""
        chosen = self.options.infer
        batches = [part for part in x.split(chosen.batch_size) if len(part) == chosen.batch_size] or [x]
        return recover(
            stores, batches * chosen.passes, lambda z, part: entropy(self.masked(part, Recovered(z))),
            chosen.strength, chosen.lr, weight_decay=chosen.weight_decay,
        )  # fmt: skip


class Recovered:
    """Masking: units switched by z of each layer, in {-1, 1}."""

    k = None

    def __init__(self, z: Sequence[Tensor]):
        self.z = z

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        """Return name -> W * (z + 1) / 2."""
        pairs = zip(masked.weights.items(), self.z, strict=True)
        return {name: weight * (z + 1) / 2 for (name, weight), z in pairs}


def name_of(task: int) -> str:
    """Return the name of a task's mask."""
    return f"task_{task:04d}"


def vectors(masks: Masks) -> list[Tensor]:
    """Return z of each layer: 1 where a unit is kept, -1 elsewhere."""
    return [2 * mask.float() - 1 for mask in masks.values()]


def distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> int:
    """Return in how many units two masks differ."""
    return sum(int((x != y).sum()) for x, y in zip(a, b, strict=True))
