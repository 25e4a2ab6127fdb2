"""Records the failure of a run that died without recording it itself, and shows those that failed."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from core import exit_codes as codes
from core.files import write_json
from core.run_state import read_status
from launch.points import Point

LAST_LINES = 20


def record_failure(folder: Path, pid: int, code: int, output: Path, start: int, why: str = "") -> str:
    """Make sure that a run's status.json says that it failed and why.

    Args:
        folder: of the run.
        pid: of the process that ran it; a record written by this process is left as it is.
        code: how the process ended, negative for a signal.
        output: the file that holds what it printed.
        start: byte of `output` at which this attempt began.
        why: the reason, where it is known better than from `code`.

    Returns:
        Why it failed, in one line.

    Raises:
        StoreError: the record cannot be written.
    """
    status = read_status(folder)
    if status.get("state") == "failed" and status.get("pid") == pid:
        return (str(status.get("error") or "").strip().splitlines() or ["no reason given"])[-1]
    lines = _last_lines(output, start)
    error = why or _reason(code) + (f": {lines[-1].strip()}" if lines and code > 0 else "")
    record = {"state": "failed", "error": error, "code": code, "output": lines}
    whose = {"pid": pid, "host": socket.gethostname(), "updated": time.time()}
    write_json(folder / "status.json", status | record | whose)
    return error


def failure_lines(point: Point, output: Path | None = None, why: str = "") -> list[str]:
    """Return what `--failures` says of a failed run: which, why, and the last lines that it printed.

    Args:
        point: the run.
        output: another file than the one in its folder to take them from.
        why: the reason, where its folder has none.
    """
    status = read_status(point.folder)
    why = why or (str(status.get("error") or "").strip().splitlines() or ["no reason given"])[-1]
    names = [output] if output else [point.folder / "output.txt", point.folder / "log.txt"]
    file = next((path for path in names if path.exists() and path.stat().st_size), None)
    last = [f"    {line}" for line in (_last_lines(file, 0) if file else ["(it printed nothing)"])]
    return [f"run {point.index} ({point.label}): {why}; {file or point.folder}", *last]


def _reason(code: int) -> str:
    if code == codes.DONE:
        return "ended without a result"
    if code > 0:
        return f"ended with code {code}"
    names = {number.value: number.name for number in signal.Signals}
    name = names.get(-code, f"signal {-code}")
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _last_lines(path: Path, start: int) -> list[str]:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 20_000))
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-LAST_LINES:]
