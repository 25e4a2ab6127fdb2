"""Which networks branch off another, when they are evaluated, and which of them are trained side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from data.epochs import log_spaced
from tasks.untying.cnn_elcn_options import SplitOptions

FROM_SCRATCH = ("cnn", "lcn", "fcn")


def rate_name(lr: float) -> str:
    """Return how a learning rate stands in names: as short as can be, and never as another one does."""
    return short if float(short := f"{lr:g}") == lr else repr(lr)


@dataclass(frozen=True)
class Group:
    """Networks of one kind that are trained side by side.

    Attributes:
        kind: cnn, control, elcn, efcn, lcn or fcn.
        lr: learning rate.
        epochs: of training.
        splits: the CNN's epoch at which each network leaves it; one 0 of a network from scratch.
        plan: epochs after which they are measured.
    """

    kind: str
    lr: float
    epochs: int
    splits: tuple[int, ...]
    plan: frozenset[int]

    @property
    def from_scratch(self) -> bool:
        """True of a network that begins with its own random weights."""
        return self.kind in FROM_SCRATCH

    @property
    def has_paths(self) -> bool:
        """True of untied branches, which have a way back to the CNN."""
        return self.kind in ("elcn", "efcn")

    @cached_property
    def name(self) -> str:
        """The stage's name: cnn, or kind and learning rate, as in elcn_0.01."""
        return "cnn" if self.kind == "cnn" else f"{self.kind}_{rate_name(self.lr)}"

    @cached_property
    def key(self) -> str:
        """A name that no other group has, also where a kind's branches are trained a few at a time."""
        return self.name if self.from_scratch else f"{self.name}/{self.splits[0]}"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The prefix of each network's keys: elcn_0.01/8 left the CNN after 8 epochs."""
        return (self.name,) if self.from_scratch else tuple(f"{self.name}/{split}" for split in self.splits)


def groups(split: SplitOptions, splits: tuple[int, ...]) -> Iterator[Group]:
    """Yield the groups of all branches.

    Args:
        split: options of the branches, tasks.untying.cnn_elcn_options.SplitOptions.
        splits: epochs of the CNN at which it splits.
    """
    plan = frozenset({0, *log_spaced(split.epochs, split.evaluations)})
    size = split.at_once or len(splits)
    for lr in split.lr:
        for kind in split.branches:
            if kind in FROM_SCRATCH:  # as long as each split and its branch together
                ends = {epoch + split.epochs for epoch in splits}
                yield Group(kind, lr, max(ends), (0,), plan | ends)
                continue
            for first in range(0, len(splits), size):
                yield Group(kind, lr, split.epochs, tuple(splits[first : first + size]), plan)
