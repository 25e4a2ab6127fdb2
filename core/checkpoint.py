"""Checkpoints: plain tensors and numbers, written atomically, verified by the digest in their name.

`02-00001200-3fa9c1d2.pt` holds the state in stage 2 at global step 1200; the eight hex digits are the start
of the sha256 of its bytes, so a truncated or damaged file is recognised and the one before it is used.
"""

from __future__ import annotations

import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from core.checkpoint_names import NAME, digest
from core.errors import CheckpointError, StoreError
from core.files import write_atomic

log = logging.getLogger("sieve")
NEWEST = 2  # a damaged last checkpoint needs one before it


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie.
        keep: any of "first", "best", "last", "all"; the newest two are always kept.
    """

    def __init__(self, folder: Path, keep: tuple[str, ...] = ("last",)):
        self.folder = Path(folder)
        self.keep = keep

    def files(self) -> list[Path]:
        """Return the step checkpoints, oldest first."""
        found = [(match, path) for path in self.folder.glob("*.pt") if (match := NAME.search(path.name))]
        return [path for _, path in sorted(found, key=lambda pair: (int(pair[0][1]), int(pair[0][2]), pair[1].name))]

    def save(self, stage: int, step: int, state: dict[str, Any], best: bool = False) -> None:
        """Write the state at global step `step` of stage number `stage`.

        `best` also makes it `best.pt` when best ones are kept.

        Raises:
            CheckpointError: it could not be written (a full disk); older checkpoints are intact.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        try:
            write_atomic(self.folder / f"{stage:02d}-{step:08d}-{digest(data)}.pt", data)
            if best and "best" in self.keep:
                write_atomic(self.folder / "best.pt", data)
        except StoreError as error:
            raise CheckpointError(str(error)) from error
        self._prune()

    def load(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """Return the newest readable state, or None; a damaged file is reported, removed and skipped over."""
        for path in reversed(self.files()):
            try:
                return read_checkpoint(path, device)
            except CheckpointError as error:
                log.warning("%s; using the one before it", error)
                path.rename(path.with_suffix(".damaged"))
        return None

    def _prune(self) -> None:
        files = self.files()
        if "all" in self.keep:
            return
        stay = set(files[-NEWEST:])
        if "first" in self.keep:
            stay.add(files[0])
        for path in files:
            if path not in stay:
                path.unlink()


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return the state in one checkpoint file.

    Raises:
        CheckpointError: the file is damaged: its digest does not match, or torch cannot read it.
    """
    try:
        data = path.read_bytes()
        match = NAME.search(path.name)
        if match and digest(data) != match[3]:
            raise CheckpointError(f"checkpoint {path} is damaged")
        return torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"checkpoint {path} cannot be read: {why}") from error
