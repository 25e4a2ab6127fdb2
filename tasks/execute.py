"""Executes one run: builds the task, runs its stages, and records how it ended."""

from __future__ import annotations

import logging
import os
import traceback

import torch

from core import exit_codes as code
from core.digests import seal
from core.errors import DamagedError, SieveError, StoreError
from core.fit import Stopped, fit
from core.malloc import keep_freed_memory
from core.option_groups import TaskOptions
from core.provenance import command_line, processor, record_environment
from core.results import append_result
from core.run_state import EARLY, is_to_end
from core.signals import Signals
from core.store import Run
from core.trackers import Mirrors
from tasks.registry import TASKS

log = logging.getLogger("sieve")


def execute(run: Run, options: TaskOptions, mirrors: Mirrors, signals: Signals) -> int:
    """Do a run, or go on with it, and return the exit code; every way it can end is in its status.json and log."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    keep_freed_memory()
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a module with a property
    log.info("%s %s in %s", run.task, run.signature, run.folder)
    try:
        task = TASKS[options.task](options, run, mirrors)
        record_environment(run.folder, device_name(task.device), torch.get_num_threads(), command_line())
        fit(task, run, options.seed, options.run, mirrors, signals)
        Run.load(run.folder)  # somebody may have removed it
        seal(run.folder)
        run.write_status("done")
        append_result(run)
        log.info("done: %s", run.folder)
        return code.DONE
    except (Stopped, KeyboardInterrupt) as signal:
        if is_to_end(run.folder):
            _record(run, "ended early")
            log.info("ended early by the search of its sweep (%s): %s", EARLY, run.folder)
            return code.DONE
        _record(run, "stopped")
        log.warning("stopped by %s; start it again to go on", str(signal) or "SIGINT")
        return code.RESUME
    except DamagedError as error:
        _record(run, "damaged", f"{error}; run.py FILE --repair does it anew")
        log.error("main.py: %s", error)
        return code.BAD_INPUT
    except SieveError as error:
        _record(run, "failed", str(error))
        log.error("main.py: %s", error)
        return code.BAD_INPUT
    except BaseException as error:
        _record(run, "failed", f"{type(error).__name__}: {error}")
        log.error("%s", traceback.format_exc())
        return code.FAILED


def _record(run: Run, state: str, error: str | None = None) -> None:
    """Write how a run ended; on a full disk there is only the log to say it."""
    try:
        run.write_status(state, **({} if error is None else {"error": error}))
    except StoreError as full:
        log.error("main.py: %s", full)


def device_name(device: torch.device) -> str:
    """Return the name of the processor or GPU that a run is done on."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
