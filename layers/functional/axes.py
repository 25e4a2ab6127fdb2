"""Where the batch lies in what a network takes and returns, and how that is cut into chunks and joined again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from core.errors import BatchError, LayerError
from layers.functional.backends import title
from layers.functional.pytree import Leaf, Shared, closed, leaves

NUMBER = "; of a loss, leave the targets out and compute it from the outputs"
STATE_AXIS = 1  # of a state of an RNN [layers, B, H], whatever batch_first says


def input_axes(model: nn.Module, inputs: Sequence[Leaf], batch_axis: int) -> list[int | None]:
    """Return the batch axis of each input; None for what every chunk gets whole: Shared, and tensors without axes."""
    bare = isinstance(model, nn.RNNBase)  # its inputs after the first are states
    axes: list[int | None] = []
    for leaf in inputs:
        if isinstance(leaf, Shared) or isinstance(leaf, Tensor) and not leaf.dim():
            axes.append(None)
        elif isinstance(leaf, PackedSequence):
            axes.append(0)
        else:
            axes.append(STATE_AXIS if bare and axes else batch_axis)
    return axes


def batch_rows(inputs: Sequence[Leaf], axes: Sequence[int | None]) -> int:
    """Return the number of rows of the batch: of the first input that has some.

    Raises:
        BatchError: there is none.
    """
    for leaf, axis in zip(inputs, axes, strict=True):
        if axis is not None:
            return _rows(leaf, axis)
    raise BatchError("no input is a tensor with a batch axis, so there is nothing to cut into K chunks")


def check_rows(inputs: Sequence[Leaf], axes: Sequence[int | None], rows: int) -> None:
    """Raise BatchError unless every input with a batch axis has so many rows."""
    for leaf, axis in zip(inputs, axes, strict=True):
        if axis is not None and _rows(leaf, axis) != rows:
            shape = list(leaf.shape) if isinstance(leaf, Tensor) else [_rows(leaf, axis)]
            raise BatchError(
                f"an input of shape {shape} does not have the {rows} rows of the first on axis {axis}; "
                "every tensor input needs the batch there: what is no batch goes into Shared(...)"
            )


def _rows(leaf: Leaf, axis: int) -> int:
    if isinstance(leaf, PackedSequence):
        return int(leaf.batch_sizes[0])
    assert isinstance(leaf, Tensor)  # what is shared has no axis
    if leaf.dim() <= axis:
        raise BatchError(
            f"an input of shape {list(leaf.shape)} has no axis {axis} for the batch; "
            "what is no batch goes into Shared(...)"
        )
    return leaf.shape[axis]


def cut(leaf: Leaf, axis: int | None, sizes: Sequence[int]) -> list[Leaf]:
    """Return the pieces of an input, of so many rows each; all of it for each where there is no axis."""
    if axis is None:
        return [leaf] * len(sizes)
    if isinstance(leaf, PackedSequence):
        padded, lengths = pad_packed_sequence(leaf, batch_first=True)
        pieces = zip(padded.split(sizes), lengths.split(sizes), strict=True)
        return [pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False) for x, n in pieces]
    assert isinstance(leaf, Tensor)
    return list(leaf.split(sizes, axis))


def join(pieces: Sequence[Leaf], axis: int) -> Leaf:
    """Return the pieces of an output as one."""
    packed = [piece for piece in pieces if isinstance(piece, PackedSequence)]
    if not packed:
        return torch.cat([piece for piece in pieces if isinstance(piece, Tensor)], axis)
    steps = max(len(piece.batch_sizes) for piece in packed)
    padded = [pad_packed_sequence(piece, batch_first=True, total_length=steps) for piece in packed]
    sequences, lengths = (torch.cat(parts) for parts in zip(*padded, strict=True))
    return pack_padded_sequence(sequences, lengths, batch_first=True, enforce_sorted=False)


def output_axes(output: Any, states: Sequence[Tensor], rows: int, batch_axis: int) -> list[int]:
    """Return the batch axis of each tensor of an output.

    Args:
        output: of a network, for one chunk.
        states: what its RNNs returned as their states.
        rows: of the chunk.
        batch_axis: of everything else.

    Raises:
        BatchError: an output has not as many rows there.
        LayerError: an object of another kind holds tensors, so that nothing is known of their axes.
    """
    sealed = closed(output)
    if sealed is not None:
        raise LayerError(
            f"the output holds tensors in an object of {type(sealed).__name__}, which K chunks cannot be joined in; "
            "have the network return tensors (of a cache: use_cache=False), or give it one mask at a time"
        )
    found = []
    for leaf in leaves(output):
        axis = STATE_AXIS if any(leaf is state for state in states) else batch_axis
        if isinstance(leaf, Tensor) and (leaf.dim() <= axis or leaf.shape[axis] != rows):
            raise BatchError(
                f"an output has shape {list(leaf.shape)} for a chunk of {rows} rows; "
                f"K chunks can only be joined where axis {axis} is the batch{'' if leaf.dim() else NUMBER}"
            )
        found.append(0 if isinstance(leaf, PackedSequence) else axis)
    return found


@contextmanager
def watched(model: nn.Module, rows: int, batch_axis: int | None) -> Iterator[list[Tensor]]:
    """Run a network on chunks of `rows` rows: its RNNs' states are noted, and time is not taken for the batch.

    Args:
        model: the network.
        rows: of a chunk.
        batch_axis: None: axis 0, and a layer that has time there is refused if it gets the batch there; a number:
            whoever calls knows.

    Raises:
        LayerError: such a layer does.
    """
    states: list[Tensor] = []
    hooks = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        states.extend(leaf for leaf in leaves(output[1]) if isinstance(leaf, Tensor) and leaf.dim() > STATE_AXIS)

    def watch(name: str, module: nn.RNNBase | nn.MultiheadAttention) -> None:
        batch_first = bool(module.batch_first)

        def look(module: nn.Module, inputs: tuple, keywords: dict[str, Any]) -> None:
            given = [leaf for leaf in leaves((inputs, keywords)) if isinstance(leaf, Tensor)]
            if given and not isinstance((inputs or (None,))[0], PackedSequence):
                _check_time(title(name, module), batch_first, given[0], rows)

        hooks.append(module.register_forward_pre_hook(look, with_kwargs=True))

    try:
        for name, module in model.named_modules():
            if isinstance(module, nn.RNNBase):
                hooks.append(module.register_forward_hook(note))
            if batch_axis is None and isinstance(module, nn.RNNBase | nn.MultiheadAttention):
                watch(name, module)
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _check_time(name: str, batch_first: bool, x: Tensor, rows: int) -> None:
    if x.dim() == 2 and x.shape[0] == rows:
        problem = f"takes an input {list(x.shape)} for a single sequence, without a batch"
        way = "give it [B, T, C] and batch_first=True"
    elif x.dim() == 3 and not batch_first and _batch_may_be_first(x.shape[0], x.shape[1], rows):
        problem = f"has time on axis 0 (batch_first=False) and gets {list(x.shape)}, where {rows} rows are a chunk"
        way = "build it with batch_first=True, or say batch_axis=1 if the network's batch lies there"
    else:
        return
    raise LayerError(f"{name} {problem}; {way}; batch_axis=0 if it is right as it is")


def _batch_may_be_first(first: int, second: int, rows: int) -> bool:
    return second % rows != 0 or first == rows and not second == rows == 1
