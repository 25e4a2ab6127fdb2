"""The names of checkpoints, which hold the digests of their files; read without torch."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

NAME = re.compile(r"^(\d{2,})-(\d{8,})-([0-9a-f]{8})\.pt$")


def digest(data: bytes) -> str:
    """Return the part of the sha256 that stands in a checkpoint's name."""
    return hashlib.sha256(data).hexdigest()[:8]


def damaged_checkpoints(folder: Path) -> list[Path]:
    """Return the step checkpoints of a run folder whose bytes are not those of their names."""
    paths = sorted(Path(folder, "checkpoints").glob("*.pt"))
    return [path for path in paths if (match := NAME.search(path.name)) and digest(path.read_bytes()) != match[3]]
