"""The archive of DeepMind Mathematics: whether it is the published one, and the files of some modules."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from core.errors import OptionError
from core.files import write_json
from core.registry import nearest
from data.dm_generator import FOLDERS, Paced, harder

PUBLISHED = "mathematics_dataset-v1.0"  # the archive's top folder
URL = f"https://storage.googleapis.com/mathematics-dataset/{PUBLISHED}.tar.gz"
SHA256 = "def638343403cb9ed60437d6b684c859dd23b72779f5cc5661b0a31e67c58576"


def identified(path: Path, place: Path, paced: Paced) -> tuple[bool, str]:
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


def read_archive(path: Path, published: bool, paced: Paced, modules: Sequence[str]) -> dict[str, dict[str, bytes]]:
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

    def text_of(folder: str, name: str) -> bytes:
        text = names[folder][name]
        assert text is not None  # as it is of a module that is wanted
        return text

    for module in modules:
        if module not in complete:
            lacks = [f"{folder}/{module}.txt" for folder in FOLDERS[:-1] if module not in names[folder]]
            allowed = f"allowed: {', '.join(complete) or 'none'}{nearest(module, complete)}"
            raise OptionError(f"unknown module {module!r}; {path} has no {lacks[0]}; {allowed}")
        files[module] = {folder: text_of(folder, module) for folder in FOLDERS[:-1]}
        further = harder(module, sorted(names["extrapolate"]), complete)
        if further:
            files[module]["extrapolate"] = b"".join(text_of("extrapolate", name) for name in further)
    return files


def _files(path: Path) -> Iterator[tuple[tuple[str, ...], Callable[[], bytes]]]:
    """Yield the parts of each name in an archive, and what reads the file as long as it is the last one."""
    with gzip.open(path) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if parts:
                yield parts, partial(_text, tar, member)
        while unzipped.read(1 << 20):  # to the checksum, which is behind the last file
            pass


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""  # a folder


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zlib.error, EOFError, OSError, StopIteration) as error:
        why = str(error).splitlines()[:1] or [type(error).__name__]
        raise OptionError(f"{path} is damaged or no .tar.gz ({why[0]}); fetch or copy it again") from None
