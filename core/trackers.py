"""Mirrors of the run store: services that display a run in progress. A mirror that fails never stops a run.

A tracker has the methods of `Tracker`; a new one is a file and a name in `TRACKERS`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import OptionError, SieveError
from core.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from core.store import Run

log = logging.getLogger("sieve")
PROJECT = "sieve"  # on W&B, unless WANDB_PROJECT or the sweep file says otherwise


class Tracker(Protocol):
    """The interface of a tracker. It is constructed with the run it mirrors, which may already have rows."""

    @staticmethod
    def check() -> None:
        """Raise a SieveError when it cannot be used here; called before anything starts."""

    def __init__(self, run: Run) -> None: ...

    def row(self, row: dict[str, Any]) -> None:
        """Show a row of the history, `step` and `stage` among its keys; a resumed run may repeat some."""

    def results(self, numbers: Mapping[str, float], step: int) -> None:
        """Show what the end of a stage measured, after `step` steps in all."""

    def histogram(self, name: str, values: np.ndarray) -> None:
        """Show a distribution."""

    def image(self, name: str, pixels: np.ndarray) -> None:
        """Show a grey picture: [height, width] uint8, 255 is white."""

    def close(self, code: int) -> None:
        """Flush and end; `code` is the exit code of the run (core.exit_codes)."""


TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker", {"tb": "core.tensorboard:TensorBoard", "wandb": "core.wandb:WandB"}
)


class Mirrors:
    """The trackers of one run. When one fails, the failure is logged and the tracker is dropped.

    Args:
        names: keys of `TRACKERS`; what `--log` stands for is `trackers_of`.
        run: what to mirror.

    Raises:
        SieveError: a tracker cannot be used as it was asked for (no account, say).
    """

    def __init__(self, names: tuple[str, ...], run: Run):
        self.trackers: dict[str, Tracker] = {}
        for name in names:
            with self._guarded(name):
                self.trackers[name] = TRACKERS[name](run)

    def row(self, row: dict[str, Any]) -> None:
        """Mirror a row of the history; what could not be measured (None) is left out."""
        self._each("row", _measured(row))

    def results(self, numbers: Mapping[str, float | None], step: int) -> None:
        """Mirror what the end of a stage measured."""
        self._each("results", _measured(numbers), step)

    def histogram(self, name: str, values: np.ndarray) -> None:
        """Mirror a distribution."""
        self._each("histogram", name, values)

    def image(self, name: str, pixels: np.ndarray) -> None:
        """Mirror a grey picture."""
        self._each("image", name, pixels)

    def close(self, code: int) -> None:
        """Flush and end every mirror."""
        self._each("close", code)

    def _each(self, method: str, *arguments: Any) -> None:
        for name, tracker in list(self.trackers.items()):
            with self._guarded(name):
                getattr(tracker, method)(*arguments)

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        try:
            yield
        except SieveError:  # the user's to mend
            raise
        except Exception as error:  # whatever a mirror does, the run goes on
            log.warning("the %s mirror failed and is off from here on: %s", name, error)
            self.trackers.pop(name, None)


def _measured(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in numbers.items() if value is not None}


def trackers_of(log: str) -> tuple[str, ...]:
    """Return the trackers that `--log` stands for; `auto` is wandb under a W&B agent, elsewhere tb."""
    if log == "auto":
        log = "wandb" if "WANDB_SWEEP_ID" in os.environ else "tb"
    return {"none": (), "all": tuple(TRACKERS)}.get(log, (log,))


def check(log: str) -> None:
    """Raise a SieveError when what `--log` asks for cannot be used here."""
    for name in trackers_of(log):
        try:
            TRACKERS[name].check()
        except ModuleNotFoundError as missing:
            raise OptionError(f"log={log} needs the package {missing.name}; once: make test") from None
