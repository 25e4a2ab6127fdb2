"""history.jsonl: one JSON row per logged step, cut back to the checkpoint when a run is resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from core.errors import StoreError


class History:
    """The append-only log of one run's numbers.

    Args:
        path: the file.
        size: bytes that belong to the checkpoint the run goes on from; what lies behind is dropped, because
            those steps are about to be taken again.
    """

    def __init__(self, path: Path, size: int = 0):
        try:
            self.file = open(path, "ab")
            self.file.truncate(size)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error
        self.path = path

    def append(self, row: dict[str, Any]) -> None:
        """Add one row; readers see it at once."""
        try:
            self.file.write((json.dumps(row) + "\n").encode())
            self.file.flush()
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror}") from error

    def sync(self) -> int:
        """Make every row durable and return the size in bytes."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return os.fstat(self.file.fileno()).st_size
