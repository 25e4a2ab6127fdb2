"""What was submitted to Slurm: a file for each array, written before sbatch is called.

<run.dir>/<sweep>/.slurm/<id>.json    its runs, its job's name, by whom, when, and the job's number once it is known
<run.dir>/<sweep>/.slurm/<id>/        what its tasks printed

Every job has a name of its own, so that it is found in the queue although its number was never written.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import StoreError, SweepError
from core.files import write_json
from launch.points import Point

FOLDER = ".slurm"
RUNS, AGENTS = "runs", "agents"


@dataclass(frozen=True)
class Submission:
    """An array of jobs.

    Attributes:
        path: its file.
        name: the job's name, which no other job has.
        kind: "runs", or "agents" of W&B.
        cluster: Slurm's name of the cluster.
        user, host: who submitted it, where.
        time: when, in seconds since 1970.
        tasks: the runs of each task of the array: index, signature, values.
        what: whatever the tasks need to know: see `launch.slurm.task`.
        job: Slurm's number of the array; None until sbatch has answered.
    """

    path: Path
    name: str
    kind: str
    cluster: str
    user: str
    host: str
    time: float
    tasks: list[list[dict[str, Any]]]
    what: dict[str, Any] = field(default_factory=dict)
    job: str | None = None

    @property
    def folder(self) -> Path:
        """Where its tasks print."""
        return self.path.with_suffix("")

    def write(self, job: str | None = None) -> Submission:
        """Write the file, with the number of the job where it is known now, and return what it says."""
        said = dataclasses.replace(self, job=job or self.job)
        write_json(said.path, {key: value for key, value in vars(said).items() if key != "path"})
        return said

    def forget(self) -> None:
        """Remove what was written: nothing was submitted."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)


def new(folder: Path, cluster: str, kind: str, tasks: list[list[dict[str, Any]]], what: dict[str, Any]) -> Submission:
    """Return a submission that is not written yet.

    Args:
        folder: of the sweep's results.
        cluster, kind, tasks, what: as of Submission.
    """
    identity = secrets.token_hex(4)
    name = f"{folder.name.replace(',', '_')[:40]}-{identity}"
    path = folder.resolve() / FOLDER / f"{identity}.json"
    return Submission(path, name, kind, cluster, getpass.getuser(), socket.gethostname(), time.time(), tasks, what)


def read(path: Path) -> Submission:
    """Read a submission.

    Raises:
        StoreError: the file cannot be read, or is none of ours.
    """
    try:
        return Submission(path=Path(path), **json.loads(Path(path).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"cannot read {path}: {error}") from None


def submissions(folder: Path) -> list[Submission]:
    """Return the submissions of a sweep, oldest first."""
    return sorted((read(path) for path in (Path(folder) / FOLDER).glob("*.json")), key=lambda one: one.time)


@contextmanager
def only_launcher(folder: Path) -> Iterator[None]:
    """Be the only one who submits runs of a sweep while the block runs.

    Raises:
        SweepError: another launcher is at it.
    """
    place = Path(folder) / FOLDER
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise SweepError(f"another run.py is submitting runs of {folder} at this moment; wait for it") from None
    except OSError as error:
        raise StoreError(f"cannot write {place}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def said_of(point: Point) -> dict[str, Any]:
    """Return what a submission says of a point."""
    return {"index": point.index, "signature": point.signature, "values": point.values, "varying": point.varying}


def latest(found: Iterable[Submission]) -> dict[str, tuple[Submission, int]]:
    """Return, by signature, the last submission of each run and the number of its task there."""
    return {
        run["signature"]: (one, number)
        for one in found if one.kind == RUNS
        for number, runs in enumerate(one.tasks)
        for run in runs
    }  # fmt: skip


def divided(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """Return the items in as few parts of at most `most` as there can be, all about as large as each other."""
    parts = -(-len(items) // most)
    bounds = [len(items) * part // parts for part in range(parts + 1)] if parts else []
    return [items[first:last] for first, last in zip(bounds, bounds[1:], strict=False)]
