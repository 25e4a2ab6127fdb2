"""One run in the foreground, with its progress on the terminal and TensorBoard alongside."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from core import exit_codes as codes
from core.trackers import trackers_of
from launch.console import Screen
from launch.gpu_slots import environment
from launch.points import Point
from launch.process import GRACE_SECONDS, Child, Interrupts

FIRST_PORT = 7000
TRIES = 5  # ports
LOOK_SECONDS = 0.3
TENSORBOARD = [sys.executable, "-m", "tensorboard.main"]


def run_here(point: Point, program: Path, screen: Screen, slot: str | None = None, grace: float = GRACE_SECONDS) -> int:
    """Do one run in the foreground.

    Args:
        point: what to run.
        program: the script that does one run.
        screen: where to say what is started.
        slot: its CUDA_VISIBLE_DEVICES, or None.
        grace: seconds it gets to save after the first Ctrl-C.

    Returns:
        exit.DONE, exit.RESUME (stopped, or running elsewhere) or exit.FAILED.
    """
    screen.line(f"{point.label} -> {point.folder}")
    with Interrupts(grace) as interrupts:
        board = _Board(point.folder, screen) if _wants_tensorboard(point) else None
        child = Child(point.command(program), env=environment(slot, 1))
        asked = killed = False
        try:
            while child.code() is None:
                if board is not None:
                    board.look()
                if interrupts.count and not asked:
                    asked = True
                    child.send(signal.SIGTERM)
                if interrupts.enough and not killed:
                    killed = True
                    child.send(signal.SIGKILL)
                time.sleep(0.05)
        finally:
            child.send(signal.SIGKILL)
            if board is not None:
                board.end()
    code = child.code()
    if code == codes.BUSY:
        screen.line(f"run {point.index} is running elsewhere")
        return codes.RESUME
    if code == codes.RESUME or (asked and code != codes.DONE):
        return codes.RESUME
    return code if code in (codes.DONE, codes.BAD_INPUT) else codes.FAILED


def free_port(first: int = FIRST_PORT) -> int:
    """Return the first port from `first` that nobody listens on."""
    for port in range(first, 65536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just given up counts as free
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port from {first}")


def _wants_tensorboard(point: Point) -> bool:
    return "tb" in trackers_of(point.options.log) and importlib.util.find_spec("tensorboard") is not None


class _Board:
    """TensorBoard beside the run; its address is said once our own process listens there."""

    def __init__(self, folder: Path, screen: Screen):
        self.folder, self.screen, self.said, self.tries = folder, screen, False, TRIES
        self.looked = 0.0
        self._start(free_port())

    def _start(self, port: int) -> None:
        self.port, self.tries = port, self.tries - 1
        command = [*TENSORBOARD, "--logdir", str(self.folder), "--port", str(port)]
        self.child = Child(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def look(self) -> None:
        """Say the address when there is one; where somebody else was quicker at the port, take the next."""
        if self.said or time.monotonic() < self.looked + LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        code = self.child.code()
        if code is None:
            if listens(self.child.pid, self.port):
                self.said = True
                self.screen.line(f"TensorBoard: http://localhost:{self.port}")
        elif self.tries:
            self._start(free_port(self.port + 1))
        else:
            self.said = True
            self.screen.line(f"TensorBoard ended with code {code}; the run goes on without it")

    def end(self) -> None:
        """End it."""
        self.child.end()


def listens(pid: int, port: int) -> bool:
    """Return whether a process of that session listens on a port, or anybody where the system does not say who."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not any(table.exists() for table in tables):
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", port)) == 0
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    return bool(inodes) and any(f"socket:[{inode}]" in _open_files(pid) for inode in inodes)


def _open_files(session: int) -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(path.name)) == session:
                found |= {os.readlink(link) for link in (path / "fd").iterdir()}
        except OSError:  # it has ended, or is another user's
            continue
    return found
