"""S networks of the same shape as one: every parameter has a leading axis S, every product is computed once for all."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from core.errors import LayerError
from layers.batched import Batched


class Stack:
    """S networks that are trained or run as a batch.

    Args:
        network: what they have in common; its layers with parameters come from `layers`. It is copied.
        weights: parameter name -> [S, *shape], leaves that an optimiser may train.

    Raises:
        LayerError: a layer that cannot take S weights at once.
    """

    def __init__(self, network: nn.Module, weights: Mapping[str, Tensor]):
        for name, module in network.named_modules():
            if next(module.parameters(recurse=False), None) is not None and not isinstance(module, Batched):
                raise LayerError(f"layer {name!r} ({type(module).__name__}) cannot be stacked; those of `layers` can")
        self.template = copy.deepcopy(network)
        self.weights = dict(weights)
        self.size = len(next(iter(self.weights.values())))

    @classmethod
    def of(cls, networks: Iterable[nn.Module], size: int) -> Stack:
        """Stack networks that differ in nothing but their weights.

        Args:
            networks: taken one after the other, so that a generator never holds two.
            size: how many there are.
        """
        stack: Stack | None = None
        for s, network in enumerate(networks):
            if stack is None:
                own = dict(network.named_parameters())
                stack = cls(network, {name: p.detach().new_empty(size, *p.shape) for name, p in own.items()})
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    stack.weights[name][s] = parameter
        if stack is None:
            raise ValueError("no network to stack")
        return stack

    def __call__(self, x: Tensor) -> Tensor:
        """Map [S * n, ...] to [S, n, ...]: chunk s through network s."""
        return functional_call(self.template, self.weights, (x,)).unflatten(0, (self.size, -1))

    def network(self, s: int) -> nn.Module:
        """Return network s: a view of its weights, shown by one module that the next call turns to another network."""
        for name, parameter in self.template.named_parameters():
            parameter.data = self.weights[name].detach()[s]
        return self.template

    def pick(self, s: int) -> dict[str, Tensor]:
        """Return the weights of network s, views without gradients."""
        return {name: tensor.detach()[s] for name, tensor in self.weights.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights, without gradients."""
        return {name: tensor.detach() for name, tensor in self.weights.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state_dict`."""
        with torch.no_grad():
            for name, tensor in self.weights.items():
                tensor.copy_(state[name])
