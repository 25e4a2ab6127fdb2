"""Values of options: from text, YAML, JSON or Python to the option's type, and back to text.

Different spellings of a value become the same value, so that a run has one signature however it is started.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import types
import typing
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, NoReturn, TypeGuard

from core.cached import cached
from core.errors import OptionError
from core.limits import control_character
from core.registry import nearest

LONGEST_SAID = 80  # characters of a value in an error
WRITTEN_PLAINLY = frozenset("\"'[](){}, \t\\")  # a list with none of these in its items is written with commas alone
NONE = ("none", "null")


class Again(str):
    """Text that was given again with other text, as 0.05 after 5e-2: `coerce` finds out whether both are one value.

    Attributes:
        others: what else was given.
    """

    others: tuple[Any, ...]

    def __new__(cls, first: Any, second: Any) -> Again:
        """Join what was given, in order; each may be an `Again` itself."""
        found = super().__new__(cls, as_text(first))
        found.others = tuple(t for item in (first, second) for t in (str(as_text(item)), *getattr(item, "others", ())))
        return found


def coerce(name: str, kind: Any, value: Any) -> Any:
    """Turn command-line text, or a value of YAML, JSON or Python, into the option's type.

    Accepts comma lists for tuples, as well as lists as Python and JSON write them; 0/1/true/false for booleans;
    none/None/null for optional values; and numbers such as `1e-2` that YAML reads as text.

    Raises:
        OptionError: the value is of the wrong type, is not finite or is outside the option's limits, or two values were
            given; the text, one line, names the option, the value and what is allowed.
    """
    if isinstance(value, Again):
        first, *others = value.others
        found = coerce(name, kind, first)
        for other in others:
            if coerce(name, kind, other) != found:
                raise OptionError(f"{name} is given twice: {said(first)} and {said(other)}")
        return found
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        found = coerce(name, arguments[0], value)
        for limit in arguments[1:]:
            if found is not None and (reason := limit.refusal(found)):
                raise OptionError(f"{name}={said(found)} {reason}")
        return found
    if origin in (typing.Union, types.UnionType):
        if value is None or str(value).lower() in (*NONE, ""):
            return None
        return coerce(name, next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        items = _items(value)
        if any(str(item).strip() == "" for item in items):
            raise OptionError(f"{name}={said(value)} has an empty item between its commas")
        return tuple(coerce(name, arguments[0], item) for item in items)
    if origin is Literal:
        if str(value) in arguments:
            return str(value)
        allowed = ", ".join(arguments)
        raise OptionError(f"{name}={said(value)} is not one of {allowed}{nearest(str(value)[:99], arguments)}")
    try:
        return _PRIMITIVES[kind](value)
    except (ValueError, TypeError, OverflowError, InvalidOperation):
        raise OptionError(f"{name}={said(value)} is not {_DESCRIPTION[kind]}") from None


def check_limits(options: object, group: str = "") -> None:
    """Raise OptionError where a field of a dataclass is of the wrong type or outside its limits."""
    for name, kind in kinds_of(type(options)).items():
        coerce(f"{group}{name}", kind, getattr(options, name))


@cached
def kinds_of(cls: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass, with its limits."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def is_group(kind: object) -> TypeGuard[type]:
    """Return whether the type of a field is a group of options."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def as_text(value: Any) -> str:
    """Return a value as it is written on a command line: lists with commas, none, true, false.

    `coerce` makes the same of the text as of the value.
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        texts = [as_text(item) for item in value]
        plain = not any(WRITTEN_PLAINLY & set(text) or not text for text in texts)
        lone = len(texts) == 1 and texts[0].lower() in NONE  # which would be an empty list
        return ",".join(texts) if plain and not lone else repr(list(value))
    return repr(value) if isinstance(value, float) else str(value)


def said(value: Any) -> str:
    """Return a value as an error shows it: on one line, and not too long."""
    text = as_text(value) or "none" if isinstance(value, (list, tuple)) else str(value)
    if not text.isprintable():
        text = repr(text)[1:-1]
    return text if len(text) <= LONGEST_SAID else f"{text[: LONGEST_SAID - 3]}..."


def _items(value: Any) -> list[Any]:
    """Return the items of a list, however it is written; none, null and nothing are the empty one."""
    if isinstance(value, (list, tuple)):
        return list(value)
    text = str(value).strip()
    if not text or text.lower() in NONE:
        return []
    if text[0] in "[(" and text[-1] in ")]":  # W&B passes a list as Python writes it: ['none', 'ones']
        found = literal(text)
        if isinstance(found, (list, tuple)):
            return list(found)
        inner = text[1:-1]
        text = text if set(inner) & set("[]()") else inner
    return [item.strip(" '\"") for item in text.split(",")]


def literal(text: str) -> Any:
    """Return what a text is in Python's own writing; None if it is nothing."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    return word in ("true", "1") if word in ("true", "1", "false", "0") else _refuse()


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        _refuse()
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) else _whole(value)
    except ValueError:
        return _whole(value)


def _whole(value: Any) -> int:
    """Return the whole number that 1e3 or 3.0 is; not by a float, which has no 2^53 + 1."""
    number = Decimal(str(value))
    if not number.is_finite() or abs(number.adjusted()) > 400 or number != number.to_integral_value():
        _refuse()
    return int(number)


def _float(value: Any) -> float:
    number = _refuse() if isinstance(value, bool) else float(value)
    return number + 0.0 if math.isfinite(number) else _refuse()  # 0.0 and -0.0 are one value


def _string(value: Any) -> str:
    if isinstance(value, (list, tuple, dict, bool)) or value is None or control_character(str(value)):
        _refuse()
    return str(value)


def _refuse() -> NoReturn:
    raise ValueError


_PRIMITIVES = {bool: _boolean, int: _integer, float: _float, str: _string}
_DESCRIPTION = {
    bool: "a boolean (true, false, 1, 0)",
    int: "a whole number",
    float: "a finite number",
    str: "a piece of text on one line",
}
