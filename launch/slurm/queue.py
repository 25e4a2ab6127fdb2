"""What became of the jobs of a sweep: squeue knows those that wait, run, or ended a short while ago, sacct the rest.

For some seconds sacct has one row for a whole array, saying COMPLETED, before it has a row for each task; a row that is
not of the very task is therefore no answer. What cannot be learned is UNKNOWN, and never taken for ended.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.run_state import OVER, read_status
from launch.points import Point
from launch.slurm.cluster import SlurmError, call, configuration
from launch.slurm.records import Submission, latest

UNKNOWN, NEVER = "UNKNOWN", "NEVER SUBMITTED"
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
AT_WORK = ("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT")
HELD = ("JobHeldUser", "JobHeldAdmin", "REQUEUE_HOLD", "SPECIAL_EXIT")
BROKE = ("FAILED", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")
ENDED = (*BROKE, "COMPLETED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "REVOKED")
SETTLED_SECONDS = 60.0  # after which an sbatch whose launcher died has come to its end
ACTIVE = ("queued", "held", "running")  # states of a run that a job does, or will do


class Job(NamedTuple):
    """A task of an array.

    Attributes:
        state: in Slurm's words, or UNKNOWN or NEVER.
        why: Slurm's reason, or why it is not known.
        number: "27_3"; "" where it is not known.
    """

    state: str
    why: str = ""
    number: str = ""


class Queue:
    """The jobs of submissions, as they are now.

    Args:
        found: the submissions. One whose job's number is not known is looked for by its name.
    """

    def __init__(self, found: Sequence[Submission]):
        self.submissions = list(found)
        self.jobs: dict[tuple[str, int], Job] = {}
        self.numbers: dict[str, str] = {one.name: one.job for one in found if one.job}
        self.silent = ""
        if found:
            self._ask()

    def of(self, one: Submission, task: int) -> Job:
        """Return one task of a submission."""
        number = self.numbers.get(one.name)
        if (one.name, task) in self.jobs:
            return self.jobs[one.name, task]
        if self.silent:
            return Job(UNKNOWN, self.silent, f"{number}_{task}" if number else "")
        if number:
            return Job(UNKNOWN, "it is not in the queue, and accounting has no row of it", f"{number}_{task}")
        if time.time() - one.time < SETTLED_SECONDS:
            return Job(UNKNOWN, "it was being submitted a moment ago; look again in a minute")
        return Job(NEVER)

    def states(self, points: Iterable[Point]) -> dict[str, tuple[str, Job | None]]:
        """Return, by signature, the state of each point and its last job."""
        tasks = latest(self.submissions)
        return {point.signature: self._state(point, tasks.get(point.signature)) for point in points}

    def _state(self, point: Point, task: tuple[Submission, int] | None) -> tuple[str, Job | None]:
        state = point.state
        if task is None:
            return state, None
        one, number = task
        job = self.of(one, number)
        if job.state == NEVER:
            return state, None
        status = read_status(point.folder)
        newly_failed = state == "failed" and status.get("updated", 0) >= one.time
        if state in (*OVER, "running") or newly_failed:
            return state, job
        if job.state in WAITING:
            return ("held" if {job.state, job.why} & {*HELD} else "queued"), job
        if job.state in AT_WORK:
            begun = len(one.tasks[number]) == 1 or status.get("state") == "running"
            return ("running" if begun else "queued"), job
        if job.state == UNKNOWN:
            return "unknown", job
        return ("failed" if job.state in BROKE else state), job

    def _ask(self) -> None:
        try:
            here = configuration().get("ClusterName", "")
            mine = [one for one in self.submissions if one.cluster == here]
            if mine:
                self._read(call("squeue", "-h", "-r", "-t", "all", "-o", "%F|%K|%j|%T|%r", *_named(mine)))
        except SlurmError as error:
            self.silent = str(error)
            return
        for one in self.submissions:
            if one.cluster != here:
                away = Job(UNKNOWN, f"it was submitted to the cluster {one.cluster}, and this is {here}")
                self.jobs |= {(one.name, task): away for task in range(len(one.tasks))}
        missing = [one for one in mine if any((one.name, task) not in self.jobs for task in range(len(one.tasks)))]
        if missing:
            self._ask_accounting(missing)

    def _ask_accounting(self, missing: Sequence[Submission]) -> None:
        # A day early: the clocks of two machines need not agree.
        since = datetime.datetime.fromtimestamp(min(one.time for one in missing) - 86400).strftime("%Y-%m-%dT%H:%M:%S")
        fields = ("-X", "-n", "-P", "-a", "-S", since, "-o", "JobID,JobName,State,ExitCode")
        try:
            text = call("sacct", *fields, *_named(missing))
        except SlurmError as error:
            for one in missing:
                left = (task for task in range(len(one.tasks)) if (one.name, task) not in self.jobs)
                number = self.numbers.get(one.name)
                why = f"it is not in the queue, and accounting does not say how it ended ({error})"
                self.jobs |= {
                    (one.name, task): Job(UNKNOWN, why, f"{number}_{task}" if number else "") for task in left
                }
            return
        rows = (line.split("|") for line in text.splitlines())
        told = ("|".join([*row[0].split("_", 1), *row[1:]]) for row in rows if "_" in row[0] and "[" not in row[0])
        self._read("\n".join(told))

    def _read(self, text: str) -> None:
        """Take in lines of array|task|name|state|reason; what is known already stays."""
        names = {one.name: one for one in self.submissions}
        for line in text.splitlines():
            array, task, name, state, why = line.split("|", 4)
            one = names.get(name)
            if one is None or not task.isdecimal() or one.job not in (None, array):
                continue  # a number that another job has now, or had before
            self.numbers.setdefault(name, array)
            state = state.split()[0] if state.split() else UNKNOWN  # "CANCELLED by 1000"
            known = state in (*WAITING, *AT_WORK, *ENDED)
            job = Job(state if known else UNKNOWN, why if known else f"Slurm calls it {state}", f"{array}_{task}")
            self.jobs.setdefault((name, int(task)), job)


def _named(found: Sequence[Submission]) -> list[str]:
    return ["--name", ",".join(one.name for one in found)]


def remarks(states: dict[str, tuple[str, Job | None]], points: Iterable[Point]) -> list[str]:
    """Return what to do about the runs whose state is not known, a line for each reason."""
    reasons: dict[str, list[Point]] = {}
    for point in points:
        state, job = states[point.signature]
        if state == "unknown" and job is not None:
            reasons.setdefault(job.why, []).append(point)
    return [_advice(why, found, states[found[0].signature][1]) for why, found in reasons.items()]


def _advice(why: str, found: Sequence[Point], job: Job | None) -> str:
    numbers = ",".join(str(point.index) for point in found)
    which = f"run {numbers} is" if len(found) == 1 else f"runs {numbers} are"
    look = f" (sacct -j {job.number})" if job and job.number else ""
    return f"{which} unknown: {why}. Not submitted again until it is; if its job has ended{look}: --only {numbers}"
