"""The tensors inside tuples, lists, dicts, named tuples and dataclasses: what models take and return."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

Leaf = Tensor | PackedSequence


def map_leaves(tree: Any, apply: Callable[[Leaf], Any]) -> Any:
    """Return `tree` with every tensor and PackedSequence `x` replaced by `apply(x)`, left to right.

    Everything else (numbers, text, None, objects of other kinds) stays what it is.
    """
    if isinstance(tree, Leaf):
        return apply(tree)
    if isinstance(tree, MutableMapping):
        # A copy keeps subclasses that have a constructor of their own, as the outputs of transformers.
        new = copy.copy(tree)
        for key in list(tree):
            new[key] = map_leaves(tree[key], apply)
        return new
    if isinstance(tree, tuple | list):
        items = [map_leaves(item, apply) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        record = copy.copy(tree)
        for field in dataclasses.fields(tree):
            object.__setattr__(record, field.name, map_leaves(getattr(tree, field.name), apply))
        return record
    return tree


def leaves(tree: Any) -> list[Leaf]:
    """Return the tensors and PackedSequences of `tree`, in the order of `map_leaves`."""
    found: list[Leaf] = []

    def keep(leaf: Leaf) -> Leaf:
        found.append(leaf)
        return leaf

    map_leaves(tree, keep)
    return found


def refill(tree: Any, values: Iterable[Leaf]) -> Any:
    """Return `tree` with its tensors and PackedSequences replaced by `values`, in the same order."""
    values = iter(values)
    return map_leaves(tree, lambda _: next(values))
