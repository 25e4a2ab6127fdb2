"""How good is a subnetwork of a random network? Weights stay as they were drawn; learned is which of them to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.fit import Stage
from core.option_groups import TrainOptions
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.epochs import log_spaced
from layers.evaluating import evaluating, own_statistics, statistics_of
from masks.algebra import Masks, fingerprint
from masks.model import MaskedModel, Rows, freeze
from masks.options import method_of
from masks.rows import Given, Hard, Sample
from tasks.images import images_of
from tasks.published_subnetwork import load_subnetwork
from tasks.random_nets import masked_names, network_of
from tasks.task import Task

SUBNET = "subnet"


class EdgePopupTask(Task):
    """One stage: the scores of a mask on random weights, or, as a baseline, the weights without a mask.

    Source: Ramanujan, Wortsman, Kembhavi, Farhadi, Rastegari, "What's Hidden in a Randomly Weighted Neural Network?",
    CVPR 2020. Differs from its code: the best epoch is chosen on validation images, and the test images choose nothing.
    """

    def __init__(self, options: Any, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.sets, self.epochs = images_of(options, self.device)
        x, y = self.sets["train"]
        self.model = network_of(options, x.shape[1:], int(y.max()) + 1, self.device)
        names = masked_names(self.model, options.mask)
        self.masked = MaskedModel(self.model, method_of(options.mask), names, unit=options.mask.unit)
        self.epoch = 0
        self.given: Masks | None = None
        if options.evaluate is not None:
            self.given = load_subnetwork(options.evaluate, self.masked, getattr(options.mask, "keep", 1.0))

    def state_dict(self) -> dict[str, Any]:
        """Return weights and scores."""
        return self.masked.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.masked.load_state_dict(state)

    def stages(self) -> Iterator[Stage]:
        """Yield the one stage, `scores` or `weights`; it has no steps where a given subnetwork is measured."""
        train, per_epoch = self.options.train, self.epochs.steps
        scores = self.options.trained == "scores"
        if scores:
            freeze(self.model).train()  # statistics of batch normalisation go on
        yield Stage(
            name=self.options.trained,
            data=self.batch,
            steps=train.epochs * per_epoch if self.given is None else 0,
            train=self.begin,
            rows=lambda seed, progress: Sample(SUBNET, 1, seed, progress) if scores else None,
            annealed=self.masked.annealed if scores else lambda progress: {},
            loss=self.loss,
            measure=self.measure,
            optim=TrainOptions(
                lr=train.lr, optimizer=train.optimizer, momentum=train.momentum, weight_decay=train.weight_decay,
                warmup=train.warmup * per_epoch, schedule=train.schedule, grad_clip=None,
            ),
            finish=self.finish,
            best="valid/accuracy" if "valid" in self.sets else "",
            plan={epoch * per_epoch for epoch in (0, *log_spaced(train.epochs, train.evaluations))},
        )  # fmt: skip

    def begin(self) -> Mapping[str, Tensor]:
        """Return what is trained."""
        self.epoch = 0
        if self.given is not None:
            return {}
        if self.options.trained == "weights":
            return dict(self.model.named_parameters())
        return self.masked.learn(SUBNET, self.options.mask.init, self.options.seed)

    def batch(self, rng: torch.Generator, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step."""
        self.epoch = (step + 1) // self.epochs.steps
        return self.epochs.batch(step)

    def loss(self, batch: tuple[Tensor, Tensor], rows: Rows | None) -> Tensor:
        """Return the mean cross entropy, and the penalty of the mask."""
        x, y = batch
        loss = cross_entropy(self.masked(x, rows), y, label_smoothing=self.options.train.label_smoothing)
        if rows is None:
            return loss
        return loss + self.options.mask.penalty / len(y) * self.masked.penalty(SUBNET, rows.progress)

    @property
    def hard(self) -> Rows | None:
        """The rows that are measured: the deterministic mask, or the whole network where weights are trained."""
        if self.given is not None:
            return Given(self.given)
        return Hard(SUBNET) if self.options.trained == "scores" else None

    @property
    def masks(self) -> Masks:
        """The subnetwork as it is now."""
        return self.masked.masks(SUBNET) if self.given is None else self.given

    def score(self, rows: Rows | None, part: str) -> dict[str, float]:
        """Return <part>/loss and <part>/accuracy."""
        x, y = self.sets[part]
        with evaluating(self.model):
            size = self.options.train.eval_batch_size
            logits = torch.cat([self.masked(x[i : i + size], rows) for i in range(0, len(y), size)])
        loss = cross_entropy(logits, y, reduction="none").double().mean().item()
        return {f"{part}/loss": loss, f"{part}/accuracy": (logits.argmax(-1) == y).double().mean().item()}

    def measure(self) -> dict[str, float]:
        """Measure what is trained, on the training and the validation images."""
        numbers = {"epoch": self.epoch}
        for part in self.sets.keys() - {"test"}:
            numbers |= self.score(self.hard, part)
        if self.hard is not None:
            numbers["kept"] = self.masks.density()
        return dict(sorted(numbers.items()))

    def finish(self) -> dict[str, float]:
        """Measure every set at the end, and beside the subnetwork one of random masks and the whole random network.

        Batch normalisation takes new statistics for those two, of the training images.
        """
        sets = [part for part in ("valid", "test") if part in self.sets]
        rows: dict[str, Rows | None] = {"final": self.hard}
        numbers: dict[str, float] = {}
        if self.hard is None:
            if self.options.run.save_tensors:
                self.run.write_tensors("weights", self.model.state_dict())
        else:
            if self.options.run.save_tensors and self.given is None:
                self.run.write_tensors("scores", self.masked.scores(SUBNET))
            masks = self.masks
            path = self.run.path("masks", f"{SUBNET}.npz")
            masks.save(path, fingerprint(self.masked.weights), statistics_of(self.model))
            random = masks.random(stream(self.options.seed, "control", SUBNET))
            rows |= {"random": Given(random), "whole": None}
            for name, mask in masks.items():
                numbers |= {f"kept/{name}": float(mask.count_nonzero()), f"size/{name}": float(mask.numel())}
            numbers |= {"kept/total": float(masks.count()), "size/total": float(masks.size())}
        for name, chosen in rows.items():
            with nullcontext() if name == "final" else own_statistics(self.model, partial(self.run_through, chosen)):
                for part in sets:
                    numbers |= {f"{name}/{key}": value for key, value in self.score(chosen, part).items()}
        return numbers

    def run_through(self, rows: Rows | None) -> None:
        """Run the network on an epoch of training batches."""
        for step in range(self.epochs.steps):
            self.masked(self.epochs.batch(step)[0], rows)
