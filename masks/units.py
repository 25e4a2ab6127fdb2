"""Units: weights that share one score, such as all weights into a neuron or of an attention head."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from core.errors import MaskError
from core.registry import nearest

UNITS = ("weight", "output", "input", "head", "tensor")

# Layers of an attention module, by name: their outputs, or their inputs, are its heads side by side.
TO_HEADS = ("c_attn", "q_attn", "q_proj", "k_proj", "v_proj", "qkv", "query", "key", "value")
FROM_HEADS = ("c_proj", "out_proj", "o_proj", "proj", "dense")


@dataclass(frozen=True)
class Unit:
    """How the scores of one tensor cover its weights: there is one for each index of some of the axes of a view.

    Attributes:
        kind: one of `UNITS`.
        shape: of the weight.
        view: the same weights with some axes cut up, such as rows in heads.
        scores: shape of the scores: that of the view, and 1 where a score is shared.
    """

    kind: str
    shape: tuple[int, ...]
    view: tuple[int, ...]
    scores: tuple[int, ...]

    @property
    def covers(self) -> int:
        """The number of weights that one score stands for."""
        return math.prod(self.shape) // max(1, math.prod(self.scores))

    def spread(self, units: Tensor) -> Tensor:
        """Return the value of each weight's unit, [..., *shape], from those of the units, [..., *scores]."""
        front = units.shape[: units.dim() - len(self.scores)]
        return units.expand(*front, *self.view).reshape(*front, *self.shape)

    def scale(self, weight: Tensor, units: Tensor) -> Tensor:
        """Return `weight * spread(units)` [..., *shape], and spread nothing."""
        front = units.shape[: units.dim() - len(self.scores)]
        return (weight.reshape(self.view) * units).reshape(*front, *self.shape)

    def pick(self, weight: Tensor) -> Tensor:
        """Return the first value of each unit, [*scores]: of a tensor in which all of a unit are equal, the value."""
        return weight.reshape(self.view)[tuple(slice(size) for size in self.scores)]

    def mean(self, weight: Tensor) -> Tensor:
        """Return the mean of each unit, [*scores]."""
        shared = [axis for axis, size in enumerate(self.scores) if size != self.view[axis]]
        return weight.reshape(self.view).mean(shared, keepdim=True) if shared else weight.reshape(self.view)


def units_of(model: nn.Module, name: str, kind: str) -> Unit:
    """Return how one score for each unit covers a parameter.

    Args:
        model: any module.
        name: dotted name of the parameter.
        kind: "weight", each; "output", what leads to a neuron or channel (of an LSTM: to all gates of it; of a bias or
            a norm: each entry); "input", what leads away from one; "head", the queries, keys and values of an
            attention head, or what reads it; "tensor", all.

    Raises:
        MaskError: there is no such kind, or the layer has no such units.
    """
    if kind not in UNITS:
        raise MaskError(f"mask.unit={kind!s} is not one of {', '.join(UNITS)}{nearest(kind, UNITS)}")
    shape = tuple(model.get_parameter(name).shape)
    if kind in ("weight", "tensor"):
        return _unit(kind, shape, shape, range(len(shape)) if kind == "weight" else ())
    path, _, leaf = name.rpartition(".")
    layer = model.get_submodule(path)
    view, outputs, inputs = _axes(layer, leaf, shape)
    own = {"output": outputs, "input": inputs}.get(kind)
    if kind == "head":
        view, own = _heads(model, path, leaf, shape, outputs, inputs)
    if not own:
        title = f"layer {path!r} ({type(layer).__name__})" if path else f"the model itself ({type(layer).__name__})"
        raise MaskError(
            f"mask.unit={kind}: {name!r} of shape {list(shape)} has no {kind}s that {title} is known to have; "
            "leave it out (mask.exclude, mask.bias) or choose another unit"
        )
    return _unit(kind, shape, view, own)


def _unit(kind: str, shape: tuple[int, ...], view: tuple[int, ...], own: tuple[int, ...] | range) -> Unit:
    return Unit(kind, shape, view, tuple(size if axis in own else 1 for axis, size in enumerate(view)))


def _axes(layer: nn.Module, leaf: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple, tuple]:
    """Return the parameter's view, and its axes of outputs and of inputs; () where there are none."""
    if isinstance(layer, nn.RNNBase | nn.RNNCellBase) and not leaf.startswith("weight_hr"):
        gates = (shape[0] // layer.hidden_size, layer.hidden_size)
        return (*gates, *shape[1:]), (1,), (2,) if len(shape) > 1 else ()
    if len(shape) < 2:
        return shape, (0,)[: len(shape)], ()
    if type(layer).__name__ == "Conv1D" and hasattr(layer, "nf") or isinstance(layer, nn.Embedding):
        return shape, (1,), (0,)  # the linear layer of GPT-2, [inputs, outputs]; words are inputs
    if isinstance(layer, nn.modules.conv._ConvNd):
        groups, (first, second, *kernel) = layer.groups, shape
        view = (groups, first // groups, second, *kernel) if groups > 1 else shape
        axes = ((0, 1), (0, 2)) if groups > 1 else ((0,), (1,))
        return view, *(reversed(axes) if layer.transposed else axes)
    if isinstance(layer, nn.Linear | nn.MultiheadAttention | nn.RNNBase) and len(shape) == 2:
        return shape, (0,), (1,)
    return shape, (), ()


def _heads(
    model: nn.Module, path: str, leaf: str, shape: tuple[int, ...], outputs: tuple, inputs: tuple
) -> tuple[tuple[int, ...], tuple]:
    """Return the view of a parameter of an attention module in which one axis is its heads, and that axis."""
    parent, _, child = path.rpartition(".")
    layer, modules = model.get_submodule(path), dict(model.named_modules())
    if isinstance(layer, nn.MultiheadAttention):
        attention, axes = layer, (2,) if leaf.startswith("bias_") else (0,)  # bias_k and bias_v are [1, 1, E]
    else:
        above = parent.rpartition(".")[0]
        beside = [f"{above}.{name}".lstrip(".") for name in ("self", "attention") if child == "dense"]
        found = [modules[at] for at in (parent, *beside) if at in modules and at != path and _head_count(modules[at])]
        if not found or child not in TO_HEADS + FROM_HEADS:
            return shape, ()
        attention, axes = found[0], outputs if child in TO_HEADS else inputs
    heads, width = _head_count(attention), getattr(attention, "head_dim", None)
    width = width or getattr(attention, "attention_head_size", None)
    if not axes or not width:
        return shape, ()
    axis, size = axes[0], shape[axes[0]]
    parts = max(1, size // (heads * width)) if axes == outputs else 1  # queries, keys and values in one tensor
    heads = size // (parts * width)  # keys and values may have fewer
    if parts * heads * width != size:
        return shape, ()
    return (*shape[:axis], parts, heads, width, *shape[axis + 1 :]), (axis + 1,)


def _head_count(module: nn.Module) -> int:
    found = getattr(module, "num_heads", None) or getattr(module, "num_attention_heads", None)
    return found if isinstance(found, int) else 0
