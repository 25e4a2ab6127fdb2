"""A file of an original program: which one it is of, and the runs that it asks for, in its words."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import OptionError, SweepError
from core.options import read_arguments
from core.registry import nearest
from launch.convert.original import Original
from launch.located_yaml import Document, Located

COMMAND = re.compile(r"\$?\s*(\w+=\S*\s+)*(python[0-9.]*|sbatch|bash|sh|srun)\s|\S+\.(py|sh)(\s|$)")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
WORDS = {"none": None, "null": None, "true": True, "false": False}
MOST = 100_000  # as in a sweep
OURS = ("train.", "mask.", "data.", "tasks.", "split.", "infer.", "run.")  # groups that no original has
SCRIPT, POSITIONS = "script", "positions"  # of a command line, beside its options


@dataclass
class Asked:
    """What a file asks for.

    Attributes:
        original: whose file it is.
        runs: option -> value, as the file gives them.
        name: of the sweep, or None.
        notes: what is lost of the file besides its options.
    """

    original: Original
    runs: list[dict[str, Any]]
    name: str | None
    notes: list[str] = field(default_factory=list)


def read(path: str | Path, originals: Sequence[Original]) -> Asked:
    """Read a file.

    Raises:
        SweepError: it cannot be read, or is of no original.
    """
    lines = _command_lines(Path(path))
    if lines:
        return _of_commands(Path(path), lines, originals)
    document = Document(path)
    notes: list[str] = []
    if "parameters" in document.root:
        parameters, notes = _parameters(document), _lost(document)
        named = document.root.get("name") or Located(parameters.get("name", [None])[0], 0)
        name = named.value
    else:
        parameters, name = {word: [item] for word, item in _flat(document.root).items()}, None
    original = _whose(path, parameters, originals)
    parameters = {original.aliases.get(word, word): values for word, values in parameters.items()}
    count = 1
    for values in parameters.values():
        count *= len(values)
    if count > MOST:
        raise document.error(0, f"a grid of {count} runs is more than {MOST}")
    runs = [dict(zip(parameters, one, strict=True)) for one in itertools.product(*parameters.values())]
    return Asked(original, runs, name, notes + _unknown(parameters, original))


def plain(value: Any) -> Any:
    """Return a value of a file or a command line: YAML reads 1e-4 as a text, and `none` is nothing in the originals."""
    if not isinstance(value, str):
        return value
    if NUMBER.fullmatch(value.strip()):
        number = float(value)
        return int(value) if re.fullmatch(r"[-+]?\d+", value.strip()) else number
    return WORDS.get(value.strip().lower(), value)


def _flat(found: Mapping[str, Located], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in found.items():
        word = f"{prefix}{key}".replace("-", "_")
        if isinstance(item.value, dict):
            flat |= _flat(item.value, f"{word}.")
        else:
            value = item.plain()
            flat[word] = [plain(one) for one in value] if isinstance(value, list) else plain(value)
    return flat


def _parameters(document: Document) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    top = document.root["parameters"]
    if not isinstance(top.value, dict):
        raise document.error(top.line, "parameters: is not a mapping of options")
    for key, item in top.value.items():
        given, word = item.value if isinstance(item.value, dict) else {}, key.replace("-", "_")
        if isinstance(given.get("values", Located(None, 0)).value, list):
            found[word] = [plain(one.plain()) for one in given["values"].value]
        elif "value" in given:
            found[word] = [plain(given["value"].plain())]
        else:
            raise document.error(item.line, f"{key} has neither value: nor values:; give the values that you want")
    return found


def _lost(document: Document) -> list[str]:
    root = document.root
    notes = []
    if (method := root.get("method")) is not None and method.value != "grid":
        notes.append(f"method: {method.value} is a grid here, of all values that are listed")
    for key, why in {
        "metric": "names of the original; Sieve's differ (docs of the task)",
        "command": "it starts the original's program",
        "early_terminate": "it goes by the original's metric",
    }.items():
        if key in root:
            notes.append(f"{key}: is dropped: {why}")
    return notes


def _command_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []  # Document says why
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return lines if lines and all(COMMAND.match(line) for line in lines) else []


def _of_commands(path: Path, lines: Sequence[str], originals: Sequence[Original]) -> Asked:
    runs, notes, found = [], [], []
    for line in lines:
        words, script = _command(path, line)
        fitting = [one for one in originals if one.scripts and re.search(one.scripts, script)]
        original = fitting[0] if len(fitting) == 1 else _whose(path, words, fitting or originals)
        if SCRIPT in original.defaults:
            words[SCRIPT] = script
        positions = words.pop(POSITIONS, ())
        if positions and POSITIONS in original.defaults:
            words[POSITIONS] = positions
        elif positions:
            notes.append(f"{' '.join(map(str, positions))}: not an option, left out")
        words = {original.aliases.get(word, word): value for word, value in words.items()}
        notes += [note for note in _unknown(words, original) if note not in notes]
        runs.append(words)
        found.append(original)
    if len({one.title for one in found}) > 1:
        raise SweepError(f"{path}: command lines of {' and of '.join(dict.fromkeys(one.title for one in found))}")
    return Asked(found[0], runs, None, notes)


def _command(path: Path, line: str) -> tuple[dict[str, Any], str]:
    try:
        tokens = shlex.split(line.lstrip("$ "), comments=True)
    except ValueError as error:
        raise SweepError(f"{path}: {line}: {error}") from None
    start = next((n for n, token in enumerate(tokens) if token.endswith((".py", ".sh"))), None)
    if start is None:
        raise SweepError(f"{path}: {line}: starts no .py and no .sh")
    rest = tokens[start + 1 :]
    first = next((n for n, token in enumerate(rest) if token.startswith("-")), len(rest))
    try:
        options = read_arguments(rest[first:])
    except OptionError as error:
        raise SweepError(f"{path}: {line}: {error}") from None
    words = {word: plain(str(value)) for word, value in options.items()}
    if first:
        words[POSITIONS] = [plain(token) for token in rest[:first]]
    if isinstance(file := words.pop("config", None), str):
        place = next((at for at in (path.parent / file, Path(file)) if at.is_file()), None)
        if place is None:
            raise SweepError(f"{path}: --config {file}: there is no such file beside {path.name} or here")
        words = _flat(Document(place).root) | words
    return words, tokens[start]


def _whose(path: str | Path, words: Mapping[str, Any], originals: Sequence[Original]) -> Original:
    names = set(words) - {SCRIPT, POSITIONS}
    if ours := sorted(name for name in names if name.startswith(OURS)):
        raise SweepError(f"{path}: {ours[0]} is an option of Sieve: there is nothing to convert")

    def fit(one: Original) -> tuple[int, int]:
        known = names & (set(one.defaults) | set(one.aliases))
        return len(known & one.signs), len(known)

    best = max(originals, key=fit)
    signs, known = fit(best)
    if signs and 2 * known >= len(names):
        return best
    said = ", ".join(sorted(names)[:6])
    raise SweepError(
        f"{path}: a file of none of {', '.join(one.title for one in originals)}: they have no options such as {said}"
    )


def _unknown(words: Mapping[str, Any], original: Original) -> list[str]:
    return list(_unknown_words(words, original))


def _unknown_words(words: Mapping[str, Any], original: Original) -> Iterator[str]:
    for word in words:
        if word not in original.defaults and word not in (SCRIPT, POSITIONS):
            yield f"{word} is left out: {original.title} has no such option{nearest(word, original.defaults)}"
