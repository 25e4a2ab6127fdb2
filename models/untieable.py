"""Reasons why a convolution cannot be untied: everything that a copy of its weight and settings would lose."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized

from layers.conv import Conv2d

OWN = ("__call__", "forward", "_conv_forward")  # between them they are the forward pass
ON_STATE = ("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


def why_not(model: nn.Module, conv: nn.Conv2d) -> str:
    """Return why a convolution of the model cannot be untied, with its class where that is the reason; "" if it can.

    Args:
        model: whose other layers may share the convolution's weight.
        conv: one of its convolutions.
    """
    kind = f"{type(conv).__module__}.{type(conv).__qualname__}"
    if isinstance(conv, LazyModuleMixin) and conv.has_uninitialized_params():
        return f"{kind} has no weight before its first pass"
    if is_parametrized(conv):
        chains = dict(conv.get_submodule("parametrizations").named_children())
        named = ", ".join(f"{name} by {type(next(chain.children())).__name__}" for name, chain in chains.items())
        return f"it is parametrised ({named}); torch.nn.utils.parametrize.remove_parametrizations makes it plain"
    if "weight" not in conv._parameters:
        parts = ", ".join(name for name in conv._parameters if name != "bias")
        return f"its weight is computed from {parts}"
    if any(_of(conv, name) not in (getattr(nn.Conv2d, name), getattr(Conv2d, name)) for name in OWN):
        return f"{kind} has a forward pass of its own"
    extra = [name for part in (conv._parameters, conv._buffers, conv._modules) for name in part]
    extra = [name for name in extra if name not in ("weight", "bias")]
    if extra:
        return f"{kind} also holds {', '.join(extra)}"
    if any(getattr(conv, name) for name in ON_STATE):
        return "it has hooks on its state_dict"
    if conv.padding_mode != "zeros":
        return f"padding_mode={conv.padding_mode!r}; only zeros"
    own = {id(parameter) for parameter in conv.parameters()}
    others = [
        f"{name}.{parameter}".removeprefix(".")
        for name, module in model.named_modules()
        if module is not conv
        for parameter, tensor in module.named_parameters(recurse=False)
        if id(tensor) in own
    ]
    if others:
        return f"it shares its weights with {', '.join(others)}"
    return ""


def _of(conv: nn.Conv2d, name: str) -> object:
    """Return a method of the convolution, or what was put over it on this one object."""
    return vars(conv).get(name, getattr(type(conv), name))
