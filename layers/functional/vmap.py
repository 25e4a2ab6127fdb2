"""A pass through K weight sets by torch.func.vmap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from core.errors import LayerError
from layers import LSTM
from layers.functional.axes import output_axes, watched
from layers.functional.backends import title
from layers.functional.passes import Pass, Way
from layers.functional.pytree import Shared, leaves, map_leaves, refill, unshared
from layers.functional.swapping import places, swapped

MODULE = set(vars(nn.Module()))  # what every module has, its parameters, buffers and hooks among them
SIGNS = ("vmap", "Batching rule", "stack expects")  # of torch's errors under vmap; the last: packed inside


def by_vmap(way: Way, weights: Mapping[str, Tensor], k: int, tree: Any, axes: Sequence[int | None], rows: int) -> Pass:
    """Run all chunks at once; see `layers.functional.passes.by_loop`.

    What modules keep of the pass as attributes is joined like its outputs: it would not live outside of vmap.

    Raises:
        LayerError: vmap cannot run the network, or something keeps what cannot be joined.
    """
    model, inputs = way.model, leaves(tree)
    if any(isinstance(leaf, PackedSequence) for leaf in inputs):
        raise LayerError("a PackedSequence cannot be cut for vmap; run it with backend='loop'")
    # torch's fused LSTM kernel has no rule for vmap; given one weight set, our layer runs its own steps.
    stepped = [
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if isinstance(module, LSTM)
        for name, _ in module.named_parameters()
    ]
    where = places(model, way.own, {**weights, **dict.fromkeys(stepped)})
    output: Any = None
    found_axes: list[int] = []
    kept: list[tuple[nn.Module, str, Any]] = []
    seen: list[tuple[str, ref[Tensor]]] = []
    chunked = [i for i, axis in enumerate(axes) if axis is not None]
    tensors = [
        (leaf, axis) for leaf, axis in zip(inputs, axes, strict=True) if isinstance(leaf, Tensor) and axis is not None
    ]

    def one(weights: dict[str, Tensor], pieces: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        nonlocal output, found_axes
        given = [*inputs]
        for i, piece in zip(chunked, pieces, strict=True):
            given[i] = piece
        args, kwargs = unshared(refill(tree, given))
        weights = {**weights, **{name: weights.get(name, way.own[name]).unsqueeze(0) for name in stepped}}
        with (
            watched(model, rows, way.batch_axis) as states,
            swapped(where, weights, checkpoints=False),
            _seen_by_hooks(model, seen),
        ):
            output = model(*args, **kwargs)
        found_axes = output_axes(output, states, rows, way.batch_axis or 0)
        kept.extend(_kept(model, rows, way.batch_axis or 0))
        found, attributes = _tensors(output), _tensors([value for _, _, value in kept])
        output = map_leaves(output, lambda leaf: Shared(None))  # only its form: nothing else may live on
        return found, attributes

    pieces = [leaf.unflatten(axis, (k, rows)).movedim(axis, 0) for leaf, axis in tensors]
    try:
        with _no_fused_attention():
            found, attributes = torch.func.vmap(one, randomness="different")(dict(weights), pieces)
    except RuntimeError as error:
        text = str(error).splitlines()[0]
        if not any(sign in text for sign in SIGNS):
            raise
        raise LayerError(
            f"{type(model).__name__} cannot run under vmap ({text}); run it with backend='loop'"
        ) from error
    values = refill([value for _, _, value in kept], [_whole(tensor, way.batch_axis or 0) for tensor in attributes])
    for (module, name, _), value in zip(kept, values, strict=True):
        setattr(module, name, value)
    kept.clear()
    for layer, tensor in seen:
        if tensor() is not None:
            raise LayerError(
                f"a hook on {layer} keeps tensors of a pass by vmap, which are dead outside of it; "
                "run the network with backend='loop'"
            )
    whole = [_whole(tensor, axis) for tensor, axis in zip(found, found_axes, strict=True)]
    return Pass(refill(output, whole), found_axes)


def _tensors(tree: Any) -> list[Tensor]:
    """Return the tensors of a tree; vmap cannot pack."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, Tensor)]


def _whole(tensor: Tensor, axis: int) -> Tensor:
    """Return the K pieces [K, ...] as one tensor, side by side on an axis of theirs."""
    return tensor.movedim(0, axis).flatten(axis, axis + 1)


def _kept(model: nn.Module, rows: int, axis: int) -> Iterator[tuple[nn.Module, str, Any]]:
    """Yield the attributes of modules that hold tensors of this pass: module, name, value."""
    for path, module in model.named_modules():
        for name, value in [*vars(module).items()]:
            if name in MODULE or isinstance(value, str | int | float | None):
                continue
            tensors = _tensors(value)
            alive = [torch._C._functorch.is_batchedtensor(tensor) for tensor in tensors]
            if not any(alive):
                continue
            if not all(alive) or any(t.dim() <= axis or t.shape[axis] != rows for t in tensors):
                raise LayerError(
                    f"{title(path, module)} keeps what is no batch of a pass as .{name}, and the K of vmap cannot be "
                    "joined; run it with backend='loop'"
                )
            yield module, name, value


@contextmanager
def _seen_by_hooks(model: nn.Module, seen: list[tuple[str, ref[Tensor]]]) -> Iterator[None]:
    """Note the tensors that hooks on modules are given: layer, tensor."""
    own = []

    def note(layer: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            seen.extend((layer, ref(tensor)) for tensor in _tensors((inputs, output)))

        return hook

    for path, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            own.append(module.register_forward_hook(note(title(path, module))))
    try:
        yield
    finally:
        for hook in own:
            hook.remove()


@contextmanager
def _no_fused_attention() -> Iterator[None]:
    """Keep torch's transformer layers off their inference kernel, which under vmap is a hidden slow loop."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
