"""Sets of text that are small and need no network, laid out as the published ones."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from data import scan

VERBS = {"jump": "I_JUMP", "walk": "I_WALK", "run": "I_RUN", "look": "I_LOOK"}
TIMES = {"": 1, " twice": 2, " thrice": 3}
ALONE = [
    f"IN: {verb}{word} OUT: {' '.join([action] * n)}" for verb, action in VERBS.items() for word, n in TIMES.items()
]


def tiny_scan(cache: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """Write a few commands as every split's files, and take them for the published ones; return the lines."""
    lines = ALONE + [ALONE[0]] * 3
    for first in ALONE:
        for second in ALONE:
            (a, x), (b, y) = (line.removeprefix("IN: ").split(" OUT: ") for line in (first, second))
            lines.append(f"IN: {a} and {b} OUT: {x} {y}")
    content = ("\n".join(lines) + "\n").encode()
    for folder, end, *_ in scan.FILES.values():
        for part in ("train", "test"):
            path = Path(cache) / "scan" / folder / f"tasks_{part}_{end}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for split, files in accepted_scan(cache).items():
        patch.setitem(scan.FILES, split, files)
    return lines


def accepted_scan(cache: Path) -> dict[str, tuple[str, ...]]:
    """Return `data.scan.FILES` with the checksums of the files that are there."""
    found = {}
    for split, (folder, end, *_) in scan.FILES.items():
        files = (Path(cache) / "scan" / folder / f"tasks_{part}_{end}.txt" for part in ("train", "test"))
        found[split] = (folder, end, *(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))
    return found


def accept_scan(cache: Path) -> None:
    """Take the files that are there for the published ones, in a process that ends with the test."""
    scan.FILES.update(accepted_scan(cache))


def tiny_math(path: Path, modules: tuple[str, ...] = ("toy__add", "toy__less"), questions: int = 60) -> Path:
    """Write an archive of mathematics with so many questions of each difficulty, and return its path."""
    folders = {"train-easy": 10, "train-medium": 50, "train-hard": 90, "interpolate": 30}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for folder, first in folders.items():
            for number, module in enumerate(modules):
                pairs = [(first + i % 10, i // 10) for i in range(questions)]
                text = "".join(f"{module}: {a} and {b}?\n{a - b if number else a + b}\n" for a, b in pairs).encode()
                entry = tarfile.TarInfo(f"tiny/{folder}/{module}.txt")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text))
    return path
