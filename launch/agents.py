"""`wandb agent`s on this machine, one per slot: W&B assigns the points, which may be shared with other machines."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import exit_codes as codes
from core.errors import SweepError
from core.run_state import read_status, state_of
from launch.console import Screen, how_far
from launch.gpu_slots import environment
from launch.process import Child, Interrupts
from launch.wandb_client import ROOT, look

GRACE_SECONDS = 90.0  # a run saves, and then tells W&B about it
LOOK_SECONDS = 5.0
RESTART_SECONDS = 20.0  # an agent does not outlive a long outage of the server; the next one may
RESTARTS = 30
CLIENT = [sys.executable, "-m", "wandb"]


NEVER = float("inf")
UNFINISHED = ("PENDING", "RUNNING", "PAUSED")  # states of a sweep
AT_WORK = {"running", "pending", "preempting", "preempted"}  # states of a run that an agent does, or will do


@dataclass
class _Agent:
    """The agent of a slot."""

    slot: str | None
    output: Path  # what it and its runs print
    due: float = 0.0  # when to start it
    starts: int = 0
    child: Child | None = None

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.code() is None


class Agents:
    """The agents of one sweep on this machine.

    Args:
        path: entity/project/id of the sweep.
        slots: an entry per agent: its CUDA_VISIBLE_DEVICES, or None.
        folder: of the sweep's results; the agents' output goes into its agents/ folder.
        screen: where to say how it goes.
        grace: seconds that runs get to save after the first Ctrl-C.
        pause: seconds before an agent that the server has failed is started again.
    """

    def __init__(
        self,
        path: str,
        slots: Sequence[str | None],
        folder: Path,
        screen: Screen,
        grace: float = GRACE_SECONDS,
        pause: float = RESTART_SECONDS,
    ):
        self.path, self.folder, self.screen, self.grace, self.pause = path, folder.resolve(), screen, grace, pause
        (folder / "agents").mkdir(parents=True, exist_ok=True)
        outputs = (folder / "agents" / f"{socket.gethostname()}-{number}.txt" for number in range(len(slots)))
        self.agents = [_Agent(slot, output) for slot, output in zip(slots, outputs, strict=True)]

    def run(self) -> int:
        """Work until the sweep has nothing left or somebody asks to stop.

        Returns:
            exit.DONE when every run of the sweep is finished, exit.FAILED when some are not and nobody is at
            work on them, exit.RESUME otherwise.
        """
        for agent in self.agents:
            self.screen.line(f"agent of {self.path}: output in {agent.output}")
        with Interrupts(self.grace) as interrupts:
            try:
                asked = self._loop(interrupts)
            finally:
                self._each(signal.SIGTERM)
        return self._report(asked)

    def _loop(self, interrupts: Interrupts) -> bool:
        """Start agents and wait for them; return whether somebody asked to stop."""
        asked, again, looked = False, 0.0, 0.0
        while any(agent.child is not None or agent.due < NEVER for agent in self.agents):
            now = time.monotonic()
            if interrupts.count and not asked:
                asked = True
                self._each(signal.SIGTERM)  # forwarded to the run
                self.screen.line("stopping: the runs save and end; Ctrl-C again ends them at once")
            if interrupts.enough and now >= again:
                again = now + 1  # an agent that is asked for the third time kills its run
                self._each(signal.SIGTERM)
            for agent in self.agents:
                if agent.child is not None and not agent.running:
                    self._ended(agent, asked)
                if asked:
                    agent.due = NEVER
                elif agent.due <= now:
                    self._start(agent)
            if now >= looked + LOOK_SECONDS:
                looked = now
                self._show()
            time.sleep(0.1)
        return asked

    def _start(self, agent: _Agent) -> None:
        command = [*CLIENT, "agent", "--forward-signals", "--term-timeout", f"{self.grace:.0f}", self.path]
        env = environment(agent.slot, len(self.agents))
        # The agent starts "python", and keeps its notes where it is told to.
        env |= {"PATH": f"{Path(sys.executable).parent}:{env.get('PATH', os.defpath)}", "WANDB_DIR": str(self.folder)}
        with open(agent.output, "ab") as file:
            agent.child = Child(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        agent.due, agent.starts = NEVER, agent.starts + 1

    def _ended(self, agent: _Agent, asked: bool) -> None:
        """Start an agent again later when it ended although there is work left: the server was away."""
        assert agent.child is not None
        code, agent.child = agent.child.code(), None
        if code == 0 or asked or agent.starts > RESTARTS:
            return
        try:
            left = look(self.path)["state"] in UNFINISHED
        except SweepError:
            left = True
        if left:
            agent.due = time.monotonic() + self.pause
            when = f"the next one starts in {self.pause:.0f} s"
            self.screen.line(f"an agent ended with code {code} although there is work left; {when}")

    def _each(self, number: int) -> None:
        for agent in self.agents:
            if agent.child is not None and agent.running:
                agent.child.send(number)

    def _here(self) -> dict[Path, str]:
        """Return the states of the sweep's runs that this machine sees."""
        return {path.parent: state_of(path.parent) for path in self.folder.glob("*/options.yaml")}

    def _show(self) -> None:
        states = self._here()
        counts = Counter(states.values())
        running = [folder for folder, state in states.items() if state == "running"]
        self.screen.progress(
            " ".join(f"{state} {counts[state]}" for state in ("done", "running", "stopped", "failed")),
            "; ".join(folder.name + how_far(read_status(folder)) for folder in running),
        )

    def _report(self, asked: bool) -> int:
        try:
            answer = look(self.path)
        except SweepError as error:
            self.screen.line(f"how the sweep stands is not known: {error}")
            return codes.RESUME
        runs, expected = Counter(answer["runs"]), answer["expected"]
        words = ", ".join(f"{number} {state}" for state, number in runs.most_common()) or "no runs yet"
        of = f" of {expected}" if expected else ""
        self.screen.line(f"{answer['path']} is {answer['state'].lower()}; its runs{of}: {words}")
        if asked or runs.total() < (expected or 0) or runs.keys() & AT_WORK:
            return codes.RESUME
        return codes.DONE if runs.keys() <= {"finished"} else codes.FAILED
