"""A network temporarily in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put every module into evaluation mode, without gradients; afterwards each has the mode it had."""
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            yield model.eval()
    finally:
        for module, training in modes.items():
            module.training = training


def outputs(model: nn.Module, run: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """Return run(inputs) [N, ...] in evaluation mode, without gradients.

    Args:
        model: the network that `run` uses.
        run: inputs [n, ...] -> outputs [n, ...].
        inputs: [N, ...]; images that are read from their files when they are indexed will do.
        size: inputs per call of `run`.
    """
    with evaluating(model):
        return torch.cat([run(inputs[i : i + size]) for i in range(0, len(inputs), size)])
