"""Records the failure of a run that died without recording it itself."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from core import exit_codes as codes
from core.files import write_json
from core.run_state import read_status

LAST_LINES = 20


def record_failure(folder: Path, pid: int, code: int, output: Path, start: int) -> str:
    """Make sure that a run's status.json says that it failed and why.

    Args:
        folder: of the run.
        pid: of the process that ran it; a record written by this process is left as it is.
        code: how the process ended, negative for a signal.
        output: the file that holds what it printed.
        start: byte of `output` at which this attempt began.

    Returns:
        Why it failed, in one line.

    Raises:
        StoreError: the record cannot be written.
    """
    status = read_status(folder)
    if status.get("state") == "failed" and status.get("pid") == pid:
        return (str(status.get("error") or "").strip().splitlines() or ["no reason given"])[-1]
    lines = _last_lines(output, start)
    error = _reason(code) + (f": {lines[-1].strip()}" if lines and code > 0 else "")
    record = {"state": "failed", "error": error, "code": code, "output": lines}
    whose = {"pid": pid, "host": socket.gethostname(), "updated": time.time()}
    write_json(folder / "status.json", status | record | whose)
    return error


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
