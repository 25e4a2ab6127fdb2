"""The command line of `run.py`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from core import exit_codes as codes
from core.limits import PathName, control_character
from core.registry import nearest
from core.values import said

EPILOG = """\
Without --all, --only, --jobs, --gpus, --retry-failed, --deadline or --slurm, run.py asks for each parameter
that has several values and runs that point here. Finished points are never run again; stopped ones go on
where they were.
Exit code: 0 all done; 1 some failed; 2 a mistake in the command or the file; 75 stopped, run it to go on."""

NOT_ON_WANDB = (
    "only",
    "retry_failed",
    "list",
    "dry_run",
    "estimate",
    "verify",
    "repair",
    "failures",
    "best",
    "snapshot",
    "deadline",
    "cancel",
    "hold",
    "release",
)
MOST_JOBS = 1024  # a process each
NOT_WHEN_JOINING = ("set", "runs", "dir", "check")  # the sweep is as it was created
CONTROLS = ("cancel", "hold", "release")
AUTO = -1
EXCLUSIVE = {
    "wandb": NOT_ON_WANDB,
    "sweep": NOT_WHEN_JOINING,
    "slurm": ("gpus", *CONTROLS, "failures", "best"),
    "cancel": ("hold", "release"),
    "hold": ("release",),
}


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that name the nearest option."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        unknown = message.partition("unrecognized arguments: ")[2].partition(" ")[0].partition("=")[0]
        options = [name for action in self._actions for name in action.option_strings]
        near = nearest(unknown, options) if unknown else ""
        self.exit(codes.BAD_INPUT, f"run.py: {message}{near or '; run.py --help lists the options'}\n")


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line of run.py; a mistake is one line and exit code 2."""
    parser = Parser(
        prog="run.py",
        description="Run the experiments of a sweep file on this machine, on W&B agents or on a Slurm cluster.",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="a sweep file, such as sweeps/tuple_rnn.yaml")
    add(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="K=V",
        help="give options one value each, such as --set seed=1 tuple.mode=together",
    )
    add("--all", action="store_true", help="run every point that is not done")
    add("--only", type=_words, metavar="N", help="run these points, failed ones too: 3,5-7 (numbers as in --list)")
    add(
        "--jobs", type=_jobs, metavar="N", help="runs at a time; with --gpus: on each group (default 1); auto: as cores"
    )
    add("--gpus", metavar="G", help="groups of GPUs that work side by side: '0|1|2,3'")
    add("--retry-failed", action="store_true", help="run failed points again too")
    add("--deadline", type=_minutes, metavar="M", help="minutes that a run may take; then it saves and ends")
    add("--snapshot", action="store_true", help="run a copy of the code as it is now (--slurm always does)")
    add(
        "--slurm",
        nargs="?",
        const=" ",
        metavar="K=V,...",
        help="submit the points to Slurm: any options of sbatch, as in partition=gpu,time=240; @FILE reads them",
    )
    add("--per-job", type=_positive, default=1, metavar="N", help="with --slurm: so many points, in turn, in a job")
    for word in CONTROLS:
        add(f"--{word}", action="store_true", help=f"{word} the sweep's jobs on Slurm (or those of --only)")
    add("--failures", action="store_true", help="show why runs failed, and the last lines of each")
    add("--runs", type=_positive, metavar="N", help="at most so many points, instead of the file's run_cap")
    add("--wandb", action="store_true", help="create the sweep on W&B and start an agent for it in every slot")
    add("--sweep", type=_words, metavar="ID", help="join this sweep on W&B (ENTITY/PROJECT/ID) instead of creating one")
    add("--dir", type=_folder, metavar="DIR", help="folder of all results (default: runs, beside run.py)")
    add("--list", action="store_true", help="list the points with their states, and run nothing")
    add("--check", action="store_true", help="check the file and every point of it, and run nothing")
    add(
        "--best",
        nargs="?",
        type=_positive,
        const=10,
        metavar="N",
        help="show the N best points by metric: (10), and run nothing",
    )
    add("--verify", action="store_true", help="read every run again, say what is damaged or missing, and run nothing")
    add("--repair", action="store_true", help="as --verify, then do the damaged runs anew, and only them")
    add("--estimate", action="store_true", help="time some steps of the first point that is not done: hours per run")
    add(
        "--convert", action="store_true", help="print the sweep for a file of an original program (docs/moving-over.md)"
    )
    add("--dry-run", action="store_true", help="print the commands, and run nothing")
    args = parser.parse_args(list(argv))
    args.wandb = args.wandb or bool(args.sweep)
    for first, others in EXCLUSIVE.items():
        for name in others:
            if name == "runs" and args.slurm:
                continue  # how many agents to submit
            if getattr(args, first) and getattr(args, name):
                parser.error(f"--{name.replace('_', '-')} does not go with --{first}")
    if args.per_job > 1 and not args.slurm:
        parser.error("--per-job goes with --slurm")
    if args.slurm and args.jobs == AUTO:
        parser.error("--jobs auto is for this machine; with --slurm a number, or nothing for all at once")
    return args


def _jobs(text: str) -> int:
    return AUTO if text == "auto" else _few(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return minutes


def _positive(text: str) -> int:
    if not re.fullmatch("0*[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{said(text)!r} is not a whole number above 0{' and below 1e9' * (len(text) > 9)}"
        )
    return int(text)


def _few(text: str) -> int:
    if (number := _positive(text)) > MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{number} runs at a time are more than {MOST_JOBS}")
    return number


def _folder(text: str) -> str:
    if refusal := PathName().refusal(text) or ("is no path" if control_character(text) else ""):
        raise argparse.ArgumentTypeError(f"{said(text)!r} {refusal}")
    return text


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("needs a value; it is empty")
    return text
