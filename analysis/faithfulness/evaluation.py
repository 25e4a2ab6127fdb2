"""Several maskings of one network scored on the same examples in batched passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from layers.eval_mode import evaluating
from masks.network import MaskedNetwork, Masking
from masks.rest import Rest, Several

Inputs = Mapping[str, Tensor]
Logits = Callable[[Inputs, Masking | None], Tensor]


@dataclass(frozen=True)
class Scores:
    """What each of K maskings does, all [K] float64.

    Attributes:
        accuracy: mean of the measure over the examples; by default the share of them answered rightly.
        kl: mean KL divergence of its answers from those of the full network, KL(full || masked), in nats.
        agreement: share of the examples to which it gives the full network's answer, right or wrong.
    """

    accuracy: Tensor
    kl: Tensor
    agreement: Tensor

    def mean(self) -> dict[str, float]:
        """Return the mean of each over the K."""
        return {name: float(getattr(self, name).mean()) for name in ("accuracy", "kl", "agreement")}


def all_right(logits: Tensor, targets: Tensor) -> Tensor:
    """Return which examples have the largest logit at the target in each of their answers: [N] bool.

    Args:
        logits: [N, ..., classes].
        targets: [N, ...] int64; an example may have several answers, such as digits.
    """
    return (logits.argmax(-1) == targets).flatten(1).all(1) if targets.dim() > 1 else logits.argmax(-1) == targets


@dataclass(frozen=True)
class Evaluation:
    """The examples on which maskings of a network are compared.

    Args:
        masked: the network.
        logits: runs it: inputs, masking -> logits [N, ..., classes].
        batches: inputs by name, each tensor [N, ...], and targets [N, ...] int64.
        measure: logits, targets -> [N], whose mean is the accuracy.
        at_once: maskings of one batched pass, which has so many copies of a batch and of the weights.
    """

    masked: MaskedNetwork
    logits: Logits
    batches: Sequence[tuple[Inputs, Tensor]]
    measure: Callable[[Tensor, Tensor], Tensor] = field(default=all_right)
    at_once: int = 8

    @classmethod
    def of(cls, masked: MaskedNetwork, x: Tensor, y: Tensor, at_once: int = 8) -> Evaluation:
        """Return that of a network with one input x [N, ...] and outputs that are logits of y [N, ...]."""
        return cls(masked, lambda inputs, masking: masked(inputs["x"], masking), [({"x": x}, y)], at_once=at_once)

    @cached_property
    def full(self) -> list[Tensor]:
        """The full network's logits of each batch."""
        with evaluating(self.masked.model):
            return [self.logits(inputs, None) for inputs, _ in self.batches]

    def scores(self, maskings: Sequence[Masking]) -> Scores:
        """Return how each of these maskings, of one mask each, does on all examples."""
        sizes = range(0, len(maskings), self.at_once)
        found = [self.side_by_side(Several(maskings[i : i + self.at_once])) for i in sizes]
        return Scores(*(torch.cat([getattr(s, name) for s in found]) for name in ("accuracy", "kl", "agreement")))

    def side_by_side(self, masking: Masking) -> Scores:
        """Return how each of the K masks of one masking does, in one pass a batch."""
        k = masking.k or 1
        sums, count = torch.zeros(3, k, dtype=torch.float64), 0
        with evaluating(self.masked.model):
            for (inputs, targets), full in zip(self.batches, self.full, strict=True):
                logits = self.repeated(inputs, masking)
                right = self.measure(logits, repeat(targets, k)).view(k, -1)
                same = all_right(logits, repeat(full.argmax(-1), k)).view(k, -1)
                log_p, log_q = full.log_softmax(-1), logits.log_softmax(-1).view(k, *full.shape)
                kl = (log_p.exp() * (log_p - log_q)).sum(-1).flatten(1).mean(1) * len(full)
                sums += torch.stack([right.double().sum(1), kl.double(), same.double().sum(1)]).cpu()
                count += len(full)
        return Scores(*(sums / max(1, count)))

    def repeated(self, inputs: Inputs, masking: Masking) -> Tensor:
        """Return the logits of each of the masking's K masks for the whole batch, [K * N, ..., classes]."""
        k = masking.k or 1
        return self.logits({name: repeat(tensor, k) for name, tensor in inputs.items()}, masking)

    def slopes(self, rest: Rest) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean cross entropy of the targets under each r of a masking, and its derivative by r.

        Args:
            rest: with k r.

        Returns:
            [k] on the CPU, and name -> [k, *weight.shape].
        """
        k = rest.k or 1
        r = {name: tensor.detach().requires_grad_() for name, tensor in rest.r.items()}
        total, slopes = torch.zeros(k), {name: torch.zeros_like(tensor) for name, tensor in r.items()}
        rows = sum(len(targets) for _, targets in self.batches)
        with evaluating(self.masked.model), torch.enable_grad():
            for inputs, targets in self.batches:
                logits = self.repeated(inputs, Rest(rest.masks, r, rest.k)).flatten(0, -2)
                each = cross_entropy(logits, repeat(targets, k).flatten(), reduction="none").view(k, -1).mean(1)
                each = each * (len(targets) / rows)
                for name, slope in zip(r, torch.autograd.grad(each.sum(), list(r.values())), strict=True):
                    slopes[name] += slope
                total += each.detach().cpu()
        return total, slopes


def repeat(tensor: Tensor, k: int) -> Tensor:
    """Return k copies of a tensor [N, ...], one after the other [k * N, ...]."""
    return tensor.repeat(k, *[1] * (tensor.dim() - 1))
