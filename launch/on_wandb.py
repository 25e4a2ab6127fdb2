"""`run.py FILE --wandb`: a sweep on the W&B server, and agents for it on this machine."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from core import exit_codes as codes
from core.errors import SweepError
from launch.agents import Agents
from launch.console import Screen
from launch.points import Point
from launch.select_points import read_settings
from launch.slurm.launcher import agents_on_slurm, check_slurm
from launch.sweep import Sweep
from launch.wandb_client import create, look

SEEN_BY_WANDB = ("auto", "wandb", "all")  # values of --log


def run_on_wandb(
    args: Namespace, sweep: Sweep, points: Sequence[Point], slots: Sequence[str | None], root: Path, screen: Screen
) -> int:
    """Create the sweep, or join it, work on it in every slot (or submit agents to Slurm), and return the exit code.

    Args:
        args: the command line of run.py.
        sweep: the file.
        points: of the sweep, checked; some of them where it has no end.
        slots: an entry per agent: its CUDA_VISIBLE_DEVICES, or None.
        root: the toolkit's folder.
        screen: where to say how it goes.

    Raises:
        SweepError: the server refuses it or cannot be reached, or the runs would not show up there.
    """
    for point in points:
        if point.options.log not in SEEN_BY_WANDB:
            raise SweepError(f"{args.file}: log={point.options.log} keeps W&B empty; leave log out, or log=all")
    if args.slurm:
        check_slurm(args, points[0])  # before there is a sweep that nobody works on
    if args.sweep:
        found = look(args.sweep)
        if found["name"] not in (None, sweep.name):
            raise SweepError(f"--sweep {args.sweep} is the sweep {found['name']}, the file is {sweep.name}")
    else:
        found = create(sweep.config(read_settings(args.set), args.runs, args.dir))
    path = found["path"]
    folder = Path(found["dir"]) / sweep.name if found["dir"] else points[0].folder.parent
    screen.line(f"sweep {found['url']}\non any other machine: wandb agent --forward-signals {path}")
    if args.slurm:
        return agents_on_slurm(args, sweep, path, found["expected"], points[0], folder, root, screen)
    code = Agents(path, slots, folder, screen).run()
    if code == codes.RESUME:
        shared = [f"--{name}={value}" for name in ("jobs", "gpus") if (value := getattr(args, name))]
        screen.line(f"to go on: {shlex.join([sys.argv[0], args.file, '--wandb', '--sweep', path, *shared])}")
    if code == codes.FAILED:
        here = shlex.join([sys.argv[0], args.file, "--all", "--retry-failed", "--set", "log=wandb"])
        screen.line(f"W&B hands out no point twice; to do the rest here: {here}")
    return code
