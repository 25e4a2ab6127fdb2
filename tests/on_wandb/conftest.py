"""A W&B server of our own for every file of tests, and the real client beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.server import Server

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PATIENCE = 120.0
# A run of half a second: long enough to have every kind of file, too short to learn anything.
TINY = {
    "layer_sizes": "16,16",
    "data.train_size": "2000",
    "data.eval_size": "100",
    "data.seen_size": "50",
    "train.steps": "30",
    "train.eval_every": "8",
    "mask.steps": "25",
    "train.batch_size": "16",
    "mask.init": "0.3",
    "mask.lr": "5e-2",
    "run.checkpoint_every": "7",
}


class Machine:
    """A machine with an account: starts programs that know the server, and ends what is left of them."""

    def __init__(self, server: Server, home: Path):
        self.server, self.home, self.started = server, home, []
        self.env = server.env(home) | {"PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def start(self, *command: str | Path, **env: str) -> subprocess.Popen:
        """Start a program; its output goes to `output()`."""
        file = open(self.home / f"output-{len(self.started)}.txt", "w+")
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=ROOT,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        process.file = file
        self.started.append(process)
        return process

    def run(self, *command: str | Path, **env: str) -> tuple[int, str]:
        """Run a program to its end; return its exit code and output."""
        process = self.start(*command, **env)
        process.wait(PATIENCE)
        return process.returncode, output(process)

    def main(self, run_dir: Path, *options: str) -> list[str]:
        """Return the command of a tiny run."""
        given = {option.lstrip("-").partition("=")[0] for option in options}
        tiny = [f"--{name}={value}" for name, value in (TINY | {"log": "wandb"}).items() if name not in given]
        return ["main.py", "--task=tuple_ff", *tiny, f"--run.dir={run_dir}", *options]

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                pass
            process.wait(10)
            process.file.close()


def output(process: subprocess.Popen) -> str:
    """Return what a program has printed so far."""
    return Path(process.file.name).read_text()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Return the condition's value as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)
    return value


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
        assert not server.unknown


@pytest.fixture
def machine(server: Server, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(server, tmp_path)
    yield machine
    machine.end()
