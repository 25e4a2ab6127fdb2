"""Submitting: arrays of tasks, each with the runs that one job does, written down before sbatch is called.

submitit writes the batch scripts and calls sbatch. What a task runs is `launch.slurm.task`, and not a pickled function:
a task needs then nothing that a launcher killed after sbatch would still have to put in place.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.slurm.slurm import SlurmExecutor

from launch.slurm import records
from launch.slurm.cluster import SlurmError, largest_array, leaving_a_job, partitions, words
from launch.slurm.queue import UNKNOWN, Queue
from launch.slurm.records import Submission
from launch.slurm.settings import Settings

# A controller that was too busy to answer may have taken the job all the same.
PERHAPS = re.compile(r"timed out|timeout|communicat|unable to contact|connection|zero bytes", re.I)


class _Executor(SlurmExecutor):
    """submitit's, with a command of ours.

    Args:
        one: what is submitted.
        settings: what `--slurm` says.
        jobs: tasks at a time.
        code: the copy of the code that runs.
        after: the array that must have ended before, or None.
    """

    def __init__(self, one: Submission, settings: Settings, jobs: int, code: Path, after: str | None):
        super().__init__(one.folder)
        self.one = one
        given = dict(settings.sbatch)
        if after:
            given["dependency"] = ",".join(filter(None, [given.get("dependency"), f"afterany:{after}"]))
        cpus = given.get("cpus_per_task")
        more = {"requeue": True, "signal": f"USR2@{settings.saving}"} | given
        if "no_requeue" in given:
            del more["requeue"]
        self.update_parameters(
            time=None,  # the partition's own, and not submitit's five minutes
            wckey=None,
            nodes=1,
            ntasks_per_node=1,
            job_name=one.name,
            array_parallelism=jobs,
            stderr_to_stdout=True,
            setup=[f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}"],
            srun_args=[f"--cpus-per-task={cpus}"] if cpus else None,  # since 22.05 srun does not take it from sbatch
            additional_parameters=more,  # all of the user's: names that mean something to submitit mean nothing here
        )
        self.parameters["map_count"] = len(one.tasks)

    def submit_tasks(self) -> str:
        """Call sbatch, and return the number of the array."""
        # -P: the code is the copy's, and not what lies where run.py was started
        python = [sys.executable, "-u", "-P", "-m", "launch.slurm.task", str(self.one.path)]
        # A signal to save that comes before Python listens must not end the task.
        return self._submit_command(shlex.join(["sh", "-c", "trap '' USR2; exec \"$@\"", "sh", *python])).job_id


def submit(
    folder: Path,
    kind: str,
    tasks: Sequence[list[dict[str, Any]]],
    what: Mapping[str, Any],
    settings: Settings,
    jobs: int,
    cluster: str,
) -> list[Submission]:
    """Submit tasks as arrays, below the cluster's limit of tasks in one, and return what was submitted.

    An array begins when the one before it has ended, so that never more than `jobs` tasks run at a time.

    Args:
        folder: of the sweep's results.
        kind: "runs" or "agents".
        tasks: the runs of each task.
        what: what tasks need to know; "code" is the copy of the code that they run.
        settings: what `--slurm` says.
        jobs: tasks at a time.
        cluster: Slurm's name of it.

    Raises:
        SlurmError: sbatch refuses it, or its answer did not come.
    """
    done: list[Submission] = []
    for part in records.divided(tasks, largest_array()):
        one = records.new(folder, cluster, kind, list(part), {**what, "saving": settings.saving})
        one.folder.mkdir(parents=True, exist_ok=True)
        one.write()
        try:
            job = _sbatch(_Executor(one, settings, jobs, Path(what["code"]), done[-1].job if done else None))
        except SlurmError as error:
            before = f"; before that {sum(len(each.tasks) for each in done)} of {len(tasks)} jobs were submitted"
            raise SlurmError(f"{_refusal(one, error)}{before if done else ''}") from None
        done.append(one.write(job))
    return done


def _sbatch(executor: _Executor) -> str:
    try:
        # submitit prints what sbatch complained about, and raises it
        with leaving_a_job(), contextlib.redirect_stderr(io.StringIO()):
            return executor.submit_tasks()
    except (FailedJobError, FailedSubmissionError) as error:
        raise SlurmError(f"sbatch: {words(str(error))}") from None


def _refusal(one: Submission, error: SlurmError) -> str:
    """Return what to say about a submission that failed; its record is removed where nothing was submitted."""
    text = str(error)
    if PERHAPS.search(text):
        job = Queue([one]).of(one, 0)
        if job.number or job.state == UNKNOWN:
            return f"{text}; whether the jobs were submitted shows in a minute: --list"
    one.forget()
    if "partition" in text.lower():
        text += f"; there are {', '.join(sorted(name for name in partitions() if name))}"
    return text
