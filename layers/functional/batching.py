"""One forward pass through K versions of a network's weights: by batched layers, by vmap, or by a loop.

All three take the batch [B, ...] as K consecutive chunks of B/K rows, chunk i through weights i, and return [B, ...].
They give the same numbers; they differ in speed and in what they can run (`backends.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from core.errors import BatchError, LayerError, MaskError
from core.registry import nearest
from layers import LSTM
from layers.batched import chunk_rows, chunks
from layers.functional.backends import select_backend
from layers.functional.pytree import Leaf, leaves, refill


def forward(
    model: nn.Module, weights: Mapping[str, Tensor], k: int | None, *args: Any, backend: str = "auto", **kwargs: Any
) -> Any:
    """Run `model` on `weights` in place of its own; the model is not changed.

    Args:
        model: any module whose tensor inputs and outputs have the batch on axis 0.
        weights: name of a parameter or buffer -> [K, *shape], or [*shape] when `k` is None; the rest stay as they
            are. A given buffer that training moves, such as running statistics, is moved in place.
        k: number of weight sets, or None for a single one.
        *args, **kwargs: inputs of the model, in any nesting of tuples, lists, dicts and dataclasses.
        backend: "layers" (one pass; modules that own a weight named here must come from `layers`), "vmap" (any
            module torch can vectorise), "loop" (K passes, any module), or "auto": "layers" if every module
            with parameters comes from there, otherwise "vmap".

    Returns:
        The model's output, each tensor [B, ...].

    Raises:
        BatchError: the batch is not a multiple of K, or a tensor has no batch axis.
        LayerError: a module cannot run the way it was asked to; the text names it and the way out.
        MaskError: a name or shape does not fit the model.
        OptionError: `how` is none of the above.
    """
    own: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    if not weights.keys() <= own.keys():
        own |= dict(model.named_buffers())
    _check(own, weights, k)
    weights = _everywhere(model, own, weights)
    if k is None:
        return functional_call(model, weights, args, kwargs, tie_weights=False)
    rows = _rows((args, kwargs))
    chunk_rows(rows, k)
    backend = select_backend(model, {id(own[name]) for name in weights}, backend, k)
    if backend == "layers":
        return functional_call(model, weights, args, kwargs, tie_weights=False)
    inputs = leaves((args, kwargs))
    for leaf in inputs:
        if _leaf_rows(leaf) not in (None, rows):
            shape = (leaf.data if isinstance(leaf, PackedSequence) else leaf).shape
            raise BatchError(
                f"an input of shape {list(shape)} does not have the {rows} rows of the first on axis 0; "
                "every tensor input needs the batch there (keep others in the model, as a buffer)"
            )
    run = _vmap if backend == "vmap" else _loop
    return run(model, own, weights, k, (args, kwargs), inputs)


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


def _everywhere(model: nn.Module, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under every name that theirs has, once for a module that is registered twice.

    torch's own tying would swap such a module's weight twice and leave the given one in the model.
    """
    given = {id(own[name]): weight for name, weight in weights.items()}
    return {
        f"{prefix}.{name}" if prefix else name: given[id(tensor)]
        for prefix, module in model.named_modules()
        for name, tensor in (*module._parameters.items(), *module._buffers.items())
        if id(tensor) in given
    }


def _leaf_rows(leaf: Leaf) -> int | None:
    """Return the number of rows of an input, None for a tensor without axes (it goes to every chunk)."""
    if isinstance(leaf, PackedSequence):
        return int(leaf.batch_sizes[0])
    return leaf.shape[0] if leaf.dim() else None


def _rows(inputs: Any) -> int:
    for leaf in leaves(inputs):
        rows = _leaf_rows(leaf)
        if rows is not None:
            return rows
    raise BatchError("no input is a tensor with a batch axis, so there is nothing to cut into K chunks")


def _checked(output: Leaf, rows: int) -> Tensor:
    """Return one output of one chunk if its axis 0 is the chunk's rows."""
    assert isinstance(output, Tensor)  # vmap cannot pack, and the loop joins what is packed
    if not output.dim() or output.shape[0] != rows:
        raise BatchError(
            f"an output has shape {list(output.shape)} for a chunk of {rows} rows; "
            "K chunks can only be joined where axis 0 is the batch"
        )
    return output


# ---------------------------------------------------------------- loop


def _loop(
    model: nn.Module, own: Mapping[str, Tensor], weights: Mapping[str, Tensor], k: int, tree: Any, inputs: list[Leaf]
) -> Any:
    cut = [_cut(leaf, k) for leaf in inputs]
    slices = {name: weight.unbind() for name, weight in weights.items()}
    outputs = []
    for i in range(k):
        args, kwargs = refill(tree, (pieces[i] for pieces in cut))
        outputs.append(
            functional_call(model, {n: parts[i] for n, parts in slices.items()}, args, kwargs, tie_weights=False)
        )
    rows = _rows(inputs) // k
    joined = [_join(pieces, rows) for pieces in zip(*map(leaves, outputs), strict=True)]
    return refill(outputs[0], joined)


def _cut(leaf: Leaf, k: int) -> list[Leaf]:
    if isinstance(leaf, PackedSequence):
        padded, lengths = pad_packed_sequence(leaf, batch_first=True)
        pieces = zip(chunks(padded, k), chunks(lengths, k), strict=True)
        return [pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False) for x, n in pieces]
    return list(chunks(leaf, k)) if leaf.dim() else [leaf] * k


def _join(pieces: tuple[Leaf, ...], rows: int) -> Leaf:
    packed = [piece for piece in pieces if isinstance(piece, PackedSequence)]
    if not packed:
        return torch.cat([_checked(piece, rows) for piece in pieces])
    steps = max(len(piece.batch_sizes) for piece in packed)
    padded = [pad_packed_sequence(piece, batch_first=True, total_length=steps) for piece in packed]
    sequences, lengths = (torch.cat(parts) for parts in zip(*padded, strict=True))
    return pack_padded_sequence(sequences, lengths, batch_first=True, enforce_sorted=False)


# ---------------------------------------------------------------- vmap


def _vmap(
    model: nn.Module, own: Mapping[str, Tensor], weights: Mapping[str, Tensor], k: int, tree: Any, inputs: list[Leaf]
) -> Any:
    tensors = [leaf for leaf in inputs if isinstance(leaf, Tensor)]
    if len(tensors) < len(inputs):
        raise LayerError("a PackedSequence cannot be cut for vmap; run it with backend='loop'")
    # torch's fused LSTM kernel has no rule for vmap; given one weight set, our layer runs its own steps.
    stepped = [
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if isinstance(module, LSTM)
        for name, _ in module.named_parameters()
    ]
    rows = _rows(inputs) // k
    template: Any = None

    def one(weights: dict[str, Tensor], pieces: list[Tensor]) -> list[Tensor]:
        nonlocal template
        args, kwargs = refill(tree, pieces)
        weights = {**weights, **{name: weights.get(name, own[name]).unsqueeze(0) for name in stepped}}
        template = functional_call(model, weights, args, kwargs, tie_weights=False)
        return [_checked(leaf, rows) for leaf in leaves(template)]

    pieces = [chunks(leaf, k) if leaf.dim() else leaf.expand(k) for leaf in tensors]
    try:
        with _no_fused_attention():
            outputs = torch.func.vmap(one, randomness="different")(dict(weights), pieces)
    except RuntimeError as error:
        text = str(error).splitlines()[0]
        if not any(sign in text for sign in ("vmap", "Batching rule", "stack expects")):  # the last: packed inside
            raise
        raise LayerError(
            f"{type(model).__name__} cannot run under vmap ({text}); run it with backend='loop'"
        ) from error
    return refill(template, [output.flatten(0, 1) for output in outputs])


@contextmanager
def _no_fused_attention() -> Iterator[None]:
    """Keep torch's transformer layers off their inference kernel, which under vmap is a hidden slow loop."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
