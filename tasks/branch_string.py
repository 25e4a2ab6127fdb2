"""A string between two networks: points between their weights, moved downhill and held together by springs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from analysis.paths import linear, tension
from core.fit import Stage
from models.stacked_models import Stack
from tasks.untying.branch_paths import Path, along_string, alphas

if TYPE_CHECKING:
    from tasks.untying.cnn_elcn import CNNtoLCN

Ends = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]


def relaxed(
    task: CNNtoLCN, key: str, ends: Callable[[], Ends], template: Callable[[], nn.Module], lr: float,
    record: Callable[[Path], dict[str, float | None]],
) -> Stage:  # fmt: skip
    """Return the stage that relaxes a string between two sets of weights.

    Its inner points descend sum over i of loss(t_i) + c/2 |t_i - t_(i-1)|^2 with c = stiffness / lr.

    Differs from the original: all points move at once along the gradient of this one sum.

    Args:
        task: a tasks.untying.cnn_elcn.CNNtoLCN, whose images, batches and `paths` options it uses.
        key: name of the stage.
        ends: returns the weights of both ends; called when the stage begins.
        template: returns a network of their form.
        lr: learning rate.
        record: what to do with the path in the end; returns the numbers that sum it up.
    """
    paths = task.options.paths
    fixed: list[Mapping[str, Tensor]] = []

    def begin() -> dict[str, Tensor]:
        fixed[:] = ends()
        return points().weights

    def points() -> Stack:
        return task.stack(key, between, template)

    def between() -> Stack:
        first, last = fixed
        inner = [linear(first, last, alpha) for alpha in alphas(paths.points)[1:-1]]
        return Stack(template(), {name: torch.stack([point[name] for point in inner]) for name in first})

    def loss(batch: tuple[Tensor, Tensor], rows: None) -> Tensor:
        pull = paths.stiffness / lr * tension(points().weights, fixed[0], fixed[1])
        return sound_sum(task.losses(points(), batch)) + sound_sum(pull[None])

    def finish() -> dict[str, float | None]:
        path = along_string(task.measures, fixed, points())
        task.drop(key)
        return record(path)

    return Stage(
        name=key,
        batch=lambda rng, step: task.batch((0,) * (paths.points - 2), step),
        steps=paths.epochs * task.epochs.steps,
        parameters=begin,
        loss=loss,
        evaluate=dict,
        optim=task.sgd(lr, momentum=0.0, weight_decay=0.0),
        on_end=finish,
        may_diverge=True,
    )


def sound_sum(losses: Tensor) -> Tensor:
    """Return the sum of the losses of networks side by side.

    Where one diverged there is no such number, and its gradient is that of the others, which go on.
    """
    others = losses[losses.detach().isfinite()].sum()
    return others + (losses.sum() - others).detach()
