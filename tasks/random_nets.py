"""Builds the network with random weights that a task's options describe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from core.rng import stream
from masks.maskable import maskable
from masks.options import MaskConfig, ScoreConfig, method_of
from models.random_nets import random_net
from tasks.random_net_options import RandomNetOptions


def network_of(
    options: RandomNetOptions, mask: ScoreConfig, seed: int, image: Sequence[int], outputs: int, device: torch.device
) -> nn.Module:
    """Return the network of a task's options.

    Args:
        options, mask, seed: of the task.
        image: (C, H, W).
        outputs: width of the last layer.
        device: where it lies.
    """
    keep = getattr(method_of(mask), "keep", 1.0)
    network = random_net(
        options.model, image, outputs, stream(seed, "init"), options.init, keep, options.scale,
        options.layer_sizes, options.width, options.affine,
    )  # fmt: skip
    return network.to(device)


def masked_names(network: nn.Module, mask: MaskConfig) -> list[str]:
    """Return the weights that the options of a mask choose among those of linear layers and convolutions."""
    names = [name for name, parameter in network.named_parameters() if parameter.dim() > 1]
    return maskable(names, mask.include, mask.exclude)
