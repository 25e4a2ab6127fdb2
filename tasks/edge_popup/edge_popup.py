"""How good is a subnetwork of a random network? The weights are never trained, only which of them to keep."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.accuracy import accuracy
from core.fit import Stage
from core.option_groups import TrainOptions
from core.rng import key, stream
from core.store import Run
from core.trackers import Mirrors
from data.epochs import log_spaced
from layers.batch_norm_stats import own_statistics, statistics_of
from layers.eval_mode import outputs
from layers.functional.batching import forward
from masks.algebra import Masks
from masks.mask_files import fingerprint
from masks.masking import Given, Sample
from masks.model import MaskedModel, freeze
from masks.options import method_of
from tasks.edge_popup.edge_popup_options import EdgePopupOptions
from tasks.edge_popup.published_subnetwork import load_subnetwork
from tasks.images import ImageTask
from tasks.random_nets import masked_names, network_of

log = logging.getLogger("sieve")
SUBNET = "subnet"
BEST = 5  # an answer is right in the sense of top-5 if it is among so many


class EdgePopupTask(ImageTask[EdgePopupOptions]):
    """One stage: the scores of a mask on random weights, or, as a baseline, the weights without a mask.

    With `evaluate` a stage of no steps, which measures a subnetwork from a file.

    Source: Ramanujan, Wortsman, Kembhavi, Farhadi, Rastegari, "What's Hidden in a Randomly Weighted Neural Network?",
    CVPR 2020. Differs from its code: the best epoch is chosen on validation images, and the test images choose nothing.
    """

    def __init__(self, options: EdgePopupOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.model = network_of(
            options, options.mask, options.seed, self.outline.shape, self.outline.classes, self.device
        )
        names = masked_names(self.model, options.mask)
        self.masked = MaskedModel(self.model, method_of(options.mask), names, unit=options.mask.unit)
        self.epoch = 0
        self.given: Masks | None = None
        if options.evaluate is not None:
            self.given = load_subnetwork(options.evaluate, self.masked, getattr(options.mask, "keep", 1.0))

    def state_dict(self) -> dict[str, Any]:
        """Return weights and scores; of a given subnetwork nothing, it is read from its file again."""
        return {} if self.given is not None else self.masked.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        if state:
            self.masked.load_state_dict(state)

    def stages(self) -> Iterator[Stage]:
        """Yield the one stage: `scores` or `weights`, or `evaluate`, of no steps."""
        train, per_epoch = self.options.train, self.epochs.steps
        if self.given is not None:
            yield Stage(
                name="evaluate", batch=self.batch, steps=0, parameters=dict, loss=self.loss, evaluate=dict,
                optim=TrainOptions(), on_end=self.evaluate,
            )  # fmt: skip
            return
        scores = self.options.trained == "scores"
        if scores:
            freeze(self.model).train()  # statistics of batch normalisation go on
        yield Stage(
            name=self.options.trained,
            batch=self.batch,
            steps=train.epochs * per_epoch,
            parameters=self.begin,
            masking=lambda seed, progress: Sample(SUBNET, 1, seed, progress) if scores else None,
            annealed=self.masked.annealed if scores else lambda progress: {},
            loss=self.loss,
            evaluate=self.measure,
            optim=TrainOptions.of(train, warmup=train.warmup * per_epoch, grad_clip=None),
            on_end=self.finish,
            monitor="valid/accuracy" if "valid" in self.outline.sizes else "",
            eval_steps={epoch * per_epoch for epoch in (0, *log_spaced(train.epochs, train.evaluations))},
        )  # fmt: skip

    def begin(self) -> Mapping[str, Tensor]:
        """Return what is trained."""
        self.epoch = 0
        if self.options.trained == "weights":
            return dict(self.model.named_parameters())
        return self.masked.add_scores(SUBNET, self.options.mask.init, self.options.seed)

    def batch(self, rng: torch.Generator, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step."""
        self.epoch = (step + 1) // self.epochs.steps
        return self.epochs.batch(step)

    def loss(self, batch: tuple[Tensor, Tensor], masking: Sample | None) -> Tensor:
        """Return the mean cross entropy, and the penalty of the mask."""
        x, y = batch
        loss = cross_entropy(self.masked(x, masking), y, label_smoothing=self.options.train.label_smoothing)
        if masking is None:
            return loss
        return loss + self.options.mask.penalty / len(y) * self.masked.penalty(SUBNET, masking.progress)

    @property
    def masks(self) -> Masks | None:
        """The subnetwork as it is now; None where weights are trained."""
        if self.given is not None or self.options.trained == "weights":
            return self.given
        if self.options.mask.evaluate == "sample":  # always with the same uniform numbers
            return self.masked.drawn(SUBNET, key(self.options.seed, "evaluate", SUBNET))
        return self.masked.masks(SUBNET)

    def score(self, masks: Masks | None, part: str) -> dict[str, float]:
        """Return <part>/loss, <part>/accuracy and <part>/top5 of the network under masks, None: of the whole one."""
        x, y = self.sets[part]
        weights = {} if masks is None else Given(masks).weights(self.masked)  # once, and not for every batch
        size = self.options.train.eval_batch_size
        logits = outputs(self.model, lambda part: forward(self.model, weights, None, part), x, size)
        best = logits.topk(min(BEST, logits.shape[1])).indices
        return {
            f"{part}/loss": cross_entropy(logits, y, reduction="none").double().mean().item(),
            f"{part}/accuracy": accuracy(logits, y),
            f"{part}/top5": (best == y[:, None]).any(1).double().mean().item(),
        }

    def measure(self) -> dict[str, float]:
        """Measure what is trained, on the training and the validation images."""
        numbers: dict[str, float] = {"epoch": self.epoch}
        masks = self.masks
        for part in self.sets.keys() - {"test"}:
            numbers |= self.score(masks, part)
        if masks is not None:
            numbers["kept"] = masks.density()
        return dict(sorted(numbers.items()))

    def finish(self) -> dict[str, float]:
        """Save what was trained and measure every set, beside a subnetwork also the two controls."""
        sets, masks = [part for part in ("valid", "test") if part in self.sets], self.masks
        if self.options.run.save_tensors:
            scores = masks is not None
            tensors = self.masked.scores(SUBNET) if scores else self.model.state_dict()
            self.run.write_tensors("scores" if scores else "weights", tensors)
        if masks is None:
            return self.compared(None, sets, ())
        path = self.run.path("masks", f"{SUBNET}.npz")
        masks.save(path, fingerprint(self.masked.weights), statistics_of(self.model))
        return sizes(masks) | self.compared(masks, sets, ("random", "whole"))

    def evaluate(self) -> dict[str, float]:
        """Measure the given subnetwork on one set, and say it."""
        part, controls = self.options.evaluate_on, self.options.controls
        numbers, count = self.compared(self.given, [part], controls), len(self.sets[part][1])
        for name in ("final", *controls):
            top1, top5 = (100 * numbers[f"{name}/{part}/{kind}"] for kind in ("accuracy", "top5"))
            what = self.options.evaluate if name == "final" else name
            log.info("%s: top-1 %.2f %%, top-5 %.2f %% of %d %s images", what, top1, top5, count, part)
        assert self.given is not None  # or there is no such stage
        return sizes(self.given) | numbers

    def compared(self, masks: Masks | None, sets: Iterable[str], controls: Iterable[str]) -> dict[str, float]:
        """Measure sets under masks and under controls: "random" masks as large, the "whole" random network.

        Batch normalisation takes new statistics for those two, of the training images.
        """
        numbers = {f"final/{key}": value for part in sets for key, value in self.score(masks, part).items()}
        for name in controls:
            rng = stream(self.options.seed, "control", SUBNET)
            chosen = masks.random(rng) if masks is not None and name == "random" else None
            with own_statistics(self.model, partial(self.run_through, chosen)):
                for part in sets:
                    numbers |= {f"{name}/{key}": value for key, value in self.score(chosen, part).items()}
        return numbers

    def run_through(self, masks: Masks | None) -> None:
        """Run the network on an epoch of training batches."""
        masking = None if masks is None else Given(masks)
        for step in range(self.epochs.steps):
            self.masked(self.epochs.batch(step)[0], masking)


def sizes(masks: Masks) -> dict[str, float]:
    """Return how many weights every mask keeps, and of how many."""
    numbers: dict[str, float] = {}
    for name, mask in masks.items():
        numbers |= {f"kept/{name}": float(mask.count_nonzero()), f"size/{name}": float(mask.numel())}
    return numbers | {"kept/total": float(masks.count()), "size/total": float(masks.size())}
