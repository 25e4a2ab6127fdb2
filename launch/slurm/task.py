"""What a task of a submission does on its node: its runs, one after the other, each a process of its own.

python -P -m launch.slurm.task SUBMISSION.json

It is asked to stop in two ways. SIGUSR2 comes before the time limit: the runs save, and the task puts itself back into
the queue, under the same number. SIGTERM comes from scancel, or from a preemption that puts it back without our help.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core import exit_codes as codes
from core.errors import SieveError, StoreError
from core.store import folder_of
from launch.agents import CLIENT
from launch.console import Screen
from launch.gpu_slots import environment
from launch.points import Point
from launch.pool import Pool
from launch.process import Child, Interrupts
from launch.slurm import records
from launch.slurm.records import Submission
from tasks.options import resolve

FRUITLESS = 3  # starts without a step until the time limit, after which more will not help
SAVING_SHARE = 0.7  # of the time until the end of the job; the rest is for leaving


def main(argv: Sequence[str]) -> int:
    """Do the task and return its exit code: 0 unless a run failed."""
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)  # ignored until now, for this very moment
    one = records.read(Path(argv[0]))
    number = int(os.environ["SLURM_ARRAY_TASK_ID"])
    again = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    cores = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    if cores:
        os.environ.setdefault("OMP_NUM_THREADS", cores)
    print(f"{one.name} task {number} on {node}, start {again + 1}", flush=True)
    with Interrupts(SAVING_SHARE * one.what["saving"], patient=True) as interrupts:
        code, left = _agent(one, interrupts) if one.kind == records.AGENTS else _runs(one, number, again, interrupts)
        if left and signal.SIGUSR2 in interrupts.received:
            return _requeue()
    return codes.FAILED if code == codes.FAILED else codes.DONE


def _runs(one: Submission, number: int, again: int, interrupts: Interrupts) -> tuple[int, bool]:
    """Do the runs of a task; return how the pool ended, and whether there is something left that may go on."""
    points, what = [_point(one, run) for run in one.tasks[number]], one.what
    program, screen = Path(what["code"]) / what["program"], Screen(sys.stdout)
    pool = Pool(program, [None], screen, interrupts.grace, what["deadline"], patient=True)
    before = _progress(points)
    # What failed in an earlier start of this very job is not tried for ever.
    code = codes.RESUME if interrupts.count else pool.run(points, retry=what["retry"] and not again)
    interrupts.received |= pool.interrupts.received
    left = code == codes.RESUME and any(point.state in ("todo", "stopped") for point in points)
    fruitless = one.folder / f"{number}.fruitless"
    if _progress(points) != before:
        fruitless.unlink(missing_ok=True)
    elif left and signal.SIGUSR2 in interrupts.received and _counted(fruitless) >= FRUITLESS:
        print(f"not one step in {FRUITLESS} times the time limit: not put back into the queue", flush=True)
        return codes.FAILED, False
    return code, left


def _point(one: Submission, run: dict) -> Point:
    values = run["values"]
    options = resolve(values | {"run.sweep": one.what["sweep"], "run.dir": one.what["dir"]})
    folder = folder_of(options)
    if folder.name != run["signature"]:
        raise StoreError(f"run {run['index']} was submitted as {run['signature']}, and is {folder.name} for this code")
    return Point(run["index"], values, options, folder.name, folder, tuple(run["varying"]))


def _progress(points: Sequence[Point]) -> list[str]:
    """Return how far the runs are: stage and step of the newest checkpoint of each."""
    names = ([path.name for path in point.folder.glob("checkpoints/*-*-*.pt")] for point in points)
    return [max(found, default="")[: len("00-00000000")] for found in names]


def _counted(file: Path) -> int:
    """Count once more, in a file, and return how often that was."""
    with open(file, "a") as stream:
        return stream.write("x") and stream.tell()


def _agent(one: Submission, interrupts: Interrupts) -> tuple[int, bool]:
    """Let a W&B agent do a run (or several); return its exit code and whether it was stopped on the way."""
    what = one.what
    count = ["--count", str(what["count"])]
    command = [*CLIENT, "agent", "--forward-signals", "--term-timeout", f"{interrupts.grace:.0f}", *count, what["path"]]
    env = environment(None, 1)
    # The agent starts "python", and keeps its notes where it is told to.
    env |= {"PATH": f"{Path(sys.executable).parent}:{env.get('PATH', os.defpath)}", "WANDB_DIR": what["wandb_dir"]}
    child = Child(command, cwd=what["place"], env=env, stdin=subprocess.DEVNULL)
    told = False
    while (code := child.code()) is None:
        if interrupts.count and not told:
            told = True
            child.send(signal.SIGTERM)  # forwarded to the run
        if interrupts.enough:
            child.send(signal.SIGKILL)
        time.sleep(0.1)
    child.send(signal.SIGKILL)
    return code, told


def _requeue() -> int:
    job = os.environ["SLURM_JOB_ID"]
    ended = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
    if ended.returncode:
        print(f"it cannot be put back into the queue: {ended.stderr.strip()}", flush=True)
    else:
        print("saved, and back in the queue", flush=True)
    return codes.DONE


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SieveError as error:
        sys.exit(f"launch.slurm.task: {error}")
