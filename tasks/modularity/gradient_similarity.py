"""Gradient similarity: how much does a mask on the last layers rotate the gradient of the remaining weights?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.gradients import cosine
from layers.functional.batching import forward
from masks.algebra import Masks
from tasks.modularity.class_options import GradientOptions
from tasks.modularity.class_removal import ClassRemoval
from tasks.modularity.class_subnets import EVAL_BATCH
from tasks.subnets import CONTROL


class GradientSimilarity(ClassRemoval[GradientOptions]):
    """Compares the gradient of the full network with that of the network whose last 0, 1, 2, ... layers are masked.

    Source: Csordas et al., "Are Neural Nets Modular?", ICLR 2021, its code (cifar10_grad_cos_distance, which logs the
    cosine itself).
    """

    def extra(self, subnet: str, masks: Masks) -> dict[str, float]:
        """Measure the cosine for every number of masked layers, and save the masks' confusion."""
        numbers = super().extra(subnet, masks)
        if subnet == CONTROL:
            return numbers
        groups = self.groups()
        everything = Masks({name: torch.ones_like(mask) for name, mask in masks.items()})
        whole = self.gradient(everything)
        for count in range(len(groups) + 1):
            last = {name for group in groups[len(groups) - count :] for name in group}
            chosen = Masks({name: mask if name in last else everything[name] for name, mask in masks.items()})
            found = cosine(whole, self.gradient(chosen), chosen)
            numbers |= {f"cosine/{subnet}/{count}/{name}": value for name, value in found.items()}
        return numbers

    def gradient(self, masks: Masks) -> dict[str, Tensor]:
        """Return the gradient of the mean loss of the held-out images (all classes) to every masked weight."""
        x, y = self.images["valid" if "valid" in self.images else "seen"]
        weights = {n: (w.detach() * masks[n]).requires_grad_() for n, w in self.masked.weights.items()}
        size = self.options.train.eval_batch_size or EVAL_BATCH
        for images, labels in zip(x.split(size), y.split(size), strict=True):
            (cross_entropy(forward(self.model, weights, None, images), labels, reduction="sum") / len(y)).backward()
        return {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
