"""A convolutional network untied at several epochs of its training: when does weight sharing stop mattering?

Stages: `cnn`, then for each learning rate of the branches and each kind of branch (control, elcn, efcn, lcn, fcn) one
stage that trains the branches of all splits side by side, and for each untied branch a string from the CNN to it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from analysis.locality import untied_layers
from analysis.norms import layer_sites
from core.errors import OptionError
from core.fit import Stage
from core.option_groups import TrainOptions
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.epochs import log_spaced
from models.cnn import make_cnn
from models.foreign_checkpoints import load_weights
from models.stacked_models import Stack
from models.untie import choose, untie
from tasks.branch_string import Ends, relaxed, sound_sum
from tasks.images import ImageTask
from tasks.sizes import check_at_most
from tasks.untying.branch_measures import Measures
from tasks.untying.branch_paths import Path, interpolated, rise
from tasks.untying.branches import Group, groups
from tasks.untying.cnn_elcn_options import CNNtoLCNOptions

log = logging.getLogger("sieve")
UNTIED = {"elcn": "local", "efcn": "dense", "lcn": "local", "fcn": "dense"}


class CNNtoLCN(ImageTask[CNNtoLCNOptions]):
    """The experiment of d'Ascoli et al. and of Ardeshir, Hsu, Sanford, with the control they lack.

    Source: d'Ascoli, Sagun, Bruna, Biroli, "Finding the Needle in the Haystack with Convolutions", NeurIPS 2019;
    Ardeshir, Hsu, Sanford, "Intrinsic dimensionality and generalization properties of the R-norm inductive bias",
    arXiv 2206.05317, section on convolutional networks.
    """

    def __init__(self, options: CNNtoLCNOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.input_size = self.outline.shape
        rng = stream(options.seed, "init")
        cnn = make_cnn(options.model, self.input_size, self.outline.classes, rng, options.channels)
        check_layers(options, cnn)
        if options.start is not None:
            load_weights(options.start, cnn)
        self.cnn = cnn.to(self.device)
        self.first = {name: tensor.clone() for name, tensor in self.cnn.state_dict().items()}
        check_at_most(options, "sharpness", self.outline.sizes["train"], "training images")
        self.sites = layer_sites(self.cnn, self.input_size)
        self.splits = options.split.at or (0, *log_spaced(options.train.epochs, options.split.count))
        self.stacks: dict[str, Stack] = {}
        self.restored: dict[str, dict[str, Tensor]] = {}
        self.epoch = 0.0

    @cached_property
    def measures(self) -> Measures:
        """What is measured of a stack of networks, on which images."""
        options = self.options
        return Measures(self.sets, self.sites, options.train.eval_batch_size, options.sharpness, options.seed)

    # what training changes

    def state_dict(self) -> dict[str, Any]:
        """Return the weights of the networks that are being trained, or are still needed."""
        return {"stacks": self.restored | {key: stack.state_dict() for key, stack in self.stacks.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.restored = state["stacks"]

    def stack(self, key: str, make: Callable[[], Stack], template: Callable[[], nn.Module]) -> Stack:
        """Return the networks of that name: those at hand, those of the checkpoint, or new ones."""
        if key not in self.stacks:
            saved = self.restored.pop(key, None)
            if saved is None:
                self.stacks[key] = make()
            else:
                weights = {name: tensor.to(self.device) for name, tensor in saved.items()}
                self.stacks[key] = Stack(template(), weights)
        return self.stacks[key]

    def drop(self, key: str) -> None:
        """Forget networks that nothing needs any more, so that no checkpoint holds them."""
        self.stacks.pop(key, None)
        self.restored.pop(key, None)

    # networks

    def cnn_at(self, epoch: int) -> nn.Module:
        """Return the CNN as it was after so many epochs; the next call turns the same module to another epoch."""
        saved = self.run.tensors(f"cnn_{epoch}")
        self.cnn.load_state_dict({name: torch.from_numpy(array) for name, array in saved.items()})
        return self.cnn

    def untied(self, kind: str, cnn: nn.Module) -> nn.Module:
        """Return the initial network of a branch of this kind when it splits off the CNN."""
        return untie(cnn, UNTIED[kind], self.input_size, self.options.split.layers) if kind in UNTIED else cnn

    def networks(self, group: Group) -> Stack:
        """Return the networks of a group, as far as they are trained."""
        return self.stack(group.key, lambda: self._begin(group), lambda: self.untied(group.kind, self.cnn))

    def _begin(self, group: Group) -> Stack:
        if group.kind == "cnn":
            self.cnn.load_state_dict(self.first)
            return Stack.of([self.cnn], 1)
        if group.from_scratch:
            network = self.untied(group.kind, self.cnn).cpu()
            rng = stream(self.options.seed, "init", group.kind)
            for layer in network.modules():
                reset = getattr(layer, "reset_parameters", None)
                if reset is not None:
                    reset(rng)
            return Stack.of([network.to(self.device)], 1)
        return Stack.of((self.untied(group.kind, self.cnn_at(epoch)) for epoch in group.splits), len(group.splits))

    # stages

    def stages(self) -> Iterator[Stage]:
        """Yield the CNN, the groups of branches, and the strings to each untied branch."""
        train = self.options.train
        plan = {0, *log_spaced(train.epochs, train.evaluations), *self.splits}
        yield self.stage(Group("cnn", train.lr, train.epochs, (0,), frozenset(plan)))
        self.drop("cnn")
        for group in groups(self.options.split, self.splits):
            yield self.stage(group)
            if "string" in self.options.paths.methods and group.has_paths:
                for s in range(len(group.splits)):
                    yield self.string(group, s)
            self.drop(group.key)

    def stage(self, group: Group) -> Stage:
        """Return the stage that trains a group, all its networks at once."""
        per_epoch, total = self.epochs.steps, torch.sum if group.kind == "cnn" else sound_sum

        def begin() -> dict[str, Tensor]:
            self.epoch = 0.0
            return self.networks(group).weights

        return Stage(
            name=group.name,
            batch=lambda rng, step: self.batch(group.splits, step),
            steps=group.epochs * per_epoch,
            parameters=begin,
            loss=lambda batch, masking: total(self.losses(self.networks(group), batch)),
            evaluate=lambda: self.measure(group),
            optim=self.sgd(group.lr),
            on_end=lambda: self.finish(group),
            monitor="valid/accuracy" if group.from_scratch and "valid" in self.outline.sizes else "",
            eval_steps={epoch * per_epoch for epoch in group.plan},
            lr_scales=self.lr_scales(group),
            may_diverge=group.kind != "cnn",
        )

    def string(self, group: Group, s: int) -> Stage:
        """Return the stage that relaxes a string between the CNN's last weights and those of an untied branch."""
        label, lr = group.labels[s], self.options.paths.lr

        def ends() -> Ends:
            return self.cnn_end(group.kind), self.networks(group).pick(s)

        def template() -> nn.Module:
            return self.untied(group.kind, self.cnn)

        return relaxed(
            self, f"string/{label}", ends, template, group.lr if lr is None else lr,
            lambda path: self.record_path("string", label, path),
        )  # fmt: skip

    def sgd(self, lr: float, **changed: float) -> TrainOptions:
        """Return how a stage descends: plain steps, of which each network's depend on nothing but itself."""
        return TrainOptions.of(self.options.train, lr=lr, optimizer="sgd", grad_clip=None, **changed)

    def lr_scales(self, group: Group) -> dict[str, float]:
        """Return the factor of the learning rate for each parameter of an untied layer."""
        power = {"one": 0.0, "sqrt": 0.5, "sites": 1.0}[self.options.split.multiplier]
        if power == 0 or group.kind not in UNTIED:
            return {}
        network = self.untied(group.kind, self.cnn)
        return {
            f"{name}.{parameter}": layer.sites.count**power
            for name, layer in untied_layers(network).items()
            for parameter, _ in layer.named_parameters()
        }

    # data, loss, measures

    def batch(self, splits: tuple[int, ...], step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of each network, one after the other; a branch sees what the CNN would have seen then."""
        self.epoch = (step + 1) / self.epochs.steps
        return self.epochs.batch(step, splits)

    def losses(self, stack: Stack, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean cross entropy of each network on its part of the batch, [S]."""
        x, y = batch
        logits = stack(x)
        each = cross_entropy(logits.flatten(0, 1), y, reduction="none")
        return each.view(logits.shape[:2]).mean(1)

    def measure(self, group: Group) -> dict[str, float | None]:
        """Measure every network of a group, and keep the weights that this epoch is planned to leave."""
        stack, epoch = self.networks(group), round(self.epoch)
        needed = group.kind == "cnn" and (epoch in self.splits or epoch == group.epochs)
        if needed or self.options.run.save_tensors and group.kind in self.options.run.save_planned:
            self.save(group, stack, epoch)
        labels = [label.removeprefix(group.name).removeprefix("/") for label in group.labels]
        numbers = self.measures.while_training(stack, labels)
        for label, whole in zip(labels, group.labels, strict=True):
            if numbers[f"{label}/train/loss" if label else "train/loss"] is None:
                log.warning("%s has diverged; a smaller split.lr may help. The others go on", whole)
        return {"epoch": epoch} | numbers

    def save(self, group: Group, stack: Stack, epoch: int) -> None:
        """Write the weights of every network of a group into tensors/."""
        for s, label in enumerate(group.labels):
            self.run.write_tensors(f"{file_name(label)}_{epoch}", stack.pick(s))

    def finish(self, group: Group) -> dict[str, float | None]:
        """Measure trained networks, and the ways from the CNN to those that were untied."""
        stack = self.networks(group)
        if self.options.run.save_tensors:
            self.save(group, stack, group.epochs)
        numbers = self.measures.when_trained(stack, self._begin(group), group.labels)
        for label, found in zip(group.labels, self.measures.margins(stack), strict=True):
            self.run.write_arrays(f"margins_{file_name(label)}", **found)
        if group.has_paths:
            end = {name: tensor.expand(stack.size, *tensor.shape) for name, tensor in self.cnn_end(group.kind).items()}
            first = Stack(stack.template, end)
            for method in self.options.paths.methods:
                if method != "string":  # which has to be trained
                    paths = interpolated(self.measures, method, first, stack, self.options.paths.points)
                    for label, path in zip(group.labels, paths, strict=True):
                        numbers |= self.record_path(method, label, path)
        return numbers

    def cnn_end(self, kind: str) -> dict[str, Tensor]:
        """Return the CNN's last weights in the form that an untied branch has."""
        network = self.untied(kind, self.cnn_at(self.options.train.epochs))
        return {name: parameter.detach() for name, parameter in network.named_parameters()}

    def record_path(self, method: str, label: str, path: Path) -> dict[str, float | None]:
        """Write a path into arrays/ and return the numbers that sum it up."""
        self.run.write_arrays(f"path_{method}_{file_name(label)}", **path)
        if method == "average":
            middle = float(path["test_accuracy"][len(path["alpha"]) // 2])
            return {f"{label}/average/test/accuracy": middle if math.isfinite(middle) else None}
        return {f"{label}/barrier/{method}": rise(path)}


def check_layers(options: CNNtoLCNOptions, cnn: nn.Module) -> None:
    """Look whether the convolutions that `split.layers` names are there, which costs nothing.

    Raises:
        OptionError: a pattern names none, or none is left to untie.
    """
    if UNTIED.keys() & set(options.split.branches):
        try:
            choose(cnn, options.split.layers)
        except OptionError as error:
            raise OptionError(f"split.{error}") from None


def file_name(label: str) -> str:
    """Return elcn_0.01_8 for elcn_0.01/8."""
    return label.replace("/", "_")
