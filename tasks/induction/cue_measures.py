"""The loss of induction_vision, and what is measured: how often a network is right, and which cue it goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from analysis.cue_bias import accuracies, cue_bias
from layers.eval_mode import evaluating
from tasks.induction.cue_images import CueImages, Inputs, Unseen

Measured = dict[str, float | None]


def measured(
    model: nn.Module, run: Callable[[Tensor], Tensor], unseen: Unseen, images: CueImages, size: int
) -> Measured:
    """Measure a network on images that nothing is trained on.

    Args:
        model: put into evaluation mode for it.
        run: maps images [B, 3, H, W] to its logits.
        unseen: the images.
        images: where they come from, for the names of classes.
        size: images of a forward pass.

    Returns:
        accuracy, pooled_accuracy, shape_rate, texture_rate and shape_bias, and each of them by class; of a network with
        a head for textures also its texture_accuracy on images whose cues contradict each other.
    """

    def answers(x: Inputs) -> Sequence[Tensor]:
        parts = [by_head(run(x[i : i + size])).argmax(2) for i in range(0, len(x), size)]
        return torch.cat(parts).unbind(1)

    x, shape, texture = unseen.conflict
    with evaluating(model):
        normal, pooled, (conflict, *more) = answers(unseen.normal[0]), answers(unseen.pooled[0]), answers(x)
    found: Measured = dict(accuracies(normal[0], unseen.normal[1], images.classes, "accuracy"))
    found |= accuracies(pooled[0], unseen.pooled[1], images.classes, "pooled_accuracy")
    found |= cue_bias(conflict, shape, texture, images.classes, images.textures)
    for of_texture in more:
        found |= accuracies(of_texture, texture, images.textures, "texture_accuracy")
    return found


def cue_loss(outputs: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the sum over heads of the weighted mean cross entropy of the labels that are known (a scalar).

    Args:
        outputs: of a network.
        y: [B, heads] int64; a negative one is not known.
        weights: of the classes [classes]; None: all the same.
    """
    total = outputs.new_zeros(())
    for logits, labels in zip(by_head(outputs).unbind(1), y.unbind(1), strict=True):
        known = labels >= 0
        share = known.to(logits.dtype) if weights is None else known * weights[labels]
        each = cross_entropy(logits, labels.clamp_min(0), reduction="none")
        total = total + (share * each).sum() / share.sum().clamp_min(torch.finfo(share.dtype).tiny)
    return total


def by_head(outputs: Tensor) -> Tensor:
    """Return logits [B, heads, classes] of a network that has several heads, or one [B, classes]."""
    return outputs if outputs.dim() == 3 else outputs[:, None]


def named(front: str, numbers: Measured) -> Measured:
    """Return <front>/<name> -> number."""
    return {f"{front}/{name}": value for name, value in numbers.items()}


def totals(numbers: Measured) -> Measured:
    """Return what is not of a single class."""
    return {name: value for name, value in numbers.items() if "/" not in name}
