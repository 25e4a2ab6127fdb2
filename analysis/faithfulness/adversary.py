"""The adversary: the worst that the weights outside a mask can do when each may lose at most a share of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from analysis.faithfulness.evaluation import Evaluation, Scores
from core.rng import stream
from masks.algebra import Masks
from masks.rest import Rest

BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Curve:
    """What is left of a network under an adversary, by its budget.

    Attributes:
        budgets: [n] ascending.
        scores: with the worst r found for each budget, [n].
    """

    budgets: tuple[float, ...]
    scores: Scores

    @property
    def area(self) -> float:
        """Mean accuracy over the budgets: the area under the curve by trapezoids, over its width."""
        width = self.budgets[-1] - self.budgets[0]
        if width == 0:
            return float(self.scores.accuracy[0])
        return float(torch.trapezoid(self.scores.accuracy, torch.tensor(self.budgets, dtype=torch.float64))) / width


def attack(
    evaluation: Evaluation, masks: Masks, seed: int, budgets: Sequence[float] = BUDGETS, steps: int = 20
) -> Curve:
    """Multiply each weight outside the mask by an r in [1 - budget, 1] chosen against the network.

    One r for all examples. It starts at random and goes up the mean cross entropy of the targets by projected sign
    steps of 1.25 budget / steps, so that it can cross its interval; the r of the highest loss on the way counts. All
    budgets go through one batched pass, `evaluation.at_once` at a time. What it finds is a bound: another adversary may
    find worse. The examples it is measured on are those it was found on.

    Args:
        evaluation: network and examples.
        masks: what the adversary must leave as it is.
        seed: of the first r; each budget and tensor has a stream of its own.
        budgets: shares in [0, 1]; 1 lets it drop a weight altogether.
        steps: of the ascent.

    Source: Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, section 2.1;
    of weights: arXiv 2506.20790.
    """
    budgets = tuple(sorted(budgets))
    parts = [budgets[i : i + evaluation.at_once] for i in range(0, len(budgets), evaluation.at_once)]
    found = [evaluation.side_by_side(_worst(evaluation, masks, seed, part, steps)) for part in parts]
    return Curve(budgets, Scores(*(torch.cat([getattr(s, n) for s in found]) for n in ("accuracy", "kl", "agreement"))))


def _worst(evaluation: Evaluation, masks: Masks, seed: int, budgets: Sequence[float], steps: int) -> Rest:
    k, r, low, size = len(budgets), {}, {}, {}
    for name, weight in evaluation.masked.weights.items():
        wide = (k, *[1] * weight.dim())
        drawn = [torch.rand(weight.shape, generator=stream(seed, "adversary", str(b), name)) for b in budgets]
        size[name] = torch.tensor(budgets, dtype=weight.dtype).view(wide).to(weight.device)
        low[name] = 1 - size[name]
        r[name] = low[name] + size[name] * torch.stack(drawn).to(weight)
    best, worst = torch.full((k,), -torch.inf), {name: tensor.clone() for name, tensor in r.items()}
    for step in range(steps + 1):
        losses, slopes = evaluation.slopes(Rest(masks, r, k))
        better = (losses > best).nonzero()[:, 0]
        best[better] = losses[better]
        for name, tensor in r.items():
            at = better.to(tensor.device)
            worst[name][at] = tensor[at]
            if step < steps:
                moved = tensor + 1.25 / steps * size[name] * slopes[name].sign()
                r[name] = torch.maximum(moved, low[name]).clamp(max=1)
    return Rest(masks, worst, k)
