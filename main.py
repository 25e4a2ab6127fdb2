#!/usr/bin/env python3
"""Run one experiment: parse its options, build its task, run its stages. `--task=X --help` shows X's options."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from core import exit_codes as code
from core.errors import OptionError, SieveError
from core.logs import start_log
from core.option_help import print_help
from core.options import read_arguments
from core.run_state import OVER, damage, is_to_end
from core.signals import Signals
from core.store import Run
from core.trackers import Mirrors, check, trackers_of
from tasks.options import is_drawn, options_class
from tasks.registry import OPTIONS
from tasks.start import start

log = logging.getLogger("sieve")


def main(arguments: list[str]) -> int:
    """Run the experiment the arguments describe and return the exit code."""
    try:
        values = read_arguments(arguments)
        if "help" in values or "h" in values or not values:
            if "WANDB_SWEEP_ID" in os.environ:
                raise OptionError("a W&B agent gave no options of a run; command: of the sweep needs ${args}")
            return show_help(values)
        options = start(values, by_agent="WANDB_SWEEP_ID" in os.environ)
        check(options.log)
        run = Run.create(options)
    except SieveError as error:
        print(f"main.py: {error}", file=sys.stderr)
        if "WANDB_SWEEP_ID" in os.environ:
            from core.wandb import refused

            refused(str(error))
        return code.BAD_INPUT
    trackers = trackers_of(options.log)
    if is_drawn(values.get("seed")):
        print(f"seed={options.seed}, drawn from the system: {run.folder}")
    try:
        if run.state in OVER and "wandb" not in trackers:  # which needs no right to write
            print(f"already {run.state}: {run.folder}")
            return code.DONE
        if run.state == "damaged" and (why := damage(run.folder)):
            raise OptionError(f"{run.folder}: {why}; run.py FILE --repair does it anew")
        with run.locked() as mine:
            if not mine:
                print(f"main.py: {run.folder} is being run by another process", file=sys.stderr)
                return code.BUSY
            start_log(run.path("log.txt"), options.run.quiet)
            return go_on(run, options, trackers)
    except SieveError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return code.BAD_INPUT


def go_on(run: Run, options: Any, trackers: tuple[str, ...]) -> int:
    """Do a run that is held, or mirror one that is done, and return the exit code."""
    early = is_to_end(run.folder) and run.state != "done"
    done = early or run.state == "done"
    if done:
        print(f"already {'ended early' if early else 'done'}: {run.folder}")
        trackers = tuple(name for name in trackers if name == "wandb")  # may lack it: done without, or elsewhere
    with Signals() as signals:
        try:
            mirrors = Mirrors(trackers, run)
        except SieveError as error:
            log.error("main.py: %s", error)
            return code.BAD_INPUT
        ended = code.DONE
        if not done:
            from tasks.execute import execute  # torch: two seconds that an answer to a mistake need not take

            ended = execute(run, options, mirrors, signals)
        mirrors.close(ended)
    return ended


def show_help(values: dict[str, str]) -> int:
    """Print the options of a task, or the tasks."""
    if "task" in values:
        cls = options_class(values["task"], values.get("mask.method"))
        print_help(cls, f"main.py --task={values['task']}")
        return code.DONE
    usage = "usage: main.py --task=TASK [--option=value ...]\n       main.py --repeat=RUN_FOLDER [--run.dir=DIR]"
    print(__doc__, f"{usage}\ntasks: {', '.join(OPTIONS)}", sep="\n\n")
    return code.DONE


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(code.RESUME)
