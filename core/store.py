"""The run store: a folder per run, named by its signature. It is the source of truth; everything else mirrors it.

<run.dir>/<run.sweep>/<signature>/
    options.yaml    format, task, signature, revision, sweep and every option by dotted name
    history.jsonl   one row per logged step       summary.json  last and final values
    status.json     state, stage, step            log.txt       what the run said
    digests.json    of a finished run: size and sha256 of its results
    checkpoints/    for resuming                  lock          held while a process runs it
    masks/<subnet>.npz  packed bits               arrays/<name>.npz  confusion counts, histograms
    tensors/<name>.npz  trained weights and scores
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.description import describe as describe
from core.description import other_than as other_than
from core.description import read_description
from core.errors import DamagedError, StoreError
from core.files import TEMPORARY, write_json, write_npz
from core.history import rows_of
from core.locks import hold
from core.npz import Unreadable, read_npz
from core.option_groups import TaskOptions
from core.options import signature
from core.run_state import is_locked as is_locked
from core.run_state import mapping, read_status, state_of

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame
    from torch import Tensor

log = logging.getLogger("sieve")


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
        description = read_description(self.folder)
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
            StoreError: the folder cannot be written, was written in another format, or is of other options.
        """
        folder = folder_of(options)
        if not (folder / "options.yaml").exists():
            describe(folder, options)
        run = cls(folder)
        if why := other_than(run, options):
            raise DamagedError(
                f"{folder / 'options.yaml'} is damaged: {why}; run.py FILE --repair, or remove the folder"
            )
        return run

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
        runs = readable(sorted(start.rglob("options.yaml")))
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
        """One of STATES."""
        return state_of(self.folder)

    @property
    def status(self) -> dict[str, Any]:
        """The last status written: state, stage, step, steps, seconds, error."""
        return read_status(self.folder)

    @property
    def summary(self) -> dict[str, Any]:
        """Last value of every logged key, and the results of the analyses.

        Raises:
            DamagedError: summary.json is no JSON mapping.
        """
        return mapping(self.path("summary.json"))

    def history(self) -> list[dict[str, Any]]:
        """Return the logged rows in order; a half-written last row (a killed run) is left out.

        Raises:
            DamagedError: another row is no row.
        """
        path = self.path("history.jsonl")
        return rows_of(path.read_bytes(), path) if path.exists() else []

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

    def packed(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of `masks/<name>.npz` as they are packed; `masks.algebra.Masks.load` reads masks.

        Raises:
            StoreError: there is no such file.
        """
        return self._read("masks", name)

    def _read(self, folder: str, name: str) -> dict[str, np.ndarray]:
        path = self.path(folder, f"{name}.npz")
        if not path.exists():
            there = ", ".join(sorted(p.stem for p in path.parent.glob("*.npz"))) or "none"
            raise StoreError(f"{self.folder} has no {folder} {name!r}; there are: {there}")
        try:
            return read_npz(path)
        except Unreadable as error:
            raise DamagedError(f"{path} is damaged: it {error}") from None

    # writing

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the run while the block runs; gives False when another process holds it.

        What a killed process left half-written is removed.

        Raises:
            StoreError: it cannot be locked here.
        """
        with hold(self.path("lock"), patience=1) as mine:  # somebody may ask for an instant whether it is held
            if mine:
                for path in self.folder.rglob(f".*{TEMPORARY}"):
                    path.unlink()
            yield mine

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


def readable(descriptions: Iterable[Path]) -> list[Run]:
    """Return the runs of these options.yaml; one that cannot be read is named in a warning and left out."""
    runs = []
    for path in descriptions:
        try:
            runs.append(Run.load(path.parent))
        except StoreError as error:
            log.warning("left out: %s", error)
    return runs


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
