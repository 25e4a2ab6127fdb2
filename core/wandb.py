"""Weights & Biases as a mirror: under an agent, by hand, offline (WANDB_MODE=offline) or disabled.

Row number n of the history is W&B's `_step` 2n, images and histograms of the stage that ends there are 2n + 1. So a run
that is resumed, or mirrored long after it finished, sends exactly the rows that W&B does not have yet. The training
step is the key `step`, which W&B draws along the x axis.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import wandb

from core import exit_codes as codes
from core.errors import OptionError
from core.files import write_json
from core.trackers import PROJECT
from core.values import said

if TYPE_CHECKING:
    import numpy as np

    from core.store import Run

log = logging.getLogger("sieve")
FILES = ("summary.json", "environment.json", "masks/*.npz", "arrays/*.npz")
# What W&B says of a wrong key, a project that is not ours or a deleted run; anything else is silence
ANSWER = re.compile(r"error 4\d\d|not logged in|permission|not found", re.IGNORECASE)
# Unless the environment says otherwise (WANDB_FINISH_TIMEOUT=...). W&B's own would lose the rows of the last 15 seconds
# before a SIGKILL, wait for ever at the end of a run for a server that is gone, and link to files that may move.
SETTINGS: dict[str, Any] = {
    "x_transaction_log_flush_interval": 1,
    "x_file_stream_transmit_interval": 5,
    "init_timeout": 60,
    "finish_timeout": 60,
    "finish_timeout_raises": True,
    "symlink": False,
}


class WandB:
    """See core.trackers.Tracker. Its files are in the run's wandb/ folder; wandb.json identifies the run."""

    @staticmethod
    def check() -> None:
        """Raise OptionError if not logged in."""
        try:
            if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False, verify=False):
                raise OptionError("log=wandb needs an account: wandb login; or WANDB_MODE=offline, or log=tb")
        except wandb.errors.AuthenticationError as error:
            raise OptionError(f"log=wandb: {' '.join(str(error).split())}; wandb login asks for the key") from None
        except (ValueError, wandb.errors.UsageError) as error:  # a WANDB_... variable, or its settings file
            raise OptionError(f"log=wandb: {mistake(error)}") from None

    def __init__(self, run: Run):
        self.run, self.rows = run, 0
        self.sent: set[tuple[str, int]] = set()
        self.media: dict[str, Any] = {}
        self.mirror = _init(run)
        self.mirror.define_metric("*", step_metric="step")
        for row in run.history():
            self.row(row)

    def row(self, row: dict[str, Any]) -> None:
        which = (row["stage"], row["step"])
        if which in self.sent:
            return  # taken again after a kill, with the same result
        self._log(row, 2 * self.rows)
        self.rows += 1
        self.sent.add(which)

    def results(self, numbers: Mapping[str, float], step: int) -> None:
        self.mirror.summary.update(dict(numbers))
        if self.media:
            self._log(self.media, 2 * self.rows - 1)
            self.media = {}

    def histogram(self, name: str, values: np.ndarray) -> None:
        self.media[name] = wandb.Histogram(values)  # type: ignore[arg-type]  # which takes whatever np.histogram does

    def image(self, name: str, pixels: np.ndarray) -> None:
        self.media[name] = wandb.Image(pixels)

    def close(self, code: int) -> None:
        self.mirror.summary.update(self.run.summary)
        folder = str(self.run.folder.resolve())
        for pattern in FILES:
            self.mirror.save(os.path.join(glob.escape(folder), pattern), folder, policy="now")
        if code == codes.RESUME:
            self.mirror.mark_preempting()  # the sweep hands the run out again
        try:
            self.mirror.finish(exit_code=code)
        except TimeoutError:
            folder = self.mirror.settings.sync_dir
            log.warning("W&B did not take everything in time; later: wandb sync --include-online %s", folder)

    def _log(self, values: dict[str, Any], index: int) -> None:
        if index >= self.mirror.starting_step:
            self.mirror.log(values, step=index, commit=True)


def mistake(error: Exception) -> str:
    """Return in one line what is wrong with W&B's settings, which come from WANDB_... variables and its own files."""
    if hasattr(error, "errors"):  # pydantic's list of them
        first = error.errors()[0]
        name = "WANDB_" + "_".join(str(part) for part in first["loc"]).upper()
        return f"{name}={said(first.get('input'))}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return said(" ".join(str(error).split()))


def refused(text: str) -> None:
    """Tell the sweep on W&B why a run could not begin; without this it would wait there, with nothing to read."""
    try:
        with wandb.init(resume="allow", settings=wandb.Settings(silent=True)) as mirror:
            mirror.summary["error"] = text
            mirror.finish(exit_code=codes.BAD_INPUT)
    except Exception as error:  # the user has the text on the screen
        log.debug("W&B was not told: %s", error)


def config_of(run: Run) -> dict[str, Any]:
    """Return what W&B is told of a run's options; main.py takes all of it back, as of a run that is requeued."""
    own = {"signature": run.signature, "revision": run.revision}
    return {name: _sent(value) for name, value in run.options.items()} | own


def _sent(value: Any) -> Any:
    """Return the value of an option as W&B keeps it unharmed: a whole number beyond 2^53 is no number of JSON."""
    if isinstance(value, tuple):
        return [_sent(item) for item in value]
    return str(value) if isinstance(value, int) and abs(value) > 2**53 else value


def _init(run: Run) -> wandb.Run:
    ours = {name: value for name, value in SETTINGS.items() if f"WANDB_{name.upper()}" not in os.environ}
    record = run.path("wandb.json")
    settings: dict[str, Any] = {
        "dir": str(run.folder.resolve()),
        "resume": "allow",
        "group": run.sweep,
        "name": f"{run.sweep}/{run.signature}",
        "tags": [run.task, str(run.options.get("mask.method", "no mask"))],
        "config": config_of(run),
        "settings": wandb.Settings(silent=bool(run.options.get("run.quiet")), **ours),
    }
    if "WANDB_SWEEP_ID" not in os.environ:  # an agent has chosen id and project already
        known = json.loads(record.read_text()) if record.exists() else {}
        settings["project"] = os.environ.get("WANDB_PROJECT") or known.get("project", PROJECT)
        if known.get("project") == settings["project"]:
            settings |= {"id": known["id"], "entity": os.environ.get("WANDB_ENTITY") or known["entity"] or None}
    try:
        mirror = wandb.init(**settings)
    except wandb.errors.CommError as error:
        why = str(error).splitlines()[0]
        if ANSWER.search(why):
            raise OptionError(f"log=wandb: W&B says: {why}; wandb login, WANDB_PROJECT, or log=tb") from None
        log.warning("W&B cannot be reached (%s); its run is kept here for wandb sync", why)
        mirror = wandb.init(**settings, mode="offline")
    if mirror.disabled:
        return mirror
    write_json(record, {"id": mirror.id, "entity": mirror.entity, "project": mirror.project})
    log.info("W&B: %s", mirror.settings.sync_dir if mirror.offline else mirror.url)
    return mirror
