"""The tensors inside tuples, lists, dicts, named tuples, dataclasses and caches: what models take and return."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

# What language models of Hugging Face keep of a text: objects whose tensors all have the batch on axis 0.
CACHES = {"DynamicCache", "EncoderDecoderCache", "DynamicLayer", "DynamicSlidingWindowLayer"}


@dataclasses.dataclass(frozen=True, eq=False)
class Shared:
    """An input that is no batch, such as a causal mask [T, T]: every chunk gets the whole of it.

    Args:
        value: what the network gets.
    """

    value: Any


Leaf = Tensor | PackedSequence | Shared


def map_leaves(tree: Any, apply: Callable[[Leaf], Any]) -> Any:
    """Return `tree` with every tensor, PackedSequence and Shared `x` replaced by `apply(x)`, left to right.

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
    if _is_cache(tree):
        cache = copy.copy(tree)
        for name, value in vars(tree).items():
            vars(cache)[name] = map_leaves(value, apply)
        return cache
    return tree


def leaves(tree: Any) -> list[Leaf]:
    """Return the tensors, PackedSequences and Shareds of `tree`, in the order of `map_leaves`."""
    found: list[Leaf] = []

    def keep(leaf: Leaf) -> Leaf:
        found.append(leaf)
        return leaf

    map_leaves(tree, keep)
    return found


def refill(tree: Any, values: Iterable[Any]) -> Any:
    """Return `tree` with its leaves replaced by `values`, in the same order."""
    values = iter(values)
    return map_leaves(tree, lambda _: next(values))


def unshared(tree: Any) -> Any:
    """Return `tree` with the value of every Shared in its place."""
    return map_leaves(tree, lambda leaf: leaf.value if isinstance(leaf, Shared) else leaf)


def closed(tree: Any) -> object | None:
    """Return the first object in `tree` that holds tensors where `map_leaves` does not look; None: there is none."""
    return _closed(tree, set(), False)


def _closed(tree: Any, seen: set[int], inside: bool) -> object | None:
    """Look for one; `inside` an object of another kind any tensor makes it one."""
    if isinstance(tree, Leaf):
        return tree if inside else None
    if isinstance(tree, nn.Module | type) or callable(tree) or id(tree) in seen:
        return None
    seen.add(id(tree))
    known = isinstance(tree, MutableMapping | tuple | list) or dataclasses.is_dataclass(tree) or _is_cache(tree)
    parts: Iterable[Any]
    if isinstance(tree, Mapping):
        parts = tree.values()
    elif isinstance(tree, tuple | list | set | frozenset):
        parts = tree
    else:
        parts = getattr(tree, "__dict__", {}).values()
    for part in list(parts):
        found = _closed(part, seen, inside or not known)
        if found is not None:
            return found if known or inside else tree
    return None


def _is_cache(tree: Any) -> bool:
    return any(kind.__name__ in CACHES for kind in type(tree).__mro__)
