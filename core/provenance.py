"""Provenance of a run: the code, the libraries and the machine, in `environment.json` next to its results.

The file is a list, oldest first: a run that is resumed with different code, on another machine or with another number
of threads appends an entry. It is not part of the signature, and the only file of a run besides `status.json`,
`log.txt` and the trackers' that may differ between two runs of the same options.
"""

from __future__ import annotations

import datetime
import json
import platform
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.files import write_json

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "numpy", "wandb")
FILE = "environment.json"
SNAPSHOT = "snapshot.json"  # beside the code where that is a copy (launch.snapshot): what it is a copy of
CHANGES_NOTHING = ("command", "started")  # of an entry; all else is a reason for a new one


def record_environment(folder: Path, device: str, threads: int, command: list[str]) -> None:
    """Append to the folder's environment.json what runs it now, unless its last entry says the same.

    Args:
        folder: of the run.
        device: name of the processor or GPU.
        threads: of a tensor operation on the CPU.
        command: the command line.
    """
    entry = {
        **code_version(), "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "device": device, "threads": threads, "host": socket.gethostname(), "platform": platform.platform(),
        "command": command, "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    entries = read_environment(folder)
    keys = entry.keys() | (entries[-1].keys() if entries else set())
    if not entries or any(entries[-1].get(key) != entry.get(key) for key in keys - {*CHANGES_NOTHING}):
        write_json(Path(folder) / FILE, [*entries, entry])


def read_environment(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of a run's environment.json; [] where there is none, or none that can be read."""
    try:
        entries = json.loads((Path(folder) / FILE).read_text())
    except (OSError, ValueError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def code_version() -> dict[str, Any]:
    """Return the commit of the code that runs and whether it was changed since ("dirty"); None outside of git.

    Of a copy of the code ("snapshot", its name), what was true when the copy was made.
    """
    with suppress(OSError, ValueError):
        return dict(json.loads((ROOT / SNAPSHOT).read_text()))
    tracked = _git("ls-files", "--error-unmatch", str(Path(__file__).resolve())) is not None  # and not merely inside
    commit = _git("rev-parse", "HEAD") if tracked else None
    changed = None if commit is None else _git("status", "--porcelain", "--", "*.py", "requirements.txt")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def commits(folder: Path) -> tuple[str, ...]:
    """Return the commits that a run was made by, short, with "+" where the code had been changed; () if unknown."""
    found = (
        str(entry["commit"])[:7] + ("+" if entry.get("dirty") else "")
        for entry in read_environment(folder) if entry.get("commit")
    )  # fmt: skip
    return tuple(dict.fromkeys(found))


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    # many runs ask at once, and none of them may hold a lock in the checkout
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def command_line() -> list[str]:
    """Return the command line of this process."""
    return [sys.executable, *sys.argv]
