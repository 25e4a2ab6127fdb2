"""Untying: a network whose convolutions give way to layers that compute the same and share no weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from core.errors import LayerError, OptionError
from core.registry import nearest
from layers.evaluating import evaluating
from layers.local import LocallyConnected2d

KINDS = ("local", "dense")


def untie(
    model: nn.Module, kind: str, input_size: Sequence[int], layers: Sequence[str] = ("*",)
) -> nn.Module:
    """Return a copy of `model` that computes the same, with its convolutions untied.

    The modules that are no convolutions are copied as they are, whatever they are.

    Args:
        model: any tree of modules.
        kind: "local": each site keeps its own copy of the kernel (eLCN); "dense": a fully connected layer that
            holds the copies and zeros elsewhere (eFCN), layers.FullyConnected2d.
        input_size: shape of one input, such as (3, 32, 32).
        layers: shell patterns of the names of convolutions to untie.

    Raises:
        OptionError: an unknown kind, or a pattern that names no convolution.
        LayerError: a chosen convolution cannot be untied; the text names it and says why.

    Source: d'Ascoli et al., NeurIPS 2019, section 2. Differs from its code: layers that it does not know are kept and
    not dropped, and maps and kernels may be rectangular.
    """
    if kind not in KINDS:
        raise OptionError(f"kind={kind!r}; allowed: {', '.join(KINDS)}{nearest(kind, KINDS)}")
    copied = copy.deepcopy(model)
    chosen = _choose(copied, layers)
    sizes = _sizes(copied, chosen, input_size)
    for name, conv in chosen.items():
        try:
            local = LocallyConnected2d.from_conv(conv, sizes[name])
        except LayerError as error:
            raise LayerError(f"layer {name!r} cannot be untied: {error}") from None
        local.train(conv.training)
        _replace(copied, conv, local if kind == "local" else local.to_dense())
    return copied


def _choose(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Conv2d]:
    convolutions = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in convolutions):
            there = ", ".join(convolutions) or "none"
            near = nearest(pattern, convolutions)
            raise OptionError(f"layers={pattern} names no Conv2d; there are: {there}{near}")
    return {
        name: conv for name, conv in convolutions.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def _sizes(model: nn.Module, chosen: dict[str, nn.Conv2d], input_size: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Return (H, W) of the maps that each convolution sees, from a pass of one empty input."""
    seen: dict[str, set[tuple[int, int]]] = {name: set() for name in chosen}
    hooks = [
        conv.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].add(tuple(inputs[0].shape[-2:])))
        for name, conv in chosen.items()
    ]
    like = next(iter(chosen.values())).weight
    try:
        with evaluating(model):
            model(torch.zeros(1, *input_size, device=like.device, dtype=like.dtype))
    except RuntimeError as error:
        shape = ", ".join(map(str, input_size))
        raise LayerError(f"the network does not take an input of ({shape}): {str(error).splitlines()[0]}") from None
    finally:
        for hook in hooks:
            hook.remove()
    for name, sizes in seen.items():
        if len(sizes) != 1:
            why = f"it sees maps of different sizes, {sorted(sizes)}" if sizes else "the network does not use it"
            raise LayerError(f"layer {name!r} cannot be untied: {why}")
    return {name: next(iter(sizes)) for name, sizes in seen.items()}


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put `new` wherever `old` stands; a module may be used under several names."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):  # named_children names a module once
            if child is old:
                setattr(parent, name, new)
