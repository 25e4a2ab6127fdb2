"""Paths from one stack of networks to another: the loss and the accuracy along them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from analysis.paths import barrier, curvilinear, linear
from models.stacked_models import Stack
from tasks.untying.branch_measures import Measures

INTERPOLATIONS: dict[str, Callable[..., dict[str, Tensor]]] = {"linear": linear, "curvilinear": curvilinear}
PARTS = ("train", "test")
Path = dict[str, np.ndarray]  # alpha [P], and train_loss, train_accuracy, test_loss, test_accuracy


def alphas(points: int) -> list[float]:
    """Return where the points of a path lie, from 0 to 1."""
    return [i / (points - 1) for i in range(points)]


def interpolated(measures: Measures, method: str, first: Stack, last: Stack, points: int) -> list[Path]:
    """Measure the way from each network of `first` to that of `last`.

    Args:
        measures: the sets.
        method: linear or curvilinear in the weights, or average: of the logits.
        first, last: S networks each.
        points: of the path, both ends included.

    Returns:
        A path for each of the S pairs.
    """
    places = alphas(points)
    rows: list[list[tuple[list[float], list[float]]]] = []
    if method == "average":
        logits = {part: (measures.logits(first, part), measures.logits(last, part)) for part in PARTS}
        for alpha in places:
            mixed = {part: (1 - alpha) * a + alpha * b for part, (a, b) in logits.items()}
            rows.append([measures.scores(mixed[part], part) for part in PARTS])
    else:
        pairs = [(first.pick(s), last.pick(s)) for s in range(first.size)]
        for alpha in places:
            between = [INTERPOLATIONS[method](a, b, alpha) for a, b in pairs]
            stack = Stack(last.template, {name: torch.stack([w[name] for w in between]) for name in last.weights})
            rows.append([measures.scores(measures.logits(stack, part), part) for part in PARTS])
    return [_path(places, [[(loss[s], right[s]) for loss, right in row] for row in rows]) for s in range(first.size)]


def along_string(measures: Measures, ends: Sequence[Mapping[str, Tensor]], inner: Stack) -> Path:
    """Measure a string: its two ends, and the inner points between them in order."""
    stacks = [Stack(inner.template, {name: end[name][None] for name in inner.weights}) for end in ends]
    scores = []
    for part in PARTS:
        found = [measures.scores(measures.logits(stack, part), part) for stack in (stacks[0], inner, stacks[1])]
        scores.append([(loss, right) for losses, rights in found for loss, right in zip(losses, rights, strict=True)])
    return _path(alphas(inner.size + 2), [list(point) for point in zip(*scores, strict=True)])


def rise(path: Path) -> float | None:
    """Return the barrier of the training loss along a path, None where the loss is not finite."""
    losses = path["train_loss"]
    return barrier(path["alpha"].tolist(), losses.tolist()) if np.isfinite(losses).all() else None


def _path(places: Sequence[float], rows: Sequence[Sequence[tuple[float, float]]]) -> Path:
    found = {"alpha": np.array(places)}
    for i, part in enumerate(PARTS):
        found[f"{part}_loss"] = np.array([row[i][0] for row in rows])
        found[f"{part}_accuracy"] = np.array([row[i][1] for row in rows])
    return found
