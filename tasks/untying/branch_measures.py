"""Evaluation of stacked networks: during training, and at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from analysis.curvature import top_eigenvalue
from analysis.locality import PARTS, energies, only_local, retied, untied_layers
from analysis.margin import margin_summary, margins, published_margins
from analysis.norms import log_product, path_norm, per_margin, spectral_norms, squared_norms
from core.rng import stream
from layers import FullyConnected2d
from layers.eval_mode import evaluating, outputs
from layers.patch_grid import Sites
from models.stacked_models import Stack

Numbers = dict[str, float | None]


class Measures:
    """Evaluates networks on fixed sets of images.

    A network that diverged, so that an answer of it is not a finite number, has no numbers: all of them are None,
    also those that could be computed, such as its accuracy.

    Args:
        sets: "train", "test" and perhaps "valid" -> images [N, C, H, W] and labels [N].
        sites: of every layer of the convolutional network, `analysis.norms.layer_sites`.
        batch_size: images in a forward pass, over all networks of a stack.
        sharpness: training images on which the curvature is measured; 0: not measured.
        seed: of the first vectors in the search for eigenvalues.
    """

    def __init__(
        self, sets: Mapping[str, tuple[Tensor, Tensor]], sites: Mapping[str, Sites | None], batch_size: int,
        sharpness: int, seed: int,
    ):  # fmt: skip
        self.sets, self.sites, self.batch_size, self.sharpness, self.seed = sets, sites, batch_size, sharpness, seed
        self.input_size = tuple(sets["train"][0].shape[1:])

    def logits(self, stack: Stack, part: str) -> Tensor:
        """Return what every network says of every image of a set: [S, N, classes]."""
        size = max(1, self.batch_size // stack.size)
        with evaluating(stack.template):
            found = [stack(images.repeat(stack.size, 1, 1, 1)) for images in self.sets[part][0].split(size)]
        return torch.cat(found, 1)

    def scores(self, logits: Tensor, part: str) -> tuple[list[float], list[float]]:
        """Return mean cross entropy and accuracy of each network from its logits [S, N, classes], NaN if diverged."""
        labels = self.sets[part][1].expand(logits.shape[:2])
        losses = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
        both = losses.double().mean(1), (logits.argmax(-1) == labels).double().mean(1)
        loss, right = (torch.where(_finite(logits), values, math.nan).tolist() for values in both)
        return loss, right

    def while_training(self, stack: Stack, labels: Sequence[str]) -> Numbers:
        """Return <label>/<set>/loss and accuracy, margins on the test set, norms and energies of every network.

        Args:
            stack: the networks.
            labels: key prefix per network; "" for none.
        """
        logits = {part: self.logits(stack, part) for part in self.sets}
        scores = {part: self.scores(of_part, part) for part, of_part in logits.items()}
        sound = torch.stack([_finite(of_part) for of_part in logits.values()]).all(0)
        numbers: Numbers = {}
        for s, label in enumerate(labels):
            found: Numbers = {}
            for part, (losses, accuracies) in scores.items():
                found |= {f"{part}/loss": losses[s], f"{part}/accuracy": accuracies[s]}
            network = stack.network(s)
            found |= self._margins_and_norms(network, logits["test"][s]) | _parts("energy", network)
            numbers |= _under(label, found, bool(sound[s]))
        return numbers

    def _margins_and_norms(self, network: nn.Module, logits: Tensor) -> Numbers:
        labels = self.sets["test"][1]
        margin, published = margin_summary(margins(logits, labels)), published_margins(logits, labels)
        squared = squared_norms(network, self.sites)
        product, mistaken = log_product(squared), published.double().mean().item()
        return {f"margin/{name}": value for name, value in margin.items()} | {
            "margin/published": mistaken,
            "norm/squared/total": sum(squared.values()),
            "norm/log_product": product,
            "norm/per_margin": per_margin(product, margin["mean"]),
            "norm/per_margin_published": per_margin(product, mistaken),
        }

    def margins(self, stack: Stack) -> list[dict[str, np.ndarray]]:
        """Return the margin of every image of the training and of the test set, for every network."""
        found = {part: self.logits(stack, part) for part in ("train", "test")}
        return [
            {part: margins(logits[s], self.sets[part][1]).cpu().numpy() for part, logits in found.items()}
            for s in range(stack.size)
        ]

    def when_trained(self, stack: Stack, began: Stack, labels: Sequence[str]) -> Numbers:
        """Return what is measured once of every network.

        Args:
            stack: the trained networks.
            began: the same before training.
            labels: key prefix per network.
        """
        numbers: Numbers = {}
        sound = torch.stack([_finite(self.logits(stack, part)) for part in self.sets]).all(0)
        for s, label in enumerate(labels):
            network = stack.network(s)
            squared = squared_norms(network, self.sites)
            found: Numbers = {f"norm/squared/{name}": value for name, value in squared.items()}
            spectral = spectral_norms(network, self.input_size, stream(self.seed, "spectral"))
            found |= {f"norm/spectral/{name.removesuffix('.linear')}": value for name, value in spectral.items()}
            found["norm/path"] = path_norm(network, self.input_size)
            if self.sharpness:
                found["sharpness"] = self._sharpness(network)
            found |= self._variants(network)
            found |= self._moved(network, stack.pick(s), began.pick(s))
            numbers |= _under(label, found, bool(sound[s]))
        return numbers

    def _moved(self, network: nn.Module, now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> Numbers:
        """Return the distance from where training began, and where it lies. Turns the network into the difference."""
        for name, parameter in network.named_parameters():
            parameter.data = now[name] - before[name]
        squared = squared_norms(network, self.sites)
        return {"distance": sum(squared.values()) ** 0.5, **_parts("moved", network)}

    def _sharpness(self, network: nn.Module) -> float:
        x, y = (tensor[: self.sharpness] for tensor in self.sets["train"])
        weights = {name: parameter.detach() for name, parameter in network.named_parameters()}
        with evaluating(network), torch.enable_grad():
            return top_eigenvalue(
                lambda point: cross_entropy(functional_call(network, point, (x,)), y), weights,
                stream(self.seed, "sharpness"), steps=100, tolerance=1e-3,
            )  # fmt: skip

    def _variants(self, network: nn.Module) -> Numbers:
        """Return how well an eFCN does with its local, or its other weights alone; an eLCN averaged over its sites."""
        layers = untied_layers(network).values()
        if any(isinstance(layer, FullyConnected2d) for layer in layers):
            local, rest = (self._one(network, only_local(network, keep)) for keep in (True, False))
            return _under("local_only", local) | _under("off_local_only", rest)
        if layers:
            tied = retied(network)
            return _under("retied", self._one(tied, dict(tied.named_parameters())))
        return {}

    def _one(self, network: nn.Module, weights: Mapping[str, Tensor]) -> Numbers:
        found: Numbers = {}
        own = dict(weights)
        for part, (images, _) in self.sets.items():
            if part != "train":
                logits = outputs(network, lambda x: functional_call(network, own, (x,)), images, self.batch_size)
                (loss,), (accuracy,) = self.scores(logits[None], part)
                found |= {f"{part}/loss": loss, f"{part}/accuracy": accuracy}
        return found


def _parts(what: str, network: nn.Module) -> Numbers:
    """Return <what>/<part>/<layer> and <what>/<part>/total of the untied layers, nothing when there are none."""
    layers = {name: energies(layer) for name, layer in untied_layers(network).items()}
    numbers: Numbers = {f"{what}/{part}/{name}": found[part] for name, found in layers.items() for part in PARTS}
    if layers:
        numbers |= {f"{what}/{part}/total": sum(found[part] for found in layers.values()) for part in PARTS}
    return numbers


def _finite(logits: Tensor) -> Tensor:
    """Return of which networks all logits [S, N, classes] are finite, [S] bool."""
    return logits.isfinite().flatten(1).all(1)


def _under(label: str, numbers: Numbers, sound: bool = True) -> Numbers:
    """Return the numbers with the label before their names; all are None of a network that is not sound."""
    return {
        f"{label}/{name}" if label else name: value if sound and value is not None and math.isfinite(value) else None
        for name, value in numbers.items()
    }
