"""The local pool: one process per run. A run that dies is recorded and does not end the sweep.

All state of a run is in its folder, so a second launcher, or the next one, needs nothing from this one: a run is held
by the file lock that `main.py` takes, and finished when its status.json says so.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core import exit_codes as codes
from core.errors import StoreError
from core.run_state import OVER, is_locked, read_status
from launch.console import Screen, how_far
from launch.failure import record_failure
from launch.gpu_slots import environment
from launch.points import Point
from launch.process import GRACE_SECONDS, Child, Interrupts
from launch.search.trials import Trials

TICK_SECONDS = 0.1
LOOK_SECONDS = 1.0  # between looks at the status of the running ones
TRIES = 3  # a lock can be held for an instant by someone who only asks whether it is held
STOP_SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)  # it was asked to stop before it listened
OUTPUT = "output.txt"
STATES = {
    "done": "done",
    "ended early": "ended early",
    "failed": "failed",
    "damaged": "damaged (--repair does them anew)",
    "stopped": "stopped",
    "todo": "not started",
    "elsewhere": "running elsewhere",
}


@dataclass
class _Active:
    """A run in a slot."""

    point: Point
    slot: str | None
    child: Child
    output_from: int
    end: float  # of its time, on time.monotonic's clock
    stage: str = ""
    late: bool = False

    def look(self) -> None:
        """Read how far it is."""
        status = read_status(self.point.folder)
        if status.get("pid") == self.child.pid:  # not one of an earlier attempt
            self.stage = how_far(status)


class Pool:
    """Executes the runs of a sweep on this machine.

    Args:
        program: the script that does one run.
        slots: an entry per run at a time: its CUDA_VISIBLE_DEVICES, or None.
        screen: where to say how it goes.
        grace: seconds that runs get to save after the first Ctrl-C.
        deadline: seconds that a run may take; it is asked to save then, and ended after the grace time.
        patient: see `launch.process.Interrupts`.
        trials: of a sweep with early_terminate:, whose running runs may end early; or None.
    """

    def __init__(
        self,
        program: Path,
        slots: Sequence[str | None],
        screen: Screen,
        grace: float = GRACE_SECONDS,
        deadline: float = float("inf"),
        patient: bool = False,
        trials: Trials | None = None,
    ):
        self.program, self.slots, self.screen, self.grace = program, list(slots), screen, grace
        self.deadline, self.interrupts = deadline, Interrupts(grace, patient)
        self.free, self.trials = deque(self.slots), trials
        self.queue: deque[Point] = deque()
        self.active: list[_Active] = []
        self.states: dict[str, str] = {}
        self.tries: dict[str, int] = {}
        self.retry = False
        self.looked = 0.0

    def run(self, points: Sequence[Point], retry: bool = False) -> int:
        """Do every point that is not done; failed ones only if `retry`.

        Returns:
            exit.DONE when all are done, exit.FAILED when some failed, exit.RESUME when some are left to do.
        """
        self.retry = retry
        self.queue.extend(points)
        self.states = {point.signature: "todo" for point in points}
        with self.interrupts as interrupts:
            try:
                asked = self._loop(interrupts)
            finally:  # after an error; otherwise there is nobody left
                self._stop(signal.SIGTERM)
        found = list(self.states.values())
        self.screen.line(_summary(found))
        if set(found) <= {*OVER}:
            return codes.DONE
        return codes.RESUME if asked or not {"failed", "damaged"} & set(found) else codes.FAILED

    def _loop(self, interrupts: Interrupts) -> bool:
        """Start and reap until nothing is left; return whether somebody asked to stop."""
        asked = killed = False
        while self.queue or self.active:
            if interrupts.count and not asked:
                asked = True
                self._stop(signal.SIGTERM)
                self.screen.line("stopping: the runs save and end; Ctrl-C again ends them at once")
            if interrupts.enough and not killed:
                killed = True
                self._stop(signal.SIGKILL)
            self._start()
            self._hurry()
            self._reap(asked)
            self._show()
            if self.active:
                time.sleep(TICK_SECONDS)
        return asked

    def _stop(self, number: int) -> None:
        self.queue.clear()
        for run in self.active:
            run.child.send(number)

    def _start(self) -> None:
        while self.free and self.queue:
            point = self.queue.popleft()
            # Looked up now, not at the beginning: another launcher may have come first.
            state = point.state
            if state in (*OVER, "running", "damaged") or (state == "failed" and not self.retry):
                self.states[point.signature] = "elsewhere" if state == "running" else state
                continue
            slot = self.free.popleft()
            with _output(point.folder) as file:
                # Plain progress is in log.txt already; this file is for what nobody expected.
                start, command = file.tell(), point.command(self.program, {"run.quiet": "true"})
                env = environment(slot, len(self.slots))
                child = Child(command, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
                self.active.append(_Active(point, slot, child, start, time.monotonic() + self.deadline))
            self.states[point.signature] = "running"

    def _hurry(self) -> None:
        """End the runs that have had their time: first they may save, then they are killed."""
        now = time.monotonic()
        for run in self.active:
            if now > run.end:
                run.child.send(signal.SIGKILL if run.late else signal.SIGTERM)
                run.late, run.end = True, now + self.grace

    def _judge(self) -> None:
        """Tell the runs that the search gives up to save and end; they have the grace time for it."""
        running = [run for run in self.active if not run.late]
        if self.trials is None or not self.trials.rule or not running:
            return
        for folder, why in self.trials.end_early([run.point.folder for run in running]).items():
            run = next(run for run in running if run.point.folder == folder)
            self.screen.line(f"run {run.point.index} ends early: {why} ({run.point.label})")
            run.child.send(signal.SIGTERM)
            run.late, run.end = True, time.monotonic() + self.grace

    def _reap(self, asked: bool) -> None:
        for run in list(self.active):
            code = run.child.code()
            if code is None:
                continue
            run.child.send(signal.SIGKILL)  # forgotten workers would keep the GPU
            self.active.remove(run)
            self.free.append(run.slot)
            self.states[run.point.signature] = self._outcome(run, code, asked)

    def _outcome(self, run: _Active, code: int, asked: bool) -> str:
        point = run.point
        if point.state == "ended early":
            return "ended early"
        if code == codes.DONE and read_status(point.folder).get("state") == "done":
            return "done"
        late = f"did not end within the {self.deadline / 60:g} minutes it was given" if run.late else ""
        if late:
            self.screen.line(f"run {point.index} {late} ({point.label})")
        if code == codes.RESUME or -code in STOP_SIGNALS or (asked and code < 0):
            return "stopped"
        if code == codes.BUSY:
            self.tries[point.signature] = self.tries.get(point.signature, 0) + 1
            if not is_locked(point.folder) and self.tries[point.signature] < TRIES and not asked:
                self.queue.append(point)
                return "todo"
            return "elsewhere"
        output = point.folder / OUTPUT
        try:
            error = record_failure(point.folder, run.child.pid, code, output, run.output_from, late)
        except StoreError as full:
            error = str(full)
        self.screen.line(f"run {point.index} failed ({point.label}): {error}; see {output}")
        return "failed"

    def _show(self) -> None:
        now = time.monotonic()
        if now - self.looked >= LOOK_SECONDS:
            self.looked = now
            for run in self.active:
                run.look()
            self._judge()
        states, running = list(self.states.values()), len(self.active)
        done, early, failed = (states.count(state) for state in ("done", "ended early", "failed"))
        counts = f"[{done + early + running + failed}/{len(states)}] done {done} running {running} failed {failed}"
        counts += f" ended early {early}" if early else ""
        self.screen.progress(counts, "; ".join(run.point.label + run.stage for run in self.active))


def _output(folder: Path) -> BinaryIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return open(folder / OUTPUT, "ab")
    except OSError as error:
        raise StoreError(f"cannot write {folder / OUTPUT}: {error.strerror}") from None


def _summary(states: list[str]) -> str:
    parts = [f"{states.count(state)} {words}" for state, words in STATES.items() if state in states]
    return ", ".join(parts) or "nothing to do"
