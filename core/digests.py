"""digests.json of a finished run: size and sha256 of every file of its results, so that damage is found later."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.files import write_json

FILE = "digests.json"
RESULTS = ("history.jsonl", "summary.json", "masks/*", "arrays/*", "tensors/*", "checkpoints/*.pt")


def seal(folder: Path) -> None:
    """Write the digests of a run's results as they are now.

    Raises:
        StoreError: a file cannot be read, or digests.json cannot be written.
    """
    paths = sorted(path for pattern in RESULTS for path in Path(folder).glob(pattern) if path.is_file())
    write_json(Path(folder) / FILE, {str(path.relative_to(folder)): _entry(path) for path in paths})


def missing(folder: Path) -> str:
    """Return which file of a finished run is gone or of another size, or ""; nothing is read."""
    for name, entry in _entries(folder).items():
        path = Path(folder) / name
        if not path.is_file():
            return f"{name} is gone"
        if path.stat().st_size != entry["size"]:
            return f"{name} has {path.stat().st_size} bytes instead of {entry['size']}"
    return ""


def differing(folder: Path) -> list[str]:
    """Return what is wrong with the files of a finished run, all of which are read; [] where it has no digests."""
    found = []
    for name, entry in _entries(folder).items():
        path = Path(folder) / name
        if not path.is_file():
            found.append(f"{name} is gone")
        elif _entry(path) != entry:
            found.append(f"{name} is not what the run wrote")
    return found


def has_digests(folder: Path) -> bool:
    """Return whether a run was finished since digests are kept."""
    return (Path(folder) / FILE).exists()


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    path = Path(folder) / FILE
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text())
        whole = isinstance(entries, dict) and all(
            isinstance(entry, dict) and isinstance(entry["size"], int) and isinstance(entry["sha256"], str)
            and not name.startswith("/") and ".." not in name.split("/")
            for name, entry in entries.items()
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RecursionError):
        whole = False
    if not whole:
        raise StoreError(f"{path} is damaged: it does not hold the size and sha256 of each file")
    return entries


def _entry(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return {"size": file.tell(), "sha256": digest.hexdigest()}
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None
