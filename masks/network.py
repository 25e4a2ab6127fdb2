"""MaskedNetwork: any network, run as it is, on masked weights, or as a copy that has them for good."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from core.errors import MaskError
from layers.functional.batching import replaced, run
from layers.functional.pytree import unshared
from layers.functional.swapping import places
from masks.maskable import parameters_named


@runtime_checkable
class Masking(Protocol):
    """The masks of one forward pass; see masks/masking.py.

    One whose batch may be no multiple of `k` has an attribute `uneven` that is True.
    """

    @property
    def k(self) -> int | None:
        """K; None where there is one set of masks."""

    def weights(self, masked: Any) -> dict[str, Tensor]:
        """Return the weights to run on, with a leading K axis when `k` is not None."""


class MaskedNetwork:
    """A network some of whose parameters may be masked. It is never changed.

    Args:
        model: any nn.Module. What torch.compile made of one is taken out of it: compiled code has its own weights.
        names: the masked parameters, see `masks.maskable.parameters_named`.
        backend: how K masks run at once, see `layers.functional.batching.run`.
        batch_axis: where inputs and outputs have the batch; None: axis 0, and a layer that has time there is refused.

    Raises:
        LayerError: the model is TorchScript or runs on several devices by copies of itself.
        MaskError: a name is no parameter of the model.
    """

    def __init__(
        self, model: nn.Module, names: str | Sequence[str] | None, backend: str = "auto", batch_axis: int | None = None
    ):
        self.model: nn.Module = getattr(model, "_orig_mod", model)
        self.backend, self.batch_axis = backend, batch_axis
        named = dict(self.model.named_parameters(remove_duplicate=False))
        places(self.model, named, named)  # refuses what keeps its weights to itself
        self.shapes = {name: weight.shape for name, weight in parameters_named(self.model, names).items()}
        self._applied = False

    def __call__(self, *inputs: Any, masking: Masking | None = None, **keywords: Any) -> Any:
        """Run the network: dense, or on the weights that `masking` gives.

        `masked(x, masking)`, `masked(x, masking, y)`, `masked(x, y, masking=masking)` and
        `masked(**batch, masking=masking)` are all understood.

        Args:
            *inputs, **keywords: inputs of the network, each tensor [B, ...]; what is no batch: `Shared(tensor)`.
            masking: the masks of this pass; None for the network as it is. It may be the second of the inputs.

        Returns:
            The network's output, [B, ...].
        """
        if masking is None and len(inputs) > 1 and (inputs[1] is None or isinstance(inputs[1], Masking)):
            masking, inputs = inputs[1], (inputs[0], *inputs[2:])
        if masking is None:
            inputs, keywords = unshared((inputs, keywords))
            return self.model(*inputs, **keywords)
        uneven = getattr(masking, "uneven", False)
        weights = masking.weights(self)
        return run(self.model, weights, masking.k, inputs, keywords, self.backend, self.batch_axis, uneven)

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The masked parameters by name, those that the network has now.

        Raises:
            MaskError: one is gone or has another shape, or the network is under a mask (`applied`).
        """
        if self._applied:
            raise MaskError("the network is under a mask already; leave `with masked.applied(...)` first")
        found = {}
        for name, shape in self.shapes.items():
            path, _, leaf = name.rpartition(".")
            weight = self.model.get_submodule(path)._parameters.get(leaf)
            if weight is None or weight.shape != shape:
                what = "is gone" if weight is None else f"has shape {list(weight.shape)} now"
                raise MaskError(f"{name!r} of shape {list(shape)} {what}; make a MaskedModel of the changed network")
            found[name] = weight
        return found

    @contextmanager
    def applied(self, masking: Masking) -> Iterator[nn.Module]:
        """Put the network under one mask: inside, its own methods (`generate`, ...) and hooks see the masked weights.

        The weights are made once, at the beginning. Gradients reach the scores as in a pass.

        Raises:
            MaskError: the masking stands for several masks.
        """
        weights = self._single(masking)
        with replaced(self.model, weights):
            self._applied = True
            try:
                yield self.model
            finally:
                self._applied = False

    def bake(self, masking: Masking) -> nn.Module:
        """Return a copy of the network with the masked weights in the place of its own, a plain module.

        Raises:
            MaskError: the masking stands for several masks.
        """
        weights = self._single(masking)
        baked = copy.deepcopy(self.model)
        own = dict(baked.named_parameters(remove_duplicate=False)) | dict(baked.named_buffers())
        with torch.no_grad():
            for name, weight in weights.items():
                own[name].copy_(weight)
        return baked

    def _single(self, masking: Masking) -> dict[str, Tensor]:
        weights = masking.weights(self)
        if masking.k is None:
            return weights
        if masking.k > 1:
            raise MaskError(
                f"{type(masking).__name__} stands for {masking.k} masks; one is wanted: Hard, Given, or k=1"
            )
        return {name: weight[0] for name, weight in weights.items()}

    def freeze(self) -> Self:
        """Freeze the network: eval mode, and no gradients for its weights; masks are trained alone."""
        freeze(self.model)
        return self

    def train(self, mode: bool = True) -> Self:
        """Put the network in training mode, or in eval mode."""
        self.model.train(mode)
        return self

    def eval(self) -> Self:
        """Put the network in eval mode."""
        return self.train(False)


def freeze(model: nn.Module) -> nn.Module:
    """Take every parameter out of training: eval mode, and no gradients computed for it."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    return model.eval()
