"""`command:` of a sweep file: what a W&B agent makes of it, and what main.py reads in that."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from core.errors import SieveError
from core.options import read_arguments
from core.registry import nearest
from core.values import said
from launch.located_yaml import Document, Located

DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")  # what an agent starts where the file says nothing
READABLE = ("args", "args_no_equals", "args_no_boolean_flags")  # macros that main.py can read
UNREADABLE = {
    "args_no_hyphens": "words without --",
    "args_json": "one JSON text",
    "args_json_file": "the path of a file",
    "args_dict": "names alone",
    "args_append_hydra": "words with +",
    "args_override_hydra": "words with ++",
}
MACROS = ("env", "interpreter", "program", *READABLE, *UNREADABLE)
VARIABLE = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


def expand(words: Sequence[Any], program: str, args: Mapping[str, Any], json_file: str = "config.json") -> list[str]:
    """Return the command that a W&B agent starts, word for word.

    A word that is a macro as a whole is replaced; one that the client does not know is dropped, as it drops it.
    ${envvar:NAME} is replaced inside of words too, by the name itself where there is no such variable.

    Args:
        words: of `command:`; numbers are words too.
        program: of the sweep.
        args: the run's parameters by name; nested ones are a mapping.
        json_file: where the client writes them for ${args_json_file}.
    """
    pairs = [f"{name}={value}" for name, value in args.items()]
    flags = [pair if not isinstance(v, bool) else name for pair, (name, v) in zip(pairs, args.items(), strict=True)
             if v is not False]  # fmt: skip
    macros: dict[str, list[str]] = {
        "env": ["/usr/bin/env"],
        "interpreter": ["python"],
        "program": [program],
        "args": [f"--{pair}" for pair in pairs],
        "args_no_equals": [word for name, value in args.items() for word in (f"--{name}", str(value))],
        "args_no_hyphens": pairs,
        "args_no_boolean_flags": [f"--{flag}" for flag in flags],
        "args_json": [json.dumps(dict(args))],
        "args_json_file": [json_file],
        "args_dict": list(args),
        "args_append_hydra": [f"+{pair}" for pair in pairs],
        "args_override_hydra": [f"++{pair}" for pair in pairs],
    }
    found: list[str] = []
    for item in words:
        word = VARIABLE.sub(lambda match: os.environ.get(match[1], match[1]), str(item))
        found += macros.get(word[2:-1], []) if word.startswith("${") and word.endswith("}") else [word]
    return found


@dataclass(frozen=True)
class Command:
    """What an agent starts for each point.

    Attributes:
        document: the sweep file, for errors.
        line: of `command:`; 0 where the file has none.
        words: of `command:`.
        program: the script.
    """

    document: Document
    line: int
    words: tuple[Any, ...]
    program: str

    @classmethod
    def read(cls, document: Document, program: str) -> Command:
        """Read `command:`.

        Raises:
            SweepError: it is no list of words, has a macro that W&B does not know or main.py cannot read, or does not
                start the program.
        """
        item = document.root.get("command", Located([], 0))
        words = item.plain()
        if not isinstance(words, list) or any(isinstance(word, (list, dict)) for word in words):
            text = 'command: must be a list of words, such as ["${program}", "${args}"]'
            raise document.error(item.line, text)
        command = cls(document, item.line, tuple(words) or DEFAULT, program)
        command._check_macros()
        command.arguments({})
        return command

    def _error(self, text: str) -> SieveError:
        return self.document.error(self.line, f"command: {text}")

    def _check_macros(self) -> None:
        for word in map(str, self.words):
            rest = VARIABLE.sub("", word)
            macro = rest[2:-1] if rest.startswith("${") and rest.endswith("}") else ""
            if macro in UNREADABLE:
                raise self._error(f"main.py cannot read what {rest} gives it ({UNREADABLE[macro]}); use ${{args}}")
            if "${" in rest and macro not in MACROS:
                known = [f"${{{name}}}" for name in (*MACROS, "envvar:NAME")]
                why = "is no macro of W&B" if macro else "has a macro inside a word, where W&B replaces none"
                raise self._error(f"{said(word)} {why}; there are: {', '.join(known)}{nearest(rest, known)}")

    def arguments(self, args: Mapping[str, Any]) -> dict[str, str]:
        """Return the options that main.py reads when an agent starts a point with these parameters.

        Raises:
            SweepError: the program is not started, or what it gets are no options.
        """
        words = expand(self.words, self.program, args)
        name = PurePath(self.program).name
        for position, word in enumerate(words):
            module = position > 0 and words[position - 1] == "-m" and word == name.removesuffix(".py")
            if module or PurePath(word).name == name:
                try:
                    return read_arguments(words[position + 1 :])
                except SieveError as error:
                    raise self._error(str(error)) from None
        raise self._error(f"does not start {self.program}; it looks like {json.dumps(DEFAULT)}")

    def unset(self) -> list[str]:
        """Return the environment variables it names that are not there; W&B writes their names instead."""
        names = [name for word in self.words for name in VARIABLE.findall(str(word))]
        return [name for name in dict.fromkeys(names) if name not in os.environ]

    def without(self, options: Collection[str]) -> Command:
        """Return the command without the words that give these options."""
        kept: list[Any] = []
        words = list(self.words)
        while words:
            word = words.pop(0)
            name, equals, _ = str(word).lstrip("-").partition("=")
            if not str(word).startswith("-") or name.replace("-", "_") not in options:
                kept.append(word)
            elif not equals and words and not str(words[0]).startswith(("--", "${")):
                words.pop(0)
        return replace(self, words=tuple(kept))


def nested(block: Located, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a point as the W&B server hands them out: those of a nested group as one mapping.

    Args:
        block: `parameters:` of the file.
        values: by dotted name; others than those of the file stand beside them.
        prefix: dotted name of the group.
    """
    found: dict[str, Any] = {}
    for word, entry in block.value.items():
        name = (prefix + word).replace("-", "_")
        if "parameters" in entry.value:
            found[word] = nested(entry.value["parameters"], values, f"{name}.")
        elif name in values:
            found[word] = _handed_out(values[name])
    if not prefix:
        mine = _names(block, "")
        found |= {name: _handed_out(value) for name, value in values.items() if name not in mine}
    return found


def _names(block: Located, prefix: str) -> set[str]:
    names: set[str] = set()
    for word, entry in block.value.items():
        name = (prefix + word).replace("-", "_")
        names |= _names(entry.value["parameters"], f"{name}.") if "parameters" in entry.value else {name}
    return names


def _handed_out(value: Any) -> Any:
    """Return a value as it comes out of the server's JSON, in which 3.0 and 3 are one number."""
    if isinstance(value, dict):
        return {name: _handed_out(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_handed_out(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
