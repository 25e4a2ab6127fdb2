"""A Hopfield network of masks: attractors of an energy; the one for an input is recovered by gradient descent.

A mask is z in {-1, 1}^d, 1 where something is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Hopfield:
    """The energy -z^T Psi z / 2 whose minima are the masks stored, and the running mean of them.

    Args:
        size: d.
        device: where it lies.

    Attributes:
        weights: Psi [d, d]; it does not grow with the number of masks.
        mean: of the masks stored, [d].
        count: of masks stored.

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 3.5; Storkey, "Increasing the
    capacity of a Hopfield network without sacrificing functionality", ICANN 1997.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu"):
        self.weights, self.mean = torch.zeros(size, size, device=device), torch.zeros(size, device=device)
        self.count = 0

    def add(self, z: Tensor) -> None:
        """Store a mask by Storkey's rule: Psi += (z z^T - I - z h^T - h z^T) / d with h = Psi z."""
        h = self.weights @ z
        change = torch.outer(z, z) - torch.outer(z, h) - torch.outer(h, z)
        change.diagonal().sub_(1)
        self.weights += change / len(z)
        self.count += 1
        self.mean += (z - self.mean) / self.count

    def energy(self, z: Tensor) -> Tensor:
        """Return -z^T Psi z / 2, a scalar."""
        return -0.5 * z @ (self.weights @ z)


def signs(scores: Tensor) -> Tensor:
    """Return z = 2 m - 1, m = 1[score >= 0] with the identity as gradient: dz/dscore is 2."""
    hard = torch.where(scores >= 0, 1.0, -1.0)
    return hard + 2 * (scores - scores.detach())


def recover(
    stores: Sequence[Hopfield], batches: Sequence[Tensor], entropy: Callable[[Sequence[Tensor], Tensor], Tensor],
    strength: float, lr: float, momentum: float = 0.9, weight_decay: float = 1e-4,
) -> list[Tensor]:  # fmt: skip
    """Return the masks that unlabelled images need: descent from the mean mask, first on entropy, then on energy.

    The loss of step t of T is (1 - t/T) H + strength * t/T * sum of energies; a score's gradient is that of its
    mask m, twice that of z = 2 m - 1.

    Args:
        stores: one for each layer.
        batches: T batches of images of one task.
        entropy: (z of each layer, batch) -> mean entropy of the outputs, a scalar.
        strength: gamma.
        lr, momentum, weight_decay: of the descent.

    Returns:
        For each layer z [d].
    """
    scores = [store.mean.clone().requires_grad_() for store in stores]
    optimizer = torch.optim.SGD(scores, lr, momentum=momentum, weight_decay=weight_decay)
    for step, x in enumerate(batches, 1):
        done = step / len(batches)
        z = [signs(s) for s in scores]
        energy = sum(store.energy(part) for store, part in zip(stores, z, strict=True))
        optimizer.zero_grad()
        ((1 - done) * entropy(z, x) + strength * done * energy).backward()
        optimizer.step()
    return [signs(s.detach()) for s in scores]
