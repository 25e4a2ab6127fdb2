"""Task inference for an input, given one frozen network and the masks of many tasks.

The network is run on W * sum_k alpha_k M_k, and each task is scored by the derivative of an objective of the output
with respect to its alpha. That derivative is sum over layers of <dL/dW_eff * W, M_k>: one backward pass and T inner
products with bits.

Source: Wortsman, Ramanujan, Liu, Kembhavi, Rastegari, Yosinski, Farhadi, "Supermasks in Superposition", NeurIPS 2020,
section 3.3 and its code. Differs from the code: only masks that are there are judged (in the code a task that is not
learned yet has derivative 0 and may win), and the network is in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from core.errors import MaskError
from layers.eval_mode import evaluating
from layers.functional.batching import forward
from masks.model import MaskedModel
from masks.packed_masks import PackedMasks

Objective = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Answer:
    """The tasks from the most to the least likely.

    Attributes:
        ranked: [C] numbers of masks, the best first.
        scores: [C] their scores in that order; lower is better.
    """

    ranked: Tensor
    scores: Tensor

    @property
    def task(self) -> int:
        """The most likely task."""
        return int(self.ranked[0])

    @property
    def margin(self) -> float:
        """By how much the second is worse than the first; infinite where there is one."""
        return float(self.scores[1] - self.scores[0]) if len(self.scores) > 1 else float("inf")


def entropy(logits: Tensor) -> Tensor:
    """H: the mean entropy of the outputs [N, outputs], a scalar."""
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1).mean()


def superfluous(logits: Tensor, real: int) -> Tensor:
    """G: the mean logsumexp of the outputs, whose gradient goes through the superfluous ones alone, a scalar.

    Args:
        logits: [N, outputs].
        real: number of outputs that stand for classes; those after them are superfluous.
    """
    return torch.cat([logits[:, :real].detach(), logits[:, real:]], dim=1).logsumexp(-1).mean()


def objective_of(name: str, real: int) -> Objective:
    """Return H or G by its name."""
    objectives: dict[str, Objective] = {"H": entropy, "G": partial(superfluous, real=real)}
    return objectives[name]


def derivatives(
    masked: MaskedModel, bits: PackedMasks, x: Tensor, objective: Objective, alphas: Tensor | None = None
) -> Tensor:
    """Return the derivative of the objective with respect to every alpha, [T].

    Args:
        masked: the network; its weights are those the masks are for.
        bits: the masks.
        x: input [N, ...].
        objective: logits -> scalar.
        alphas: [T] where to take it; None: all equal and of sum 1.

    Raises:
        MaskError: there is no mask.
    """
    if len(bits) == 0:
        raise MaskError("no task has been learned, so none can be inferred")
    mixed = bits.mean() if alphas is None else bits.mix(alphas)
    weights = {name: (weight.detach() * mixed[name]).requires_grad_() for name, weight in masked.weights.items()}
    with evaluating(masked.model), torch.enable_grad():
        value = objective(forward(masked.model, weights, None, x, backend=masked.backend))
        gradients = torch.autograd.grad(value, list(weights.values()))
    changes = zip(masked.weights.items(), gradients, strict=True)
    return bits.inner({name: gradient * weight.detach() for (name, weight), gradient in changes})


def one_shot(masked: MaskedModel, bits: PackedMasks, x: Tensor, objective: Objective) -> Answer:
    """Judge all tasks by one derivative: the steepest way down from equal alphas.

    Raises:
        MaskError: there is no mask.
    """
    return _ranked(derivatives(masked, bits, x, objective))


def familiarity(slopes: Tensor) -> float:
    """Return k * max softmax(-slopes): 1 where no task stands out, k where one is alone.

    Args:
        slopes: derivatives of the objective by alpha, [k].

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 3.4: below 1 + 1/8 the task is new.
    """
    return len(slopes) * float((-slopes).softmax(0).max())


def binary(masked: MaskedModel, bits: PackedMasks, x: Tensor, objective: Objective) -> Answer:
    """Halve the tasks until one is left: those whose derivative is above the median go.

    Tasks are ranked by how late they went, and within a round by their derivative. Of equal ones the first stay, so
    that each round does halve them.

    Raises:
        MaskError: there is no mask.
    """
    chosen = torch.arange(len(bits))
    gone: list[Answer] = []
    while True:
        alphas = torch.zeros(len(bits)).index_fill(0, chosen, 1 / max(1, len(chosen)))
        answer = _ranked(derivatives(masked, bits, x, objective, alphas).cpu()[chosen], chosen)
        half = (len(chosen) + 1) // 2
        if half == len(chosen):
            gone.append(answer)
            break
        gone.append(Answer(answer.ranked[half:], answer.scores[half:]))
        chosen = answer.ranked[:half]
    ranked, rounds = torch.cat([a.ranked for a in reversed(gone)]), range(len(gone))
    places = torch.cat([torch.full((len(a.ranked),), float(i)) for i, a in zip(rounds, reversed(gone), strict=True)])
    return Answer(ranked, places)


def gradient(
    masked: MaskedModel, bits: PackedMasks, x: Tensor, objective: Objective, lr: float = 1.0, steps: int = 10
) -> Answer:
    """Descend on the alphas, kept positive and of sum 1 by a softmax whose logits are trained.

    Raises:
        MaskError: there is no mask.
    """
    logits = torch.zeros(len(bits))
    for _ in range(steps):
        alphas = logits.softmax(0)
        slopes = derivatives(masked, bits, x, objective, alphas).cpu()
        logits = logits - lr * len(bits) * alphas * (slopes - (alphas * slopes).sum())
    return _ranked(-logits)


def exhaustive(masked: MaskedModel, bits: PackedMasks, x: Tensor) -> Answer:
    """Judge every task by the entropy of its own subnetwork's outputs: T forward passes, the ceiling of the others.

    Raises:
        MaskError: there is no mask.
    """
    if len(bits) == 0:
        raise MaskError("no task has been learned, so none can be inferred")
    values = []
    with evaluating(masked.model):
        for number in range(len(bits)):
            masks = bits.masks(number)
            weights = {name: weight * masks[name] for name, weight in masked.weights.items()}
            values.append(entropy(forward(masked.model, weights, None, x, backend=masked.backend)))
    return _ranked(torch.stack(values))


def _ranked(scores: Tensor, numbers: Tensor | None = None) -> Answer:
    order = scores.argsort(stable=True)
    return Answer(order if numbers is None else numbers[order], scores[order])
