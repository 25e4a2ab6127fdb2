"""Batch-normalisation statistics: read by name, or temporarily replaced by those of other batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def statistics_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the running means and variances of batch normalisation by buffer name."""
    kinds = ("running_mean", "running_var")
    return {name: buffer for name, buffer in model.named_buffers() if name.rpartition(".")[2] in kinds}


@contextmanager
def own_statistics(model: nn.Module, run: Callable[[], None]) -> Iterator[nn.Module]:
    """Recompute the batch-normalisation statistics, as the mean over the batches that `run` passes through the network.

    Afterwards each layer has those that it had.
    """
    norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS) and m.running_mean is not None]
    before = [(m.momentum, {name: buffer.clone() for name, buffer in m.named_buffers()}) for m in norms]
    modes = {module: module.training for module in model.modules()}
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
        if norms:
            with torch.no_grad():
                model.train()
                run()
        yield model
    finally:
        for norm, (momentum, buffers) in zip(norms, before, strict=True):
            norm.momentum = momentum
            for name, buffer in norm.named_buffers():
                buffer.copy_(buffers[name])
        for module, training in modes.items():
            module.training = training
