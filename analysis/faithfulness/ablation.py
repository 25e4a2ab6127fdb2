"""Ablations: the weights outside a mask scaled or replaced, in one of several ways.

A mask that is the whole cause of a behaviour keeps it whatever the other weights are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from analysis.faithfulness.evaluation import Evaluation, Scores
from core.errors import MaskError
from core.registry import nearest
from core.rng import stream
from masks.algebra import Masks
from masks.fills import means, others, resampled
from masks.masking import Given
from masks.network import MaskedNetwork, Masking
from masks.rest import Rest

Kind = Callable[[MaskedNetwork, Masks, int, int], Masking]


def zero(masked: MaskedNetwork, masks: Masks, seed: int, copy: int) -> Masking:
    """Drop the rest."""
    return Given(masks)


def mean(masked: MaskedNetwork, masks: Masks, seed: int, copy: int) -> Masking:
    """Replace the rest by its tensor's mean."""
    return Given(masks, means(masked.weights))


def resample(masked: MaskedNetwork, masks: Masks, seed: int, copy: int) -> Masking:
    """Replace each weight of the rest by one drawn from its tensor."""
    return Given(masks, resampled(masked.weights, seed, copy))


def uniform(masked: MaskedNetwork, masks: Masks, seed: int, copy: int) -> Masking:
    """Multiply each weight of the rest by its own r ~ U(0, 1), the same for all examples."""
    return Rest(masks, {name: draw.to(masked.weights[name]) for name, draw in _draws(masks, seed, "uniform", copy)})


def bernoulli(p: float = 0.5) -> Kind:
    """Return the kind that keeps each weight of the rest with probability p, the same ones for all examples."""

    def kind(masked: MaskedNetwork, masks: Masks, seed: int, copy: int) -> Masking:
        draws = _draws(masks, seed, "bernoulli", copy)
        return Rest(masks, {name: (draw < p).to(masked.weights[name]) for name, draw in draws})

    return kind


def network(weights: Mapping[str, Tensor]) -> Kind:
    """Return the kind that replaces the rest by the weights of another network, a state dict."""

    def kind(masked: MaskedNetwork, masks: Masks, seed: int, copy: int) -> Masking:
        return Given(masks, others(masked.weights, weights))

    return kind


KINDS: dict[str, Kind] = {
    "zero": zero,
    "mean": mean,
    "resampled": resample,
    "uniform": uniform,
    "bernoulli": bernoulli(),
}
DRAWN = frozenset({"resampled", "uniform", "bernoulli"})  # another result with each copy


def ablate(evaluation: Evaluation, masks: Masks, kind: str | Kind, seed: int, copies: int = 1) -> Scores:
    """Return how the network does under a mask, the rest treated in one way, for each of so many draws of it.

    Called with the complement of a mask it measures the mask's *completeness*: what is left of the behaviour when the
    mask's own weights are treated so. It is complete if that is no more than chance.

    Args:
        evaluation: network and examples.
        masks: what is left as it is.
        kind: one of KINDS, or one made by `bernoulli` or `network`.
        seed: of the draws; each copy and tensor has a stream of its own.
        copies: how many draws.

    Raises:
        MaskError: there is no such kind.
    """
    return evaluation.scores([_kind(kind)(evaluation.masked, masks, seed, copy) for copy in range(copies)])


def ablations(evaluation: Evaluation, masks: Masks, kinds: Sequence[str], seed: int, copies: int) -> dict[str, Scores]:
    """Return `ablate` for each kind; one that draws nothing has one copy."""
    return {kind: ablate(evaluation, masks, kind, seed, copies if kind in DRAWN else 1) for kind in kinds}


def _kind(kind: str | Kind) -> Kind:
    if not isinstance(kind, str):
        return kind
    if kind not in KINDS:
        raise MaskError(f"no way {kind!r} to treat the rest; there are: {', '.join(KINDS)}{nearest(kind, KINDS)}")
    return KINDS[kind]


def _draws(masks: Masks, seed: int, kind: str, copy: int) -> list[tuple[str, Tensor]]:
    """Return U(0, 1) numbers for each tensor; on the CPU, so that they are the same on every device."""
    return [
        (name, torch.rand(mask.shape, generator=stream(seed, "rest", kind, copy, name))) for name, mask in masks.items()
    ]
