"""`--help`: every option of a dataclass with its type, its limits, its default and its meaning, drawn by tyro."""

from __future__ import annotations

import dataclasses
import typing
from typing import Annotated, Any, Literal

from core.conditions import conditions_of
from core.values import as_text, coerce, is_group, kinds_of


def print_help(cls: type, prog: str) -> None:
    """Print every option with its type, limits, default and meaning."""
    import tyro

    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def comma_list(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
        # tyro's own lists are separated by spaces, which no sweep can pass
        if typing.get_origin(info.type) is not tuple:
            return None
        item = _bare(typing.get_args(info.type)[0])
        one = "|".join(typing.get_args(item)) if typing.get_origin(item) is Literal else item.__name__.upper()
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar=f"{one},...",
            instance_from_str=lambda texts: coerce("", info.type, texts[0]),
            is_instance=lambda value: isinstance(value, tuple),
            str_from_instance=lambda value: [as_text(value) or "none"],
        )

    try:
        tyro.cli(
            _with_limits(cls, cls, ""), args=["--help"], prog=prog, registry=registry,
            config=(tyro.conf.FlagConversionOff,),
        )  # fmt: skip
    except (SystemExit, BrokenPipeError):  # shown; or cut short by `| head`
        pass


def _with_limits(cls: type, whole: type, prefix: str) -> type:
    """Return the dataclass with what tyro is to say behind the meaning of each option: limits, conditions, default."""
    import tyro

    fields: list[Any] = []
    for field in dataclasses.fields(cls):
        kind = kinds_of(cls)[field.name]
        if is_group(kind):
            inner = _with_limits(kind, whole, f"{prefix}{field.name}.")
            fields.append((field.name, inner, dataclasses.field(default_factory=inner)))
            continue
        more = [*map(str, _limits(kind)), *map(str, conditions_of(whole, prefix + field.name))]
        hint = "; ".join([*more, f"default: {as_text(field.default) or 'none'}"])
        described = tyro.conf.arg(help_behavior_hint=f"({hint})")
        fields.append((field.name, Annotated[_bare(kind), described], dataclasses.field(default=field.default)))
    doc = {"__doc__": cls.__doc__}
    return dataclasses.make_dataclass(cls.__name__, fields, bases=(cls,), frozen=True, namespace=doc)


def _limits(kind: Any) -> list[Any]:
    """Return all limits inside a type."""
    own = list(kind.__metadata__) if typing.get_origin(kind) is Annotated else []
    return own + [limit for inner in typing.get_args(kind) if isinstance(inner, type) or typing.get_args(inner)
                  for limit in _limits(inner)]  # fmt: skip


def _bare(kind: Any) -> Any:
    """Return a type without its limits."""
    return _bare(typing.get_args(kind)[0]) if typing.get_origin(kind) is Annotated else kind
