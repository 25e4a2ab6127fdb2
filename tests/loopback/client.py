"""The real client, started in a folder of its own with a small program to train."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.loopback.server import Server

PATIENCE = 60
PROGRAM = """
import os, sys, time
import wandb

with wandb.init(resume="allow", config={"steps": 4, "pause": 0}) as run:
    for step in range(run.starting_step, run.config.steps):
        run.log({"loss": 1 / (step + 1), "deep": {"step": step}}, step=step)
        time.sleep(run.config.pause)
        if step == run.config.get("preempt_at") and not run.resumed:
            run.mark_preempting()
            sys.exit(75)
    with open("mask.bin", "wb") as file:
        file.write(bytes(range(256)) * run.config.steps)
    run.save("mask.bin", policy="now")
"""
COMMAND = '["${env}", "${interpreter}", "${program}"]'


class Client:
    """Starts client programs in a folder of their own, and ends what is left of them."""

    def __init__(self, server: Server, folder: Path):
        self.folder, self.started = folder, []
        self.env = server.env(folder) | {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "0.5"}
        (folder / "train.py").write_text(PROGRAM)

    def start(self, *command: str | Path, **env: str) -> subprocess.Popen:
        file = open(self.folder / f"output-{len(self.started)}.txt", "w")
        process = subprocess.Popen(
            [sys.executable, *map(str, command)], cwd=self.folder, env=self.env | env, stdin=subprocess.DEVNULL,
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        process.said = lambda: Path(file.name).read_text()
        self.started.append(process)
        return process

    def run(self, *command: str | Path, **env: str) -> tuple[int, str]:
        process = self.start(*command, **env)
        process.wait(PATIENCE)
        return process.returncode, process.said()

    def sweep(self, *lines: str) -> str:
        """Create a grid with the command line; return its path."""
        text = ["program: train.py", "method: grid", f"command: {COMMAND}", "parameters:", *lines]
        (self.folder / "sweep.yaml").write_text("\n".join(text))
        ended, said = self.run("-m", "wandb", "sweep", "sweep.yaml")
        assert ended == 0, said
        return re.search(r"wandb agent (\S+)", said)[1]

    def end(self) -> None:
        for process in self.started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait(10)
