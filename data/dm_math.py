"""DeepMind Mathematics: questions in words and their answers, as characters, by module and difficulty."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import numpy as np
from filelock import FileLock
from torch import Tensor

from core.errors import OptionError
from core.files import write_json
from core.registry import nearest
from data import dm_generator
from data.dm_generator import FOLDERS, TRAIN, Paced, harder, made
from data.encoded import encoded
from data.sequences import Sequences, Words, encode

log = logging.getLogger("sieve")

CHARACTERS = "".join(map(chr, range(32, 127)))
PUBLISHED = "mathematics_dataset-v1.0"  # the archive's top folder
URL = f"https://storage.googleapis.com/mathematics-dataset/{PUBLISHED}.tar.gz"
SHA256 = "def638343403cb9ed60437d6b684c859dd23b72779f5cc5661b0a31e67c58576"
HELD_OUT, HELD_OUT_SEED = 10_000, 1234
SETS = (*(f"{part}_{folder[6:]}" for part in ("train", "test") for folder in TRAIN), "interpolate", "extrapolate")
FORM, SIDES, FIELDS = 1, ("source", "target"), ("flat", "start", "length")  # of the kept tensors
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
            raise OptionError(f"{module!r} is no module's name, such as 'algebra__linear_1d'")
    place, paced = Path(cache) / "dm_math", Paced(report)
    if generate is None:
        path = Path(archive) if archive is not None else place / f"{PUBLISHED}.tar.gz"
        published, sha256 = _identified(path, place / "encoded", paced)
        of_path = f"archive {path} (sha256 {sha256[:12]}...), not the published one"
        origin, kept, folder = "the published archive" if published else of_path, sha256, sha256[:12]
        read: Read = partial(_read, path, published, paced)
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
            f"{name} {side} {field}": getattr(getattr(pairs, side), field)
            for name, pairs in _sets(module, texts.pop(module)).items()
            for side in SIDES
            for field in FIELDS
        }

    folder.mkdir(parents=True, exist_ok=True)
    sets = {}
    with FileLock(folder / ".lock"):  # who comes second finds all that the first has read
        for module, path in paths.items():
            found = encoded(path, f"{origin}; {module}; form {FORM}", partial(make, module))
            there = [name for name in SETS if f"{name} source flat" in found]
            sets[module] = {name: Sequences(*(_words(found, f"{name} {side}") for side in SIDES)) for name in there}
    return sets


def _words(found: Mapping[str, Tensor], name: str) -> Words:
    return Words(*(found[f"{name} {field}"] for field in FIELDS), len(CHARACTERS))


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
    return {name: encode(pairs, (len(CHARACTERS),) * 2) for name, pairs in sets.items()}


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


def _identified(path: Path, place: Path, paced: Paced) -> tuple[bool, str]:
    """Return whether an archive is the published one, and its sha256, which `place` remembers."""
    if not path.is_file():
        advice = f"fetch {URL} (2.3 GB) and put it there, or have questions made with --dm_math.generate=2000"
        raise OptionError(f"no archive {str(path)!r}; {advice}")
    at, remembered = path.stat(), place / "archives.json"
    try:
        known = json.loads(remembered.read_text())
    except (OSError, ValueError):
        known = {}
    name = f"{path.resolve()} {at.st_size} {at.st_mtime_ns}"
    if name not in known:
        with _readable(path):
            top = next(_files(path))[0][0]
            digest, done = hashlib.sha256(), 0
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
                    done += len(chunk)
                    paced(f"checking {path.name}, {done / at.st_size:.0%}")
        known[name] = top, digest.hexdigest()
        write_json(remembered, known)
    top, sha256 = known[name]
    if top == PUBLISHED and sha256 != SHA256:
        raise OptionError(
            f"{path} is corrupt, or not the published archive that its folder {PUBLISHED} says it is: sha256 "
            f"{sha256[:12]}..., expected {SHA256[:12]}...; fetch {URL} again, or rename the folder in your own archive"
        )
    return top == PUBLISHED, sha256


def _read(path: Path, published: bool, paced: Paced, modules: Sequence[str]) -> dict[str, dict[str, bytes]]:
    """Return module -> folder -> text, in one pass over the archive."""
    names: dict[str, dict[str, bytes | None]] = {folder: {} for folder in FOLDERS}
    missing = {(folder, module) for folder in FOLDERS for module in modules}
    with _readable(path):
        for (_, *inside), text in _files(path):
            if len(inside) != 2 or inside[0] not in names or not inside[1].endswith(".txt"):
                continue
            paced(f"reading {path.name}, at {'/'.join(inside)}")
            folder, name = inside[0], inside[1].removesuffix(".txt")
            of = {m for m in modules if (harder(m, [name], ()) if folder == "extrapolate" else name == m)}
            names[folder][name] = text() if of else None
            missing -= {(folder, module) for module in of}
            if published and not missing:  # in another archive a name may turn out to be a module's own
                break
    complete = sorted(set.intersection(*(set(names[folder]) for folder in FOLDERS[:-1])))
    files = {}
    for module in modules:
        if module not in complete:
            lacks = [f"{folder}/{module}.txt" for folder in FOLDERS[:-1] if module not in names[folder]]
            allowed = f"allowed: {', '.join(complete) or 'none'}{nearest(module, complete)}"
            raise OptionError(f"unknown module {module!r}; {path} has no {lacks[0]}; {allowed}")
        files[module] = {folder: names[folder][module] for folder in FOLDERS[:-1]}
        further = harder(module, sorted(names["extrapolate"]), complete)
        if further:
            files[module]["extrapolate"] = b"".join(names["extrapolate"][name] for name in further)
    return files


def _files(path: Path) -> Iterator[tuple[tuple[str, ...], Callable[[], bytes]]]:
    """Yield the parts of each name in an archive, and what reads the file as long as it is the last one."""
    with gzip.open(path) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if parts:
                yield parts, lambda member=member: tar.extractfile(member).read()
        while unzipped.read(1 << 20):  # to the checksum, which is behind the last file
            pass


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zlib.error, EOFError, OSError, StopIteration) as error:
        why = str(error).splitlines()[:1] or [type(error).__name__]
        raise OptionError(f"{path} is damaged or no .tar.gz ({why[0]}); fetch or copy it again") from None
