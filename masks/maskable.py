"""Which parameters of a model are masked."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from core.errors import MaskError
from core.registry import nearest


def maskable(
    names: Iterable[str], include: Iterable[str] = ("*",), exclude: Iterable[str] = (), bias: bool = True
) -> list[str]:
    """Return the parameter names that match a pattern of `include`, none of `exclude`, and the bias rule.

    Args:
        names: dotted parameter names, in the model's order.
        include, exclude: shell patterns such as "layers.*.weight".
        bias: False leaves out every parameter whose last part contains "bias".

    Raises:
        MaskError: a pattern of `include` matches no parameter, or nothing is left.
    """
    names = list(names)
    for pattern in include:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise MaskError(
                f"mask.include={pattern} matches no parameter; there are: {', '.join(names)}{nearest(pattern, names)}"
            )
    chosen = [
        name
        for name in names
        if any(fnmatchcase(name, pattern) for pattern in include)
        and not any(fnmatchcase(name, pattern) for pattern in exclude)
        and (bias or "bias" not in name.rpartition(".")[2])
    ]
    if not chosen:
        raise MaskError("mask.include, mask.exclude and mask.bias leave no parameter to mask")
    return chosen
