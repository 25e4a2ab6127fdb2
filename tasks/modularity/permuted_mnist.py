"""Permuted MNIST, one permutation after another: weights that a mask keeps are frozen. Are they reused later?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.accuracy import accuracy
from analysis.overlap import sharing
from core.fit import Stage
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.image_sets import Sets, standardised_images
from data.outline import image_outline
from layers.eval_mode import outputs
from masks.algebra import Masks
from masks.masking import Sample
from masks.model import MaskedModel
from masks.options import method_of
from models.feedforward import FeedForward, xavier
from tasks.modularity.permuted_mnist_options import PermutedOptions
from tasks.task import Task

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class _OfPermutation:
    """The weights of a permutation: the network's under its mask, with its own first layer if it has one."""

    masks: Masks
    own: Mapping[str, Tensor]
    k = None

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        return {name: self.own.get(name, weight) * self.masks[name] for name, weight in masked.weights.items()}


class PermutedMNIST(Task[PermutedOptions]):
    """A stage for each permutation trains a mask, and with it the weights that no earlier mask keeps.

    Those are reinitialised. The first permutation's scores begin as any mask's, at mask.init; later ones at one value
    where an earlier mask keeps the weight and at another where none does.

    Source: Csordas et al., "Are Neural Nets Modular?", ICLR 2021, section 6. Differs from its code: a permutation keeps
    its own first layer, so that it can be measured after later ones.
    """

    def __init__(self, options: PermutedOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        outline, rng = image_outline(options.data, options.run.cache), stream(options.seed, "init")
        self.model = FeedForward(math.prod(outline.shape), outline.classes, options.layer_sizes, rng=rng)
        xavier(self.model, rng)
        self.model.to(self.device)
        names = list(dict(self.model.named_parameters()))
        self.masked = MaskedModel(self.model, method_of(options.mask), names, unit=options.mask.unit)
        self.first = self.model.groups()[0] if options.transfer.reset_first_layer else []
        self.own: dict[str, dict[str, Tensor]] = {}
        self.hooks: list[Any] = []

    @cached_property
    def sets(self) -> Sets:
        """The sets "train", "valid" (unless nothing is held out) and "test", every image as a vector."""
        sets = standardised_images(self.options.data, self.options.run.cache, self.device)
        return {name: (x.flatten(1), y) for name, (x, y) in sets.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return weights, scores and masks, and every permutation's own layer."""
        return {"masked": self.masked.state_dict(), "own": self.own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.masked.load_state_dict(state["masked"])
        self.own = {name: {n: x.to(self.device) for n, x in own.items()} for name, own in state["own"].items()}

    def order(self, permutation: int) -> Tensor:
        """Return the order of the pixels; the first permutation is none. Source: as in the original program."""
        pixels = self.sets["train"][0].shape[1]
        if permutation == 0:
            return torch.arange(pixels, device=self.device)
        return torch.from_numpy(np.random.RandomState(permutation).permutation(pixels)).to(self.device)

    def stages(self) -> Iterator[Stage]:
        """Yield `perm_0`, `perm_1`, ..."""
        mask = self.options.mask
        optim = mask.training(self.options.eval_every)
        for permutation in range(self.options.transfer.permutations):
            name, order = f"perm_{permutation}", self.order(permutation)
            yield Stage(
                name=name,
                batch=partial(self.draw, order),
                steps=mask.steps,
                parameters=partial(self.begin, permutation),
                masking=partial(Sample, name, mask.samples),
                annealed=self.masked.annealed,
                loss=partial(self.loss, name),
                evaluate=partial(self.measure, permutation),
                optim=optim,
                on_end=partial(self.finish, permutation),
                monitor="valid/accuracy/total" if "valid" in self.sets else "",
            )

    def draw(self, order: Tensor, rng: torch.Generator, step: int) -> Batch:
        """Draw training images with replacement."""
        x, y = self.sets["train"]
        index = torch.randint(len(y), (self.options.mask.batch_size,), generator=rng).to(self.device)
        return x[index][:, order], y[index]

    def used(self, permutation: int) -> Masks:
        """Return which weights earlier permutations' masks keep; none of a first layer that each has for itself."""
        used = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in self.masked.weights.items()}
        for earlier in range(permutation):
            for name, mask in self.masked.masks(f"perm_{earlier}").items():
                if name not in self.first:
                    used[name] |= mask != 0
        return Masks(used)

    def begin(self, permutation: int) -> dict[str, Tensor]:
        """Return scores and weights; free weights begin anew when the permutation begins, not when it is resumed."""
        name, used = f"perm_{permutation}", self.used(permutation)
        fresh = name not in self.masked.subnets
        if fresh and permutation > 0:
            before = {n: weight.detach().clone() for n, weight in self.masked.weights.items()}
            xavier(self.model, stream(self.options.seed, "init", permutation))
            with torch.no_grad():
                for n, weight in self.masked.weights.items():
                    weight.copy_(torch.where(used[n], before[n], weight))
        transfer = self.options.transfer
        first = self.options.mask.init if permutation == 0 else transfer.mask_new_init
        scores = self.masked.add_scores(name, first, self.options.seed)
        if fresh:
            with torch.no_grad():
                for n, tensor in scores.items():
                    tensor[self.masked.units[n].pick(used[n])] = transfer.mask_used_init
        for hook in self.hooks:
            hook.remove()
        self.hooks = [
            weight.register_hook(lambda gradient, free=~used[n]: gradient * free)
            for n, weight in self.masked.weights.items()
        ]
        weights = {f"weights/{n}": weight for n, weight in self.masked.weights.items()}
        return weights | {f"scores/{n}": tensor for n, tensor in scores.items()}

    def loss(self, name: str, batch: Batch, masking: Sample) -> Tensor:
        """Return the mean cross entropy and the penalty."""
        x, y = batch
        scale = self.options.mask.penalty / len(y)
        return cross_entropy(self.masked(x, masking), y) + scale * self.masked.penalty(name, masking.progress)

    @torch.no_grad()
    def score(self, permutation: int, part: str, masks: Masks | None = None) -> dict[str, float]:
        """Return loss and accuracy/total of a set, by the permutation's mask or another one on its weights."""
        name = f"perm_{permutation}"
        masking = _OfPermutation(masks or self.masked.masks(name), self.own.get(name, {}))
        x, y = self.sets[part]
        images, size = x[:, self.order(permutation)], self.options.eval_batch_size
        logits = outputs(self.model, lambda part: self.masked(part, masking), images, size)
        return {"loss": cross_entropy(logits, y).item(), "accuracy/total": accuracy(logits, y)}

    def measure(self, permutation: int) -> dict[str, float]:
        """Measure the permutation that is being learned on the held-out images."""
        numbers = {}
        if "valid" in self.sets:
            numbers = {f"valid/{key}": value for key, value in self.score(permutation, "valid").items()}
        return numbers | {"kept": self.masked.masks(f"perm_{permutation}").density()}

    def finish(self, permutation: int) -> dict[str, float]:
        """Save the mask, measure all permutations so far, and count which of its weights earlier ones keep."""
        name, used = f"perm_{permutation}", self.used(permutation)
        if self.options.run.save_tensors:
            self.run.write_tensors(f"scores_{name}", self.masked.scores(name))
        masks = self.masked.finalize(name)
        masks.save(self.run.path("masks", f"{name}.npz"))
        if self.first:
            self.own[name] = {n: self.masked.weights[n].detach().clone() for n in self.first}
        if self.options.run.save_tensors:
            own = {f"{of}/{n}": tensor for of, layer in self.own.items() for n, tensor in layer.items()}
            self.run.write_tensors("weights", self.model.state_dict() | own)
        numbers = {}
        for part in ("valid", "test"):
            if part in self.sets:
                numbers[f"final/{name}/{part}/accuracy/total"] = self.score(permutation, part)["accuracy/total"]
        random = masks.random(stream(self.options.seed, "control", name))
        numbers[f"random/{name}/test/accuracy/total"] = self.score(permutation, "test", random)["accuracy/total"]
        for earlier in range(permutation):
            found = self.score(earlier, "test")["accuracy/total"]
            numbers[f"after/{name}/perm_{earlier}/test/accuracy/total"] = found
        return numbers | self.shared(name, masks, used)

    def shared(self, name: str, masks: Masks, used: Masks) -> dict[str, float]:
        """Return kept, size, sharing and its chance level of every parameter; total: of those that can be shared."""
        can = [n for n in masks if n not in self.first]
        mine, before = (Masks({n: found[n] for n in can}) for found in (masks, used))
        found = sharing({name: mine, "earlier": before})
        wanted = f"sharing/{name}/", f"sharing_random/{name}/"
        return (
            {f"kept/{name}/{n}": float(mask.count_nonzero()) for n, mask in masks.items()}
            | {f"size/{n}": float(mask.numel()) for n, mask in masks.items()}
            | {key: value for key, value in found.items() if key.startswith(wanted)}
        )
