"""Experiment: what a file of one's own defines. A model, its data, and which examples belong to a subtask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tasks.own.own_options import OwnOptions

Examples = tuple[Tensor, Tensor]


class Experiment(ABC):
    """A model, its data and its subtasks: everything else (stages, masks, measures, resuming) is Sieve's.

    Python's, numpy's and torch's global random generators are seeded around `model` (by the run's seed) and `data` (the
    same for every seed), so that a resumed run has the same network and the same examples.

    Attributes:
        Options: a frozen dataclass that extends `Experiment.Options`, where the experiment has options of its own.
        subtasks: name -> (x, y) -> which of the examples belong to it, bool [N].
        backend: how K masks run through the network, "auto", "vmap" or "loop" (docs/any-network.md).
    """

    Options: ClassVar[type[OwnOptions]] = OwnOptions
    subtasks: ClassVar[Mapping[str, Callable[[Tensor, Tensor], Tensor]]]
    backend: ClassVar[str] = "auto"

    def __init__(self, options: Any):
        self.options = options

    @abstractmethod
    def model(self) -> nn.Module:
        """Return the network, which is called with x [B, ...]."""

    @abstractmethod
    def data(self) -> Examples | Mapping[str, Examples]:
        """Return the examples, x [N, ...] and y [N, ...].

        A pair is split at random, 8 : 1 : 1, the same way for every seed. A mapping has "train", "valid" and "test".
        """

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss, a scalar; cross entropy unless it is overridden."""
        return cross_entropy(output, y)

    def correct(self, output: Tensor, y: Tensor) -> Tensor:
        """Return which answers are right, bool [N]; the largest output is the answer unless it is overridden."""
        return output.argmax(-1) == y
