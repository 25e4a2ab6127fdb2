"""Options: frozen dataclasses <-> dotted names <-> text, and the signature that names a run.

One function, `build`, turns dotted names into options whether they come from a command line, a sweep file,
a stored run or a test, so all of them accept the same spellings and give the same one-line errors.
tyro draws `--help` from the same dataclasses; it is imported only for that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from core.cached import cached
from core.conditions import inert
from core.errors import OptionError
from core.legacy_option_names import ELSEWHERE, ORIGINAL_NAMES, SYNONYMS
from core.option_groups import TaskOptions
from core.registry import nearest
from core.values import Again, as_text, coerce, is_group, kinds_of, literal, said

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")
OUTSIDE_SIGNATURE = ("run.", "log")
OWN = ("signature", "revision")  # what W&B is told beside the options, and hands back with them


class Leaf(NamedTuple):
    """One option: its type, with its limits, and its default."""

    type: Any
    default: Any


@cached
def leaves(cls: type) -> dict[str, Leaf]:
    """Return every option of a dataclass by dotted name, groups opened up."""
    found: dict[str, Leaf] = {}
    for field in dataclasses.fields(cls):
        kind = kinds_of(cls)[field.name]
        if is_group(kind):
            found |= {f"{field.name}.{name}": leaf for name, leaf in leaves(kind).items()}
        else:
            found[field.name] = Leaf(kind, field.default)
    return found


def build(cls: type[Options], values: Mapping[str, Any]) -> Options:
    """Make the options dataclass `cls` from dotted names; what is not named keeps its default.

    Raises:
        OptionError: an unknown name (with the nearest, or this program's word for an original program's
            option), a value of the wrong type or outside its limits, or one that would do nothing.
    """
    options = assemble(cls, values)
    given = changed(options)
    for name, reason in inert(options, given).items():
        raise OptionError(f"{name}={said(as_text(given[name]) or 'none')} {reason}")
    return options


def assemble(cls: type[Options], values: Mapping[str, Any]) -> Options:
    """Return what `build` does, also where an option would do nothing."""
    known = leaves(cls)
    if unknown := [name for name in values if name not in known]:
        raise OptionError(unknown_options(unknown, known))
    converted = {name: coerce(name, known[name].type, value) for name, value in values.items()}
    return _assemble(cls, converted, "")


def unknown_options(names: Sequence[str], known: Mapping[str, Any]) -> str:
    """Return the one-line answer to options that do not exist: all of them, with what each may have been."""
    answers = [(name, _meant(name, known)) for name in names]
    said_ = "; ".join(f"unknown option {said(name)!r}{meant}" for name, meant in answers)
    lost = any(not meant for _, meant in answers)
    return f"{said_}; allowed: {', '.join(known)}" if lost else said_


def _meant(name: str, known: Mapping[str, Any]) -> str:
    """Return what a name that is no option may have been; "" where there is no guess."""
    original = name.replace("-", "_")
    if original in ELSEWHERE:
        return f"; {ELSEWHERE[original]}"
    if original in ORIGINAL_NAMES:
        words = ORIGINAL_NAMES[original].split(" or ")
        here = [word for word in words if word.split()[0] in known]
        if here:
            return f"; here it is {' or '.join(here)}"
        return f"; this task has none (others have it as {' or '.join(words)})"
    group, _, last = original.rpartition(".")
    meant = [n for n in known if n.rpartition(".")[2] == SYNONYMS.get(last) and n.startswith(group)]
    if meant:
        return f"; here it is {' or '.join(meant)}"
    group = name.partition(".")[0]
    return nearest(name, known) or nearest(name, [n for n in known if n.startswith(f"{group}.")])


def _assemble(cls: type, values: Mapping[str, Any], prefix: str) -> Any:
    arguments = {}
    for field, kind in kinds_of(cls).items():
        name = prefix + field
        if is_group(kind):
            arguments[field] = _assemble(kind, values, name + ".")
        elif name in values:
            arguments[field] = values[name]
    return cls(**arguments)


def flatten(options: DataclassInstance) -> dict[str, Any]:
    """Return every option's value by dotted name."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            found |= {f"{field.name}.{name}": v for name, v in flatten(value).items()}
        else:
            found[field.name] = value
    return found


def changed(options: DataclassInstance) -> dict[str, Any]:
    """Return the options that differ from their defaults and can change a result (not `run.*`, not `log`)."""
    defaults = leaves(type(options))
    return {
        name: value
        for name, value in flatten(options).items()
        if not name.startswith(OUTSIDE_SIGNATURE) and value != defaults[name].default
    }


def revisions(options: TaskOptions) -> dict[str, int]:
    """Return the revision of the task and of the mask method, where it is above 1.

    A revision goes up when a correction changes what the same options compute (CHANGELOG.md says what changed), so
    that a run of before and a run of after never share a folder. It is a property where a correction touches only some
    values of the options: the others keep their folders.
    """
    parts = {"task": options, "mask": getattr(options, "mask", None)}
    found = {name: getattr(part, "revision", 1) for name, part in parts.items()}
    return {name: revision for name, revision in found.items() if revision > 1}


def signature(options: TaskOptions) -> str:
    """Return the run's name: ten hex digits of the sha1 of `changed(options)` and `revisions(options)`.

    Only what differs from a default counts, so adding an option renames no run. Of a task that is a file its name
    counts, wherever it lies; an option has its content.
    """
    named = changed(options) | {"task": PurePath(options.task).name}
    if revisions(options):
        named["revision"] = revisions(options)
    return hashlib.sha1(json.dumps(named, sort_keys=True).encode()).hexdigest()[:10]


def check_own(options: Any, values: Mapping[str, Any]) -> None:
    """Raise OptionError where `signature` or `revision`, which came back with the options, are those of another run."""
    now = {"signature": signature(options), "revision": revisions(options)}
    for name, value in values.items():
        given = literal(value) if name == "revision" and isinstance(value, str) else value
        if given != now[name]:
            raise OptionError(
                f"{name}={said(value)} came with the options of {now['signature']}, revision {now['revision']}: "
                "they were changed, or are of before a correction (CHANGELOG.md); leave it out to begin anew"
            )


def read_arguments(argv: Sequence[str]) -> dict[str, str]:
    """Split `--a.b=v`, `--a.b v` and `-a v` into names and texts; `-` and `_` inside a name are the same.

    A flag without a value is `true`. `--_wandb=...`, which W&B adds to a resumed run, is dropped. What is given twice
    in different words is an `Again`: whether it is one value, only the type of the option can say.

    Raises:
        OptionError: a word that is not an option.
    """
    found: dict[str, str] = {}
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if not token.startswith("-") or token.strip("-") == "":
            raise OptionError(f"{said(token)!r} is not an option; options look like --train.steps=2000")
        name, equals, value = token.lstrip("-").partition("=")
        if not equals:
            value = tokens.pop(0) if tokens and not tokens[0].startswith("--") else "true"
        if name == "_wandb":
            continue
        _put(found, name.replace("-", "_"), value)
    return found


def open_groups(values: Mapping[str, Any], is_option: Callable[[str], bool]) -> dict[str, Any]:
    """Return the values with every mapping opened: {"mask": {"lr": 0.1}} is {"mask.lr": 0.1}.

    A W&B agent passes nested parameters as the text of a mapping, `--mask={'lr': 0.1}`; a sweep may list mappings.

    Args:
        values: by dotted names.
        is_option: says of a name whether it is an option, whose text is never a mapping.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        for given in value.others if isinstance(value, Again) else (value,):
            inner = literal(given) if _is_mapping(given) and not is_option(name) else given
            if isinstance(inner, Mapping):
                nested = {f"{name}.{key}".replace("-", "_"): item for key, item in inner.items()}
                for option, item in open_groups(nested, is_option).items():
                    _put(found, option, item)
            else:
                _put(found, name, given)
    return found


def _is_mapping(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{") and isinstance(literal(value), dict)


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    same = name not in found or as_text(found[name]) == as_text(value)
    found[name] = value if same else Again(found[name], value)
