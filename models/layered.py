"""Networks that say which of their parameters belong together, layer by layer."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn


class Layered(nn.Module, ABC):
    """Base of them."""

    @abstractmethod
    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, from input to output."""

    def io(self) -> set[str]:
        """Return the names of the parameters of the input and of the output layer."""
        groups = self.groups()
        return {*groups[0], *groups[-1]}
