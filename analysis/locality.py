"""Decomposes the weights of an untied network: tied (as in a convolution), untied local, and off-local."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from layers import FullyConnected2d, LocallyConnected2d

Untied = LocallyConnected2d | FullyConnected2d
PARTS = ("tied", "untied", "off_local")


def untied_layers(model: nn.Module) -> dict[str, Untied]:
    """Return the layers that were convolutions, by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, Untied)}


def energies(layer: Untied) -> dict[str, float]:
    """Split the squared norm of an untied weight into what is tied, what is local and untied, and what is not local.

    theta = P_tied theta + (P_local - P_tied) theta + (1 - P_local) theta: the mean of the kernels over sites, the rest
    of the local blocks, and the rest of a fully connected weight. Entries that lie on the layer's own padding only
    ever meet zeros and are left out, of the mean too: a fully connected weight has no place for them, and both forms of
    one layer then have the same energies.

    Returns:
        tied, untied, off_local (0 of a locally connected layer): squared norms, whose sum is that of the linear map.

    Source: d'Ascoli et al., NeurIPS 2019, section 4 (deviation from the convolutional subspace).
    """
    local = layer.to_local() if isinstance(layer, FullyConnected2d) else layer
    present = local.sites.on_map(local.weight.device).unsqueeze(-1)
    weight, mean = local.weight.detach().double() * present, local.tied().double()
    outside = 0.0
    if isinstance(layer, FullyConnected2d):
        outside = (layer.linear.weight.detach().double().square().sum() - weight.square().sum()).item()
    return {
        "tied": (present * mean.square()).sum().item(),
        "untied": (present * (weight - mean).square()).sum().item(),
        "off_local": max(0.0, outside),
    }


def only_local(model: nn.Module, local: bool) -> dict[str, Tensor]:
    """Return the weights of a network with one part of each fully connected layer set to zero.

    Biases and all other layers stay.

    Args:
        model: a network that was untied to fully connected layers.
        local: keep the local blocks; otherwise keep what lies outside of them.
    """
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
    for name, layer in untied_layers(model).items():
        if isinstance(layer, FullyConnected2d):
            weights[f"{name}.linear.weight"] = layer.linear.weight.detach() * (layer.local_mask() == local)
    return weights


def retied(model: nn.Module) -> nn.Module:
    """Return a copy in which every locally connected layer is the nearest convolution: the mean over its sites."""
    tied = copy.deepcopy(model)
    for name, layer in untied_layers(tied).items():
        if isinstance(layer, LocallyConnected2d):
            tied.set_submodule(name, layer.to_conv().train(layer.training))
    return tied
