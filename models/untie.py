"""Untying: replaces the convolutions of a network by layers that compute the same function without sharing weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import LayerError, OptionError
from core.registry import nearest
from layers.eval_mode import evaluating
from layers.local import FullyConnected2d, LocallyConnected2d
from models.untieable import why_not

KINDS = ("local", "dense")
Size = tuple[int, ...]
# what a module calls around its forward and backward pass; these move to the layer that takes its place
HOOKS = (
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_backward_pre_hooks", "_backward_hooks", "_is_full_backward_hook",
)  # fmt: skip


def untie(model: nn.Module, kind: str, input_size: Sequence[int], layers: Sequence[str] = ("*",)) -> nn.Module:
    """Return a copy of `model` that computes the same, with its convolutions untied.

    All else is copied as it is, whatever it is: Conv1d, Conv3d and transposed convolutions too. What was frozen stays
    so, and hooks on the passes of a convolution stay on the layer that takes its place. To see the maps, the copy is
    sent one input of zeros in evaluation mode, before and after.

    Args:
        model: any tree of modules, or one convolution.
        kind: "local": each site keeps its own copy of the kernel (eLCN); "dense": a fully connected layer that
            holds the copies and zeros elsewhere (eFCN), layers.FullyConnected2d.
        input_size: shape of one input, such as (3, 32, 32).
        layers: shell patterns of the names of convolutions to untie; those after a "!" name what is left out.

    Raises:
        OptionError: an unknown kind, a pattern that names no convolution, or none is left to untie.
        LayerError: chosen convolutions cannot be untied; the text names each and says why.

    Source: d'Ascoli et al., NeurIPS 2019, section 2. Differs from its code: layers that it does not know are kept and
    not dropped; maps and kernels may be rectangular, kernels dilated and in groups.
    """
    if kind not in KINDS:
        raise OptionError(f"kind={kind!r}; allowed: {', '.join(KINDS)}{nearest(kind, KINDS)}")
    chosen = choose(model, layers)
    _refuse({name: why for name, conv in chosen.items() if (why := why_not(model, conv))})
    try:
        copied = copy.deepcopy(model)
    except (RuntimeError, TypeError) as error:  # tensors that are computed, or files and locks
        raise LayerError(f"the network cannot be copied: {_first_line(error)}") from None
    modules = {name: copied.get_submodule(name) for name in chosen}
    convolutions = {name: conv for name, conv in modules.items() if isinstance(conv, nn.Conv2d)}
    seen = _seen(copied, convolutions, input_size)
    untied, reasons = {}, {}
    for name, conv in convolutions.items():
        try:
            untied[name] = _untied(conv, kind, _one_size(seen[name]))
        except LayerError as error:
            reasons[name] = str(error)
    _refuse(reasons)
    for name, layer in untied.items():
        copied = _replaced(copied, convolutions[name], layer)
    after = _seen(copied, untied, input_size)
    past = "the network does not reach it through its tree of modules"
    _refuse({name: past for name in untied if after[name] != seen[name]})
    return copied


def choose(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Conv2d]:
    """Return the convolutions that the patterns of `untie` name.

    Raises:
        OptionError: a pattern names none, or none is left.
    """
    if isinstance(patterns, str):
        raise OptionError(f"layers={patterns!r} is a text; give a list of patterns, such as [{patterns!r}]")
    names: dict[nn.Conv2d, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):  # one module may stand under several names
        if isinstance(module, nn.Conv2d):
            names.setdefault(module, []).append(name)
    found = [name for own in names.values() for name in own]
    there = ", ".join(name or "'' (the module itself)" for name in found) or "none"
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern.removeprefix("!")) for name in found):
            near = nearest(pattern.removeprefix("!"), found)
            raise OptionError(f"layers={pattern} names no Conv2d; there are: {there}{near}")
    without = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"] * bool(without)
    chosen = {
        own[0]: conv for conv, own in names.items() if _any_matches(own, wanted) and not _any_matches(own, without)
    }
    if not chosen:
        raise OptionError(f"layers={','.join(patterns) or '[]'} leaves no Conv2d to untie; there are: {there}")
    return chosen


def _any_matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _refuse(reasons: Mapping[str, str]) -> None:
    """Raise LayerError where there is a reason; all layers of one reason are named together."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    texts = [
        f"layer{'s' * (len(names) > 1)} {', '.join(map(repr, names))} cannot be untied: {reason}"
        for reason, names in by_reason.items()
    ]
    if texts:
        raise LayerError("; ".join(texts) + " (layers=!NAME leaves a layer as it is)")


def _seen(model: nn.Module, layers: Mapping[str, nn.Module], input_size: Sequence[int]) -> dict[str, list[Size]]:
    """Return the shapes that each layer gets, call by call, in a pass of one empty input; buffers stay as they were."""
    seen: dict[str, list[Size]] = {name: [] for name in layers}

    def note(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
            seen[name].append(tuple((args[0] if args else kwargs["input"]).shape))

        return hook

    hooks = [layer.register_forward_pre_hook(note(name), with_kwargs=True) for name, layer in layers.items()]
    like = next(next(iter(layers.values())).parameters())
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with evaluating(model):
            model(torch.zeros(1, *input_size, device=like.device, dtype=like.dtype))
    except Exception as error:  # whatever a network of somebody else's raises at an input it does not take
        shape = ", ".join(map(str, input_size)) if isinstance(input_size, Sequence) else input_size
        raise LayerError(f"the network does not take an input of ({shape}): {_first_line(error)}") from None
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
    return seen


def _one_size(shapes: Sequence[Size]) -> tuple[int, int]:
    """Return (H, W) of the maps of all calls.

    Raises:
        LayerError: there is none, or there are several; or the maps have no batch axis.
    """
    if not shapes:
        raise LayerError("the network does not call it in evaluation mode")
    if any(len(shape) != 4 for shape in shapes):
        raise LayerError("it sees maps without a batch axis")
    sizes = sorted({shape[-2:] for shape in shapes})
    if len(sizes) > 1:
        raise LayerError(f"it sees maps of different sizes, {sizes}")
    height, width = sizes[0]
    return height, width


def _untied(conv: nn.Conv2d, kind: str, size: tuple[int, int]) -> LocallyConnected2d | FullyConnected2d:
    local = LocallyConnected2d.from_conv(conv, size)
    layer = local if kind == "local" else local.to_dense()
    for name in HOOKS:
        setattr(layer, name, copy.copy(getattr(conv, name)))
    return layer.train(conv.training)


def _replaced(model: nn.Module, old: nn.Module, new: nn.Module) -> nn.Module:
    """Put `new` wherever `old` stands, and return the model; a module may be used under several names."""
    if model is old:
        return new
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):  # named_children names a module once
            if child is old:
                setattr(parent, name, new)
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
