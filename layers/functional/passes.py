"""A pass through K weight sets by batched layers or by a loop, and how passes are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from layers.functional.axes import cut, join, output_axes, watched
from layers.functional.pytree import leaves, refill, unshared
from layers.functional.swapping import places, swapped


class Way(NamedTuple):
    """What stays the same from pass to pass; see `layers.functional.batching.forward`.

    Attributes:
        model: the network.
        own: its parameters and buffers by name.
        batch_axis: of inputs and outputs, None: axis 0, which layers with time there are watched for.
        uneven: what passes return is joined, so the axes of outputs are wanted.
    """

    model: nn.Module
    own: Mapping[str, Tensor]
    batch_axis: int | None
    uneven: bool = False


class Pass(NamedTuple):
    """An output of the network, and the batch axes of its tensors."""

    output: Any
    axes: list[int]


def joined(passes: Sequence[Pass]) -> Pass:
    """Return the outputs of consecutive rows as one."""
    output, axes = passes[0]
    pieces = zip(*(leaves(one.output) for one in passes), strict=True)
    return Pass(refill(output, [join(each, axis) for each, axis in zip(pieces, axes, strict=True)]), axes)


def by_layers(
    way: Way, weights: Mapping[str, Tensor], k: int, tree: Any, axes: Sequence[int | None], rows: int
) -> Pass:
    """Run the whole batch through layers that know of the K chunks; see `by_loop`."""
    args, kwargs = unshared(tree)
    where = places(way.model, way.own, weights)
    if not way.uneven:
        with swapped(where, weights):
            return Pass(way.model(*args, **kwargs), [])
    with watched(way.model, k * rows, 0) as states, swapped(where, weights):
        output = way.model(*args, **kwargs)
    return Pass(output, output_axes(output, states, k * rows, 0))


def by_loop(way: Way, weights: Mapping[str, Tensor], k: int, tree: Any, axes: Sequence[int | None], rows: int) -> Pass:
    """Run the chunks one after another.

    Args:
        way: the network.
        weights: name -> [K, *shape].
        k: K.
        tree: positional and keyword arguments.
        axes: batch axes of the leaves of `tree`.
        rows: of each chunk.
    """
    pieces = [cut(leaf, axis, [rows] * k) for leaf, axis in zip(leaves(tree), axes, strict=True)]
    slices = {name: weight.unbind() for name, weight in weights.items()}
    where = places(way.model, way.own, weights)
    passes = []
    with watched(way.model, rows, way.batch_axis) as states:
        for i in range(k):
            args, kwargs = unshared(refill(tree, (piece[i] for piece in pieces)))
            with swapped(where, {name: parts[i] for name, parts in slices.items()}):
                output = way.model(*args, **kwargs)
            passes.append(Pass(output, output_axes(output, states, rows, way.batch_axis or 0)))
            states.clear()
    return joined(passes)
