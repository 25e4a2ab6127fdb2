"""Which parameters of a model are masked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from core.errors import MaskError
from core.registry import nearest

if TYPE_CHECKING:
    from torch import nn


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


def parameters_named(model: nn.Module, names: str | Sequence[str] | None) -> dict[str, nn.Parameter]:
    """Return parameters of a model by name.

    Args:
        model: any module.
        names: dotted names or shell patterns such as "*.weight", one or several; None: all weights, which are the
            parameters with two or more axes, and so neither biases nor the gains of norms.

    Raises:
        MaskError: a name or pattern matches no parameter, one parameter is named twice, or one holds no real numbers.
    """
    parameters, aliases = dict(model.named_parameters()), dict(model.named_parameters(remove_duplicate=False))
    if names is None:
        chosen = [name for name, parameter in parameters.items() if parameter.dim() > 1]
        if not chosen:
            raise MaskError(f"{type(model).__name__} has no parameter with two or more axes to mask; name others")
    else:
        chosen = []
        for pattern in [names] if isinstance(names, str) else names:
            matched = [pattern] if pattern in aliases else [name for name in parameters if fnmatchcase(name, pattern)]
            if not matched:
                what = "that matches " if set(pattern) & set("*?[") else ""
                raise MaskError(f"the model has no parameter {what}{pattern!r}{nearest(pattern, parameters)}")
            chosen += [name for name in matched if name not in chosen]
    found = {name: aliases[name] for name in chosen}
    of: dict[int, str] = {}
    for name, parameter in found.items():
        first = of.setdefault(id(parameter), name)
        if first != name:
            raise MaskError(f"{name!r} and {first!r} are one tied parameter of the model; give one of the two")
        if not parameter.is_floating_point():
            raise MaskError(f"{name!r} holds {parameter.dtype}; only weights of floating-point numbers can be masked")
    return found
