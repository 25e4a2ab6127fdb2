"""One forward pass through K versions of a network's weights: by batched layers, by vmap, or by a loop.

All three take the batch [B, ...] as K consecutive chunks of B/K rows, chunk i through weights i, and return [B, ...].
They give the same numbers; they differ in speed and in what they can run (`backends.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from core.errors import MaskError
from core.registry import nearest
from layers.batched import chunk_rows
from layers.functional.axes import batch_rows, check_rows, cut, input_axes
from layers.functional.backends import select_backend
from layers.functional.passes import Way, by_layers, by_loop, joined
from layers.functional.pytree import leaves, refill, unshared
from layers.functional.swapping import places, swapped
from layers.functional.vmap import by_vmap

BY = {"layers": by_layers, "vmap": by_vmap, "loop": by_loop}


def forward(
    model: nn.Module, weights: Mapping[str, Tensor], k: int | None, *args: Any, backend: str = "auto", **kwargs: Any
) -> Any:
    """Run `model` on `weights` in place of its own; see `run`, whose inputs may have any names."""
    return run(model, weights, k, args, kwargs, backend)


@contextmanager
def replaced(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[nn.Module]:
    """Put given weights in the place of the model's own for a moment.

    Args:
        model: any module.
        weights: name of a parameter or buffer -> [*shape].

    Raises:
        LayerError, MaskError: as of `run`.
    """
    own = _own(model, weights)
    _check(own, weights, None)
    with swapped(places(model, own, weights), weights):
        yield model


def run(
    model: nn.Module, weights: Mapping[str, Tensor], k: int | None, args: tuple, kwargs: Mapping[str, Any],
    backend: str = "auto", batch_axis: int | None = None, uneven: bool = False,
) -> Any:  # fmt: skip
    """Run `model` on `weights` in place of its own; the model is not changed.

    Args:
        model: any module whose tensor inputs and outputs have the batch on one axis.
        weights: name of a parameter or buffer -> [K, *shape], or [*shape] when `k` is None; the rest stay as they
            are. A given buffer that training moves, such as running statistics, is moved in place.
        k: number of weight sets, or None for a single one.
        args, kwargs: inputs of the model, in any nesting of tuples, lists, dicts, dataclasses and caches of
            Hugging Face. What is no batch is wrapped in `Shared`; every chunk gets the whole of it.
        backend: "layers" (one pass; modules that own a weight named here must come from `layers`), "vmap" (any
            module torch can vectorise), "loop" (K passes, any module), or "auto": "layers" if every module
            with parameters comes from there, otherwise "vmap".
        batch_axis: of inputs and outputs; None: axis 0, and a layer that takes it for time is refused.
        uneven: a batch that is no multiple of K is cut into chunks that differ by a row, the first ones larger;
            otherwise it is an error.

    Returns:
        The model's output, each tensor [B, ...].

    Raises:
        BatchError: the batch is not a multiple of K, or a tensor has no batch axis.
        LayerError: a module cannot run the way it was asked to; the text names it and the way out.
        MaskError: a name or shape does not fit the model.
        OptionError: `backend` is none of the above.
    """
    if k is None:
        args, kwargs = unshared((args, kwargs))
        with replaced(model, weights):
            return model(*args, **kwargs)
    own = _own(model, weights)
    _check(own, weights, k)
    inputs = leaves((args, kwargs))
    axes = input_axes(model, inputs, batch_axis or 0)
    rows = batch_rows(inputs, axes)
    if not (uneven and rows):
        chunk_rows(rows, k)
    backend = select_backend(model, {id(own[name]) for name in weights}, backend, k, batch_axis)
    if backend != "layers":
        check_rows(inputs, axes, rows)
    way = Way(model, own, batch_axis, uneven=rows % k > 0)
    if not way.uneven:
        return BY[backend](way, weights, k, (args, kwargs), axes, rows // k).output
    # so many chunks with a row more than the others, and then the others
    more, fewest = rows % k, rows // k
    sizes = [(count, count * size) for count, size in ((more, fewest + 1), (k - more, fewest)) if size]
    pieces = [cut(leaf, axis, [part for _, part in sizes]) for leaf, axis in zip(inputs, axes, strict=True)]
    passes, start = [], 0
    for i, (count, part) in enumerate(sizes):
        given = {name: weight[start : start + count] for name, weight in weights.items()}
        tree = refill((args, kwargs), (piece[i] for piece in pieces))
        passes.append(BY[backend](way, given, count, tree, axes, part // count))
        start += count
    return joined(passes).output


def _own(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the model's parameters by every name that they have, and its buffers where some are given."""
    own: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    if not weights.keys() <= own.keys():
        own |= dict(model.named_buffers(remove_duplicate=False))
    return own


def _check(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], k: int | None) -> None:
    if k is not None and k < 1:
        raise MaskError(f"k={k}: the number of weight sets is at least 1, or None")
    seen: dict[int, str] = {}
    for name, weight in weights.items():
        if name not in own:
            raise MaskError(f"the model has no parameter {name!r}{nearest(name, own)}")
        wanted = [*own[name].shape] if k is None else [k, *own[name].shape]
        if [*weight.shape] != wanted:
            raise MaskError(f"the weight for {name!r} has shape {[*weight.shape]}; with k={k} it must be {wanted}")
        first = seen.setdefault(id(own[name]), name)
        if first != name:
            raise MaskError(f"{name!r} and {first!r} are one tied parameter of the model; give one of the two")
