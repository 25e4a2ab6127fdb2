"""The run store: a folder per run, named by its signature. It is the source of truth; everything else mirrors it.

<run.dir>/<run.sweep>/<signature>/
    options.yaml    format, task, signature, revision, sweep and every option by dotted name
    history.jsonl   one row per logged step       summary.json  last and final values
    status.json     state, stage, step            log.txt       what the run said
    checkpoints/    for resuming                  lock          held while a process runs it
    masks/<subnet>.npz  packed bits               arrays/<name>.npz  confusion counts, histograms
    tensors/<name>.npz  trained weights and scores
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from core.errors import StoreError
from core.files import TEMPORARY, write_atomic, write_json, write_npz
from core.option_groups import TaskOptions
from core.options import flatten, revisions, signature

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame
    from torch import Tensor

FORMAT = 1
STATES = ("todo", "running", "stopped", "failed", "done")


class Run:
    """One run's folder: `Run.create` to write, `Run.load` and `Run.query` to read.

    Attributes:
        folder: where it lies.
        task, sweep, signature: what it is.
        revision: see `core.options.revisions`; {} of the first.
        options: every option by dotted name.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        description = _read_description(self.folder)
        self.task: str = description["task"]
        self.sweep: str = description["sweep"]
        self.signature: str = description["signature"]
        self.revision: dict[str, int] = description.get("revision") or {}
        self.options: dict[str, Any] = {k: _tuples(v) for k, v in description["options"].items()}

    def __repr__(self) -> str:
        return f"Run({self.sweep}/{self.signature}, {self.task}, {self.state})"

    @classmethod
    def create(cls, options: TaskOptions) -> Run:
        """Make (or reopen) the folder of these options.

        Raises:
            StoreError: the folder cannot be written, or was written in another format.
        """
        folder = folder_of(options)
        if (folder / "options.yaml").exists():
            _read_description(folder)
        else:
            describe(folder, options)
        return cls(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Open an existing run for reading.

        Raises:
            StoreError: there is no run there, or it is of another format.
        """
        return cls(Path(folder))

    @classmethod
    def query(
        cls,
        root: str | Path = "runs",
        sweep: str | None = None,
        task: str | None = None,
        state: str | None = "done",
        **options: Any,
    ) -> list[Run]:
        """Return the runs under `root`, ordered by sweep and signature, that match everything given.

        Args:
            root: the folder of all results.
            sweep: only this sweep, e.g. "small/tuple_ff".
            task: only this task.
            state: only runs in this state; None for any.
            **options: dotted option name -> value, e.g. `**{"tuple.mode": "together"}`.
        """
        start = Path(root) / sweep if sweep else Path(root)
        runs = [cls(path.parent) for path in sorted(start.rglob("options.yaml"))]
        return [
            run
            for run in runs
            if (sweep is None or run.sweep == sweep)
            and (task is None or run.task == task)
            and (state is None or run.state == state)
            and all(name in run.options and run.options[name] == _tuples(v) for name, v in options.items())
        ]

    @classmethod
    def frame(cls, root: str | Path = "runs", **chosen: Any) -> DataFrame:
        """Return the runs that `query` finds as a table: a row per run, with sweep, signature, options and summary."""
        from pandas import DataFrame

        runs = cls.query(root, **chosen)
        return DataFrame([{"sweep": run.sweep, "signature": run.signature} | run.options | run.summary for run in runs])

    # reading

    def path(self, *parts: str) -> Path:
        """Return a path inside the run's folder."""
        return self.folder.joinpath(*parts)

    @property
    def state(self) -> str:
        """todo, running, stopped, failed or done."""
        return state_of(self.folder)

    @property
    def status(self) -> dict[str, Any]:
        """The last status written: state, stage, step, steps, seconds, error."""
        return read_status(self.folder)

    @property
    def summary(self) -> dict[str, Any]:
        """Last value of every logged key, and the results of the analyses."""
        path = self.path("summary.json")
        return json.loads(path.read_text()) if path.exists() else {}

    def history(self) -> list[dict[str, Any]]:
        """Return the logged rows in order; a half-written last row (a killed run) is left out."""
        path = self.path("history.jsonl")
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of `arrays/<name>.npz`.

        Raises:
            StoreError: there is no such file.
        """
        return self._read("arrays", name)

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """Return the tensors of `tensors/<name>.npz`.

        Raises:
            StoreError: there is no such file.
        """
        return self._read("tensors", name)

    def _read(self, folder: str, name: str) -> dict[str, np.ndarray]:
        import numpy as np

        path = self.path(folder, f"{name}.npz")
        if not path.exists():
            there = ", ".join(sorted(p.stem for p in path.parent.glob("*.npz"))) or "none"
            raise StoreError(f"{self.folder} has no {folder} {name!r}; there are: {there}")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)

    # writing

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the run while the block runs; gives False when another process holds it.

        What a killed process left half-written is removed.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path("lock"))
        try:
            lock.acquire(timeout=1)  # somebody who only asks whether it is held holds it for an instant
        except Timeout:
            yield False
            return
        try:
            for path in self.folder.rglob(f".*{TEMPORARY}"):
                path.unlink()
            yield True
        finally:
            lock.release()

    def write_status(self, state: str, **fields: Any) -> None:
        """Replace status.json; fields not given keep their last value."""
        status = read_status(self.folder) | fields
        status |= {"state": state, "pid": os.getpid(), "host": socket.gethostname(), "updated": time.time()}
        write_json(self.path("status.json"), status)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Replace summary.json."""
        write_json(self.path("summary.json"), summary)

    def write_arrays(self, name: str, **arrays: np.ndarray) -> None:
        """Write `arrays/<name>.npz`, results of an analysis; W&B gets them too."""
        self._write("arrays", name, arrays)

    def write_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write `tensors/<name>.npz`, what was trained: for other programs, and too large for W&B."""
        self._write("tensors", name, {k: tensor.detach().cpu().numpy() for k, tensor in tensors.items()})

    def _write(self, folder: str, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        write_npz(self.path(folder, f"{name}.npz"), arrays)


def folder_of(options: TaskOptions) -> Path:
    """Return where a run with these options lies."""
    return Path(options.run.dir) / options.run.sweep / signature(options)


def describe(folder: Path, options: TaskOptions) -> None:
    """Write options.yaml of a run with these options into a folder."""
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in flatten(options).items()}
    description = {
        "format": FORMAT,
        "task": options.task,
        "signature": signature(options),
        "revision": revisions(options),
        "sweep": options.run.sweep,
        "options": values,
    }
    write_atomic(folder / "options.yaml", yaml.safe_dump(description, sort_keys=False).encode())


def read_status(folder: Path) -> dict[str, Any]:
    """Return status.json of a run folder, or {} when the run never started."""
    path = Path(folder) / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def state_of(folder: Path) -> str:
    """Return the state of a run folder; "running" without a process holding its lock is "stopped"."""
    state = read_status(folder).get("state", "todo")
    return "stopped" if state == "running" and not is_locked(folder) else state


def is_locked(folder: Path) -> bool:
    """True when some process is running this run."""
    from filelock import FileLock, Timeout

    path = Path(folder) / "lock"
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / "options.yaml"
    try:
        description = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise StoreError(f"{folder} is not a run folder: it has no options.yaml") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read {path}: {str(error).splitlines()[0]}") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        raise StoreError(f"{folder} is of run format {found}; this program reads and writes format {FORMAT}")
    return description


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
