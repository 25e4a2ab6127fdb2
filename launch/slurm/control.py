"""`--list`, `--failures`, `--cancel`, `--hold` and `--release` of what was submitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core import exit_codes as codes
from core.errors import SweepError
from launch.console import Screen
from launch.failure import failure_lines
from launch.points import Point, table
from launch.slurm import records
from launch.slurm.cluster import call, check_installed
from launch.slurm.queue import ACTIVE, AT_WORK, ENDED, HELD, NEVER, UNKNOWN, WAITING, Job, Queue, remarks

AT_ONCE = 500  # job numbers on a command line
COMMANDS = {"cancel": ["scancel"], "hold": ["scontrol", "hold"], "release": ["scontrol", "release"]}


def listing(points: Sequence[Point]) -> list[str] | None:
    """Return the table of a sweep that was submitted, with the job of each run, and remarks; None if none was."""
    found = submitted(points)
    if not found:
        return None
    queue = Queue(found)
    states = queue.states(points)
    jobs = {signature: _said(job) for signature, (_, job) in states.items()}
    lines = table(points, {signature: state for signature, (state, _) in states.items()}, {"job": jobs})
    for one in (one for one in found if one.kind == records.AGENTS):
        counts = Counter(queue.of(one, task).state for task in range(len(one.tasks)))
        words = ", ".join(f"{number} {state}" for state, number in counts.most_common())
        lines.append(f"agents of {one.what['path']} (job {queue.numbers.get(one.name, '?')}): {words}")
    return [*lines, *remarks(states, points)]


def failures(points: Sequence[Point]) -> list[str]:
    """Return for each failed run why it failed and its last lines; of one that left no record, those of its job."""
    found = submitted(points)
    states, tasks = Queue(found).states(points), records.latest(found)
    lines: list[str] = []
    for point in points:
        state, job = states[point.signature]
        if state != "failed":
            continue
        output = None
        if point.state != "failed" and job is not None:
            output = tasks[point.signature][0].folder / f"{job.number}_0_log.out"
        lines += failure_lines(point, output, f"its job {_said(job)}" if output else "")
    return lines or ["no failed runs"]


def check_not_queued(points: Sequence[Point]) -> None:
    """Raise SweepError where Slurm has jobs for some of the points, or may have: they would be run twice."""
    found = submitted(points)
    states = Queue(found).states(points)
    busy = [job for state, job in states.values() if job is not None and state in (*ACTIVE, "unknown")]
    if busy:
        raise SweepError(
            f"Slurm has {len(busy)} of these runs ({busy[0].number} {busy[0].state}; --list shows all), submitted by "
            f"{found[-1].user} on {found[-1].host}: wait, or --cancel them; --only N does a run here all the same"
        )


def submitted(points: Sequence[Point]) -> list[records.Submission]:
    """Return what was submitted of the sweep that points belong to, oldest first."""
    return [one for folder in sorted({point.folder.parent for point in points}) for one in records.submissions(folder)]


def control(what: str, points: Sequence[Point], every: bool, screen: Screen) -> int:
    """Cancel, hold or release the jobs of some points.

    A job is only touched when the queue has it under the name that it was submitted with.

    Args:
        what: "cancel", "hold" or "release".
        points: whose jobs.
        every: these are all points of the sweep, so that its agents are meant too.
        screen: where to say what was done.

    Raises:
        SweepError: nothing was submitted, Slurm does not answer, or a job does runs that are not among the points.
    """
    check_installed()
    found = submitted(points)
    if not found:
        raise SweepError(f"nothing of {points[0].folder.parent} was submitted to Slurm")
    queue = Queue(found)
    if queue.silent:
        raise SweepError(queue.silent)
    chosen = {point.signature for point in points}
    numbers: list[str] = []
    for one in found:
        for task, runs in enumerate(one.tasks):
            job = queue.of(one, task)
            mine = {run["signature"] for run in runs} & chosen
            if not (mine or (every and one.kind == records.AGENTS)) or job.state not in _applies(what):
                continue
            if what == "release" and not {job.state, job.why} & {*HELD}:
                continue
            others = [str(run["index"]) for run in runs if run["signature"] not in chosen]
            if others:
                raise SweepError(f"job {job.number} does run {', '.join(others)} too; name them with --only as well")
            numbers.append(job.number)
    for first in range(0, len(numbers), AT_ONCE):
        part = numbers[first : first + AT_ONCE]
        call(*COMMANDS[what], *(part if what == "cancel" else [",".join(part)]))
    screen.line(f"{what}: {len(numbers)} jobs" + (f" ({numbers[0]} ... {numbers[-1]})" if numbers else ""))
    return codes.DONE


def _applies(what: str) -> tuple[str, ...]:
    return (*WAITING, *AT_WORK) if what == "cancel" else WAITING


def _said(job: Job | None) -> str:
    if job is None or job.state == NEVER:
        return ""
    ended = job.state in ENDED and job.why in ("", "None", "0:0")
    why = "" if job.state == UNKNOWN or ended or job.why in ("", "None") else f" ({job.why})"
    return f"{job.number} {job.state}{why}".strip()
