"""DeepMind Mathematics: questions in words and their answers, as characters, by module and difficulty."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import Tensor

from core.errors import OptionError
from core.locks import turn
from data import dm_generator
from data.dm_archive import PUBLISHED, identified, read_archive
from data.dm_generator import FOLDERS, TRAIN, Paced, made
from data.sequences import Sequences, encode
from data.tensor_cache import encoded

log = logging.getLogger("sieve")

CHARACTERS = "".join(map(chr, range(32, 127)))
HELD_OUT, HELD_OUT_SEED = 10_000, 1234
SETS = (*(f"{part}_{folder[6:]}" for part in ("train", "test") for folder in TRAIN), "interpolate", "extrapolate")
ENDS = len(CHARACTERS), len(CHARACTERS)
FORM = 2  # of the kept tensors
FEWEST = 10  # questions, so that each difficulty has one to hold out
NEWLINE, FOREIGN = 255, 254
NUMBERS = bytes(NEWLINE if b == 10 else b - 32 if 32 <= b < 127 else FOREIGN for b in range(256))

Read = Callable[[Sequence[str]], Mapping[str, Mapping[str, bytes]]]


@dataclass(frozen=True)
class DMMath:
    """Questions and answers, as numbers of `CHARACTERS`.

    Attributes:
        origin: where they come from, in words.
        sets: module -> name of the set -> its pairs; "extrapolate" only where there is such a file.
    """

    origin: str
    sets: dict[str, dict[str, Sequences]]


def load_dm_math(
    modules: Sequence[str],
    cache: str | Path = "cache",
    archive: str | Path | None = None,
    generate: int | None = None,
    report: Callable[[str], object] = log.info,
) -> DMMath:
    """Return the sets "train_", "test_" "easy", "medium" and "hard", "interpolate" and "extrapolate" of each module.

    A question stays where it comes first, in the order easy, medium, hard, interpolate, extrapolate. Of each difficulty
    a tenth, and at most 10,000 questions, are held out as its test set. A module is read once; its tensors are kept.

    Args:
        modules: names such as algebra__linear_1d.
        cache: the archive is looked for in <cache>/dm_math, and the tensors are kept there.
        archive: another place of it, or another archive of the same form: <any>/train-easy/<module>.txt and so on, a
            line with the question, then one with its answer.
        generate: make so many questions for each difficulty instead, see `data.dm_generator.made`.
        report: gets a line of progress every few seconds.

    Raises:
        OptionError: no archive, a damaged one, or another one under the published one's name; an unknown module; a file
            of another form; an archive and questions to generate at once.

    Source: Saxton et al., "Analysing Mathematical Reasoning Abilities of Neural Models", ICLR 2019; the held-out parts
    are those of Csordas et al., "Are Neural Nets Modular?", ICLR 2021, though the order they are drawn in may differ.
    """
    modules = tuple(dict.fromkeys(modules))
    for module in modules:
        if not re.fullmatch(r"\w+", module):
            raise OptionError(f"{module!r} is not a module name, such as 'algebra__linear_1d'")
    place, paced = Path(cache) / "dm_math", Paced(report)
    if generate is None:
        path = Path(archive) if archive is not None else place / f"{PUBLISHED}.tar.gz"
        published, sha256 = identified(path, place / "encoded", paced)
        of_path = f"archive {path} (sha256 {sha256[:12]}...), not the published one"
        origin, kept, folder = "the published archive" if published else of_path, sha256, sha256[:12]
        read: Read = partial(read_archive, path, published, paced)
    else:
        if archive is not None:
            raise OptionError(f"archive {str(archive)!r} and generate={generate} contradict each other; give one")
        if generate < FEWEST:
            raise OptionError(f"generate={generate} is too few questions; allowed: {FEWEST} or more")
        program = f"{dm_generator.PACKAGE} {dm_generator.VERSION}, sympy {version('sympy')}"
        origin = kept = f"generated: {generate:,} questions a difficulty, {program}"
        folder, read = f"generated-{generate}", partial(made, questions=generate, report=report)
    return DMMath(origin, _kept(modules, place / "encoded" / folder, kept, read))


def _kept(modules: Sequence[str], folder: Path, origin: str, read: Read) -> dict[str, dict[str, Sequences]]:
    """Return the sets of each module; what is not in `folder` yet is read in one go."""
    paths = {module: folder / f"{module}.pt" for module in modules}
    texts: dict[str, Mapping[str, bytes]] = {}

    def make(module: str) -> dict[str, Tensor]:
        if module not in texts:
            texts.update(read([other for other in modules if other == module or not paths[other].exists()]))
        return {
            f"{name} {part}": tensor
            for name, pairs in _sets(module, texts.pop(module)).items() for part, tensor in pairs.tensors().items()
        }  # fmt: skip

    folder.mkdir(parents=True, exist_ok=True)
    sets = {}
    with turn(folder / ".lock"):  # who comes second finds all that the first has read
        for module, path in paths.items():
            found = encoded(path, f"{origin}; {module}; form {FORM}", partial(make, module))
            parts = {name: _part(found, f"{name} ") for name in SETS}
            sets[module] = {name: Sequences.of(tensors, ENDS) for name, tensors in parts.items() if tensors}
    return sets


def _part(found: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}


def _sets(module: str, files: Mapping[str, bytes]) -> dict[str, Sequences]:
    sets, seen = {}, set()
    for folder in FOLDERS:
        if folder not in files:
            continue
        pairs = []
        for question, answer in _pairs(files[folder], f"{folder}/{module}.txt"):
            if question not in seen:
                seen.add(question)
                pairs.append((question, answer))
        if folder in TRAIN:
            held_out = min(HELD_OUT, len(pairs) // 10)
            order = np.random.RandomState(HELD_OUT_SEED).permutation(len(pairs))
            sets[f"test_{folder[6:]}"] = [pairs[i] for i in order[:held_out]]
            sets[f"train_{folder[6:]}"] = [pairs[i] for i in order[held_out:]]
        else:
            sets[folder] = pairs
    return {name: encode(pairs, ENDS) for name, pairs in sets.items()}


def _pairs(text: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    numbers = text.translate(NUMBERS).removesuffix(bytes([NEWLINE]))
    lines = numbers.split(bytes([NEWLINE]))
    at = numbers.find(FOREIGN)
    if at >= 0:
        line, character = numbers.count(NEWLINE, 0, at) + 1, text[at : at + 4].decode(errors="replace")[0]
        raise OptionError(f"{name}, line {line}: {character!r} is none of the 95 printable ASCII characters")
    if b"" in lines:
        raise OptionError(f"{name}, line {lines.index(b'') + 1} is empty")
    if len(lines) % 2:
        raise OptionError(f"{name}, line {len(lines)}: a question without an answer in the line behind it")
    return zip(lines[::2], lines[1::2], strict=True)
