"""history.jsonl: one JSON row per logged step, cut back to the checkpoint when a run is resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from core.errors import DamagedError, StoreError


def rows_of(data: bytes, path: Path) -> list[dict[str, Any]]:
    """Return the rows in the bytes of a history; a half-written last row (a killed run) is left out.

    Raises:
        DamagedError: a row is no JSON mapping with a step.
    """
    rows = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            raise DamagedError(f"{path} is damaged: line {number} is no row")
        rows.append(row)
    return rows


class History:
    """The append-only log of one run's numbers.

    Args:
        path: the file.
        size: bytes that belong to the checkpoint the run goes on from; what lies behind is dropped, because
            those steps are about to be taken again.

    Raises:
        DamagedError: there are fewer bytes than that, or they are no rows.
    """

    def __init__(self, path: Path, size: int = 0):
        try:
            there = path.read_bytes() if path.exists() else b""
            if len(there) < size:
                raise DamagedError(f"{path} is damaged: it has {len(there)} bytes, its checkpoint belongs to {size}")
            if size and not there[:size].endswith(b"\n"):
                raise DamagedError(f"{path} is damaged: no row ends at byte {size}, where its checkpoint was written")
            rows_of(there[:size], path)
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
        """Make every row durable and return the size in bytes.

        Raises:
            DamagedError: somebody has removed the file.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        found = os.fstat(self.file.fileno())
        if found.st_nlink == 0:
            raise DamagedError(f"{self.path} was removed while the run went on")
        return found.st_size
