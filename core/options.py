"""Options: frozen dataclasses <-> dotted names <-> text, and the signature that names a run.

One function, `build`, turns dotted names into options whether they come from a command line, a sweep file,
a stored run or a test, so all of them accept the same spellings and give the same one-line errors.
tyro draws `--help` from the same dataclasses; it is imported only for that.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import yaml

from core.errors import OptionError
from core.original_names import ORIGINAL_NAMES
from core.registry import nearest

Options = TypeVar("Options")
OUTSIDE_SIGNATURE = ("run.", "log")


class Leaf(NamedTuple):
    """One option: its type, and its default."""

    type: Any
    default: Any


@functools.cache
def leaves(cls: type) -> dict[str, Leaf]:
    """Return every option of a dataclass by dotted name, groups opened up."""
    hints = typing.get_type_hints(cls)
    found: dict[str, Leaf] = {}
    for field in dataclasses.fields(cls):
        kind = hints[field.name]
        if dataclasses.is_dataclass(kind):
            found |= {f"{field.name}.{name}": leaf for name, leaf in leaves(kind).items()}
        else:
            found[field.name] = Leaf(kind, field.default)
    return found


def coerce(name: str, kind: Any, value: Any) -> Any:
    """Turn command-line text or a YAML value into the option's type.

    Accepts comma lists for tuples, 0/1/true/false for booleans, none/None/null for optional values,
    and numbers such as `1e-2` that YAML reads as text.

    Raises:
        OptionError: the value is of the wrong type; the text names the option, the value and what is allowed.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None or str(value).lower() in ("none", "null", ""):
            return None
        return coerce(name, next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        items = list(value) if isinstance(value, (list, tuple)) else _items(str(value))
        if any(str(item).strip() == "" for item in items):
            raise OptionError(f"{name}={value!s} has an empty item between its commas")
        return tuple(coerce(name, arguments[0], item) for item in items)
    if origin is Literal:
        if str(value) in arguments:
            return str(value)
        allowed = ", ".join(arguments)
        raise OptionError(f"{name}={value!s} is not one of {allowed}{nearest(str(value), arguments)}")
    try:
        return _PRIMITIVES[kind](value)
    except (ValueError, TypeError, OverflowError):
        raise OptionError(f"{name}={value!s} is not {_DESCRIPTION[kind]}") from None


def _items(text: str) -> list[str]:
    """Cut a comma list; nothing in it, or none, is the empty list.

    W&B passes a list as Python writes it, ['none', 'ones'], in which a tuple of one, (0,), ends with a comma.
    """
    inside = text.strip()
    inside = inside.removesuffix(",)") if inside.startswith("(") else inside
    inside = inside.strip("[]() ")
    if inside.lower().strip("'\"") in ("", "none"):
        return []
    return [item.strip(" '\"") for item in inside.split(",")]


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    return word in ("true", "1") if word in ("true", "1", "false", "0") else _refuse()


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        _refuse()
    number = float(value)
    return int(value) if isinstance(value, int) else int(number) if number == int(number) else _refuse()


def _float(value: Any) -> float:
    return _refuse() if isinstance(value, bool) else float(value)


def _string(value: Any) -> str:
    return _refuse() if isinstance(value, (list, tuple, dict)) or value is None else str(value)


def _refuse() -> Any:
    raise ValueError


_PRIMITIVES = {bool: _boolean, int: _integer, float: _float, str: _string}
_DESCRIPTION = {
    bool: "a boolean (true, false, 1, 0)",
    int: "a whole number",
    float: "a number",
    str: "a piece of text",
}


def build(cls: type[Options], values: Mapping[str, Any]) -> Options:
    """Make the options dataclass `cls` from dotted names; what is not named keeps its default.

    Raises:
        OptionError: an unknown name (with the nearest, or this program's word for an original program's
            option) or a value of the wrong type.
    """
    known = leaves(cls)
    for name in values:
        if name not in known:
            raise OptionError(unknown_option(name, known))
    converted = {name: coerce(name, known[name].type, value) for name, value in values.items()}
    return _assemble(cls, converted, "")


def unknown_option(name: str, known: Mapping[str, Any]) -> str:
    """Return the one-line answer to an option that does not exist."""
    original = ORIGINAL_NAMES.get(name.replace("-", "_"))
    if original is not None:
        words = original.split(" or ")
        here = [word for word in words if word.split()[0] in known] or words
        return f"unknown option {name!r}; here it is {' or '.join(here)}"
    group = name.partition(".")[0]
    near = nearest(name, known) or nearest(name, [n for n in known if n.startswith(f"{group}.")])
    return f"unknown option {name!r}{near or '; allowed: ' + ', '.join(known)}"


def _assemble(cls: type, values: Mapping[str, Any], prefix: str) -> Any:
    hints, arguments = typing.get_type_hints(cls), {}
    for field in dataclasses.fields(cls):
        name = prefix + field.name
        if dataclasses.is_dataclass(hints[field.name]):
            arguments[field.name] = _assemble(hints[field.name], values, name + ".")
        elif name in values:
            arguments[field.name] = values[name]
    return cls(**arguments)


def flatten(options: Any) -> dict[str, Any]:
    """Return every option's value by dotted name."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            found |= {f"{field.name}.{name}": v for name, v in flatten(value).items()}
        else:
            found[field.name] = value
    return found


def changed(options: Any) -> dict[str, Any]:
    """Return the options that differ from their defaults and can change a result (not `run.*`, not `log`)."""
    defaults = leaves(type(options))
    return {
        name: value
        for name, value in flatten(options).items()
        if not name.startswith(OUTSIDE_SIGNATURE) and value != defaults[name].default
    }


def revisions(options: Any) -> dict[str, int]:
    """Return the revision of the task and of the mask method, where it is above 1.

    A revision goes up when a correction changes what the same options compute (CHANGELOG.md says what changed), so
    that a run of before and a run of after never share a folder. It is a property where a correction touches only some
    values of the options: the others keep their folders.
    """
    parts = {"task": options, "mask": getattr(options, "mask", None)}
    return {name: part.revision for name, part in parts.items() if getattr(part, "revision", 1) > 1}


def signature(options: Any) -> str:
    """Return the run's name: ten hex digits of the sha1 of `changed(options)` and `revisions(options)`.

    Only what differs from a default counts, so adding an option renames no run.
    """
    named = changed(options) | {"task": options.task}
    if revisions(options):
        named["revision"] = revisions(options)
    return hashlib.sha1(json.dumps(named, sort_keys=True).encode()).hexdigest()[:10]


def read_arguments(argv: Sequence[str]) -> dict[str, str]:
    """Split `--a.b=v`, `--a.b v` and `-a v` into names and texts; `-` and `_` inside a name are the same.

    A flag without a value is `true`. `--_wandb=...`, which W&B adds to a resumed run, is dropped; a mapping, which
    it passes for nested parameters, is opened.
    """
    found: dict[str, str] = {}
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if not token.startswith("-") or token.strip("-") == "":
            raise OptionError(f"{token!r} is not an option; options look like --train.steps=2000")
        name, equals, value = token.lstrip("-").partition("=")
        if not equals:
            value = tokens.pop(0) if tokens and not tokens[0].startswith("--") else "true"
        if name != "_wandb":
            found |= _opened(name.replace("-", "_"), value)
    return found


def _opened(name: str, value: str) -> dict[str, str]:
    """Open the mapping that a W&B agent passes for nested parameters: --mask={'lr': 0.1} is --mask.lr=0.1."""
    inner = yaml.safe_load(value) if value.startswith("{") else None
    if not isinstance(inner, dict):
        return {name: value}
    return {k: v for key, item in inner.items() for k, v in _opened(f"{name}.{key}", str(item)).items()}


def print_help(cls: type, prog: str) -> None:
    """Print every option with its type, default and meaning."""
    import tyro

    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def comma_list(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
        # tyro's own lists are separated by spaces, which no sweep can pass
        if typing.get_origin(info.type) is not tuple:
            return None
        item = typing.get_args(info.type)[0]
        one = "|".join(typing.get_args(item)) if typing.get_origin(item) is Literal else item.__name__.upper()
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar=f"{one},...",
            instance_from_str=lambda texts: coerce("", info.type, texts[0]),
            is_instance=lambda value: isinstance(value, tuple),
            str_from_instance=lambda value: [",".join(map(str, value)) or "none"],
        )

    try:
        tyro.cli(cls, args=["--help"], prog=prog, registry=registry, config=(tyro.conf.FlagConversionOff,))
    except (SystemExit, BrokenPipeError):  # shown; or cut short by `| head`
        pass
