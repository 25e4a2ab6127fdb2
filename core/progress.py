"""Progress output of a run: a tqdm bar per stage on a terminal, and plain lines in log.txt.

`main.py` also prints the plain lines when the output is not a terminal.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from core.store import Run

log = logging.getLogger("sieve")
STATUS_SECONDS = 2.0
PLAIN_SECONDS = 15.0


class Progress:
    """Shows steps, speed, time left and the latest numbers; keeps status.json up to date.

    Args:
        run: whose status.json to write.
        quiet: nothing on the terminal.
    """

    def __init__(self, run: Run, quiet: bool):
        self.run, self.quiet = run, quiet
        self.bar: tqdm | None = None
        self.stage, self.steps = "", 0
        self.began = time.monotonic()
        self.seconds_before = run.status.get("seconds", 0.0)
        self.written = self.plain = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def start(self, stage: str, step: int, steps: int) -> None:
        """Begin (or go on with) a stage."""
        self._close()
        self.stage, self.steps = stage, steps
        self.stage_began, self.stage_from = time.monotonic(), step
        self.plain = time.monotonic()
        self.last: dict[str, Any] = {}
        tty = sys.stderr.isatty() and not self.quiet
        self.bar = tqdm(total=steps, initial=step, desc=stage, unit="step", leave=True) if tty else None
        self._status(step)

    def step(self, step: int) -> None:
        """A step is done."""
        if self.bar is not None:
            self.bar.update(1)
        now = time.monotonic()
        if now - self.written >= STATUS_SECONDS or step == self.steps:
            self._status(step)
        if now - self.plain >= PLAIN_SECONDS or step == self.steps:
            self.plain = now
            rate = (step - self.stage_from) / max(now - self.stage_began, 1e-9)
            left = (self.steps - step) / rate if rate else 0
            numbers = " ".join(f"{k} {v:.4g}" for k, v in self.last.items())
            log.debug("%s %d/%d %s %.1f steps/s, %.0f s left", self.stage, step, self.steps, numbers, rate, left)

    def show(self, row: Mapping[str, float | None]) -> None:
        """New numbers: the loss, and the total accuracy when it was measured."""
        self.last = {
            name.rsplit("/accuracy/total", 1)[0]: value
            for name, value in row.items()
            if value is not None and (name == "loss" or name.endswith("accuracy/total"))
        }
        if self.bar is not None:
            self.bar.set_postfix({k: f"{v:.4g}" for k, v in self.last.items()}, refresh=False)

    def seconds(self) -> float:
        """Seconds of work so far, over all the times the run was started."""
        return self.seconds_before + time.monotonic() - self.began

    def _status(self, step: int) -> None:
        self.written = time.monotonic()
        self.run.write_status(
            "running", stage=self.stage, step=step, steps=self.steps, seconds=round(self.seconds(), 1), error=None
        )

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None
