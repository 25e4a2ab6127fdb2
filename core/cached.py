"""`functools.cache` with the signature of what it remembers, which type checkers lose sight of otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])


def cached(function: Function) -> Function:
    """Remember every result of a function of few, hashable arguments."""
    return functools.cache(function)  # type: ignore[return-value]  # which calls like the function
