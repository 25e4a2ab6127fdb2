"""A network on given weights in the place of its own: for a moment, and for what is computed again in its backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.checkpoint as checkpointing
from torch import Tensor, nn

from core.errors import LayerError

Place = tuple[dict[str, Tensor | None], str, str]  # the tensors of a module, the tensor's name there, its full name

_COPYING = (nn.DataParallel, nn.parallel.DistributedDataParallel)

# torch has no public place to say what a checkpoint is computed again under; the name differs between versions.
_GENERATORS = ("_checkpoint_without_reentrant_generator_impl", "_checkpoint_without_reentrant_generator")
_REENTRANT = "CheckpointFunction"
_GENERATOR = next(name for name in _GENERATORS if hasattr(checkpointing, name))


def places(model: nn.Module, own: Mapping[str, Tensor], names: Iterable[str]) -> list[Place]:
    """Return every place where the model keeps one of these tensors: a tied one has several.

    A module that is registered twice is one place; torch's own tying would leave the given weight in it.

    Args:
        model: the network.
        own: its parameters and buffers by name.
        names: of some of them.

    Raises:
        LayerError: TorchScript or data parallelism keeps one of them to itself.
    """
    wanted = {id(own[name]): name for name in names}
    found = []
    for path, module in model.named_modules():
        if isinstance(module, _COPYING):
            kind = type(module).__name__
            raise LayerError(
                f"torch.nn.{kind}{f' at {path!r}' if path else ''} copies the network's own weights to its devices, "
                "not the masked ones; take the network out of it (.module)"
            )
        if isinstance(module, torch.jit.ScriptModule):
            if any(id(tensor) in wanted for tensor in (*module.parameters(), *module.buffers())):
                raise LayerError(
                    f"TorchScript keeps the weights of {path or 'the model'!r} to itself; "
                    "give the nn.Module that it was made from"
                )
            continue
        for store in (module._parameters, module._buffers):
            found += [(store, leaf, wanted[id(tensor)]) for leaf, tensor in store.items() if id(tensor) in wanted]
    return found


@contextmanager
def swapped(where: list[Place], weights: Mapping[str, Tensor], checkpoints: bool = True) -> Iterator[None]:
    """Put given weights where the model keeps its own; afterwards it has those again.

    What the model checkpoints (torch.utils.checkpoint) is computed again under the same given weights, whenever that
    is; checkpoints that ask for reentrant autograd get the other kind, which alone has gradients for such weights.

    Args:
        where: see `places`.
        weights: by full name.
        checkpoints: False refuses a model that checkpoints.
    """
    before = [store[leaf] for store, leaf, _ in where]
    generator, reentrant = getattr(checkpointing, _GENERATOR), getattr(checkpointing, _REENTRANT)

    def keeping(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not checkpoints and torch.is_grad_enabled():
            raise LayerError(
                "gradient checkpointing computes a part of the network again after vmap is over; "
                "switch it off or run the network with backend='loop'"
            )

        def again(*inputs: Any, **keywords: Any) -> Any:
            with swapped(where, weights):
                return function(*inputs, **keywords)

        return generator(again, *args, **kwargs)

    try:
        for store, leaf, name in where:
            store[leaf] = weights[name]
        setattr(checkpointing, _GENERATOR, keeping)
        setattr(checkpointing, _REENTRANT, _NotReentrant)
        yield
    finally:
        setattr(checkpointing, _GENERATOR, generator)
        setattr(checkpointing, _REENTRANT, reentrant)
        for (store, leaf, _), tensor in zip(where, before, strict=True):
            store[leaf] = tensor


class _NotReentrant:
    """Stands for `torch.utils.checkpoint.CheckpointFunction`."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        return checkpointing.checkpoint(function, *args, use_reentrant=False, preserve_rng_state=preserve)
