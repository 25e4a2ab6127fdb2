"""How a run stands, as its folder says: status.json, its lock, and whether what it wrote is still there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from core.digests import FILE as DIGESTS
from core.digests import missing
from core.errors import DamagedError, StoreError
from core.locks import hold, is_held
from core.values import said

STATES = ("todo", "running", "stopped", "failed", "done", "ended early", "damaged")
OVER = ("done", "ended early")  # states of a run that has nothing left to do
EARLY = "ended_early.json"  # why the search of its sweep has ended a run; its being there is what counts


def read_status(folder: Path) -> dict[str, Any]:
    """Return status.json of a run folder, {} when the run never started, state "damaged" where it cannot be read."""
    path = Path(folder) / "status.json"
    try:
        status = mapping(path)
        if status:
            _check_status(path, status)
    except StoreError as error:
        return {"state": "damaged", "error": str(error)}
    return status


def state_of(folder: Path) -> str:
    """Return the state of a run folder.

    "running" without a process holding its lock is "stopped"; "done" with a file gone, or cut short, is "damaged".
    A run that its search has told to end is "ended early" however it then came to its end, a kill included.
    """
    state = read_status(folder).get("state", "todo")
    if state in ("running", "stopped", "failed", "ended early") and not (state == "running" and is_locked(folder)):
        if is_to_end(folder):
            return "ended early"
        return "failed" if state == "failed" else "stopped"
    return "damaged" if state == "done" and damage(folder) else state


def is_to_end(folder: Path) -> bool:
    """Return whether the search of its sweep has told a run to end early."""
    return (Path(folder) / EARLY).exists()


def damage(folder: Path) -> str:
    """Return what can be seen to be wrong with a run without reading its results, or ""."""
    status = read_status(folder)
    if status.get("state") == "damaged":
        return str(status.get("error"))
    if status.get("state") != "done":
        return ""
    if not (Path(folder) / "options.yaml").is_file():
        return "options.yaml is gone"
    try:
        return missing(folder)
    except StoreError as error:
        return str(error)


def clear(folder: Path) -> None:
    """Remove what a run has written but its log, its environment and its place on W&B, so that it begins anew.

    Raises:
        StoreError: another process does it, or something cannot be removed.
    """
    folder = Path(folder)
    with hold(folder / "lock", patience=1) as mine:
        if not mine:
            raise StoreError(f"{folder} is being run by another process")
        try:
            for name in ("checkpoints", "masks", "arrays", "tensors", "tb"):
                if (folder / name).exists():
                    shutil.rmtree(folder / name)
            for name in ("history.jsonl", "summary.json", "status.json", DIGESTS, EARLY, "options.yaml"):
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot remove {error.filename}: {error.strerror}") from None


def is_locked(folder: Path) -> bool:
    """True when some process is running this run."""
    return is_held(Path(folder) / "lock")


def mapping(path: Path) -> dict[str, Any]:
    """Return the JSON mapping in a file; {} where there is none.

    Raises:
        DamagedError: it is something else.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DamagedError(f"{path} is damaged: it is no JSON mapping")
    return found


def _check_status(path: Path, status: dict[str, Any]) -> None:
    kinds: dict[str, type | tuple[type, ...]] = {"stage": str, "step": int, "steps": int, "seconds": (int, float)}
    wrong = [name for name, kind in kinds.items() if name in status and not isinstance(status[name], kind)]
    if status.get("state") not in STATES:
        raise DamagedError(f"{path} is damaged: state {said(status.get('state'))}")
    if wrong or ("steps" in status and not {"stage", "step"} <= status.keys()):
        raise DamagedError(f"{path} is damaged: {wrong[0] if wrong else 'stage or step'}")
