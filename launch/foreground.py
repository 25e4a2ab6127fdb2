"""One run in the foreground, with its progress on the terminal and TensorBoard alongside."""

from __future__ import annotations

import importlib.util
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
        board = _tensorboard(point.folder, screen) if _wants_tensorboard(point) else None
        child = Child(point.command(program), env=environment(slot, 1))
        asked = killed = False
        try:
            while child.code() is None:
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


def _tensorboard(folder: Path, screen: Screen) -> Child:
    port = free_port()
    screen.line(f"TensorBoard: http://localhost:{port}")
    command = [*TENSORBOARD, "--logdir", str(folder), "--port", str(port)]
    return Child(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
