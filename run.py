#!/usr/bin/env python3
"""Run the experiments of a sweep file, one that it asks for, some, or all, here or on a cluster. See --help."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

try:
    from core import exit_codes as codes
    from core.errors import SieveError
    from core.trackers import check
    from launch.arguments import AUTO, CONTROLS, read_arguments
    from launch.as_agents_do import agent_lines
    from launch.console import Screen
    from launch.convert.convert import convert
    from launch.foreground import run_here
    from launch.gpu_slots import jobs_here, read_slots
    from launch.metric import check_metrics
    from launch.on_wandb import run_on_wandb
    from launch.points import Point, remarks, table
    from launch.pool import Pool
    from launch.search.trials import Trials, best, early_remarks, rule_of
    from launch.select_points import ask, examples, only, read_settings, select
    from launch.slurm.control import check_not_queued, control, failures, listing
    from launch.slurm.launcher import run_on_slurm
    from launch.snapshot import snapshot
    from launch.sweep import Sweep
    from launch.verify import repair, verify
    from tasks.options import resolve
except ModuleNotFoundError as missing:
    print(f"run.py: no {missing.name} in this Python; after make test: . .venv/bin/activate", file=sys.stderr)
    sys.exit(2)

ROOT = Path(__file__).resolve().parent


def estimated(points: list[Point]) -> list[str]:
    """Return what one point takes on this machine, and how long all that are not done would."""
    from tasks.estimate import estimate, lines  # torch

    todo = [point for point in points if point.state != "done"]
    return lines(*estimate(todo[0].options), len(todo)) if todo else ["all points are done"]


def main(argv: list[str]) -> int:
    """Do what the command line asks and return the exit code."""
    args, screen = read_arguments(argv), Screen(sys.stdout)
    if args.convert:
        screen.line(convert(args.file).rstrip())
        return codes.DONE
    sweep, settings = Sweep.read(args.file), read_settings(args.set)
    slots = read_slots(args.gpus, jobs_here(args.gpus) if args.jobs == AUTO else args.jobs or 1)
    program = sweep.program_in(ROOT)
    run_dir = args.dir or ("runs" if Path.cwd() == ROOT else str(ROOT / "runs"))
    if args.wandb and not args.check:
        points = examples(sweep, settings, resolve, run_dir, args.runs)
        agent_lines(sweep.with_values(settings), points, resolve)
        return run_on_wandb(args, sweep, points, slots, ROOT, screen)
    if args.check:
        from tasks.check import Checked  # torch: two seconds that a list need not take

        points = examples(sweep, settings, Checked(), run_dir, args.runs)
    else:
        points = select(sweep, settings, resolve, run_dir, args.runs)
    controls = [word for word in CONTROLS if getattr(args, word)]
    dry = any((args.list, args.check, args.dry_run, args.failures, args.estimate, args.best))
    pool = any((args.all, args.jobs, args.gpus, args.retry_failed, args.deadline, args.verify, args.repair))
    if args.only:
        points = only(points, args.only)
    elif not (dry or pool or controls or args.slurm) and len(points) > 1:
        answers = ask(sweep, settings, sys.stdin, screen)
        argv = [*argv, "--set", *(f"{name}={answers[name]}" for name in answers if name not in settings)]
        points = select(sweep, answers, resolve, run_dir, args.runs)
    if args.check:
        end = f"{len(points)} runs" if sweep.has_end() else f"no end; {len(points)} drawn"
        started = agent_lines(sweep.with_values(settings), points, resolve)
        check_search(sweep, points)
        screen.lines([f"{args.file}: {end}; every option and value is valid", *started])
    if args.list:
        screen.lines([*(listing(points) or table(points)), *remarks(points), *early_remarks(points)])
    if args.best:
        screen.lines(best(sweep, points, args.best))
    if args.failures:
        screen.lines(failures(points))
    if args.estimate:
        screen.lines(estimated(points))
    if args.dry_run:
        screen.lines(shlex.join(point.command(program)) for point in points)
    if dry:
        return codes.DONE
    if args.verify or args.repair:
        points = verify(points, screen)
        if not points or not args.repair:
            return codes.FAILED if points else codes.DONE
        repair(points, screen)
    if controls:
        return control(controls[0], points, every=not (args.only or args.set), screen=screen)
    if find_spec("torch") is None:  # or every run would fail for the same reason
        raise SieveError("no torch in this Python; after make test: . .venv/bin/activate")
    trials = check_search(sweep, points) if rule_of(sweep) else None
    for log in {point.options.log for point in points}:
        check(log)
    if args.slurm:
        if trials:
            screen.line("early_terminate: is not followed on Slurm: every run goes to its end")
        return run_on_slurm(args, sweep, points, ROOT, screen)
    if not args.only:
        check_not_queued(points)
    if args.jobs == AUTO:
        slots = read_slots(args.gpus, jobs_here(args.gpus, sum(point.state != "done" for point in points)))
    if args.snapshot:
        program = snapshot(ROOT, run_dir) / sweep.program
    if len(points) == 1 and not pool:  # nobody to be compared with
        code = run_here(points[0], program, screen, slots[0])
    else:
        deadline = 60 * args.deadline if args.deadline else math.inf
        retry = args.retry_failed or bool(args.only) or args.repair
        code = Pool(program, slots, screen, deadline=deadline, trials=trials).run(points, retry=retry)
    again = shlex.join([sys.argv[0], *argv])
    if code == codes.RESUME:
        screen.line(f"to go on: {again}")
    if code == codes.FAILED and pool:
        screen.line(f"to run the failed ones again: {again}{'' if args.retry_failed else ' --retry-failed'}")
    return code


def check_search(sweep: Sweep, points: Sequence[Point]) -> Trials:
    """Return the trials of a sweep whose metric can be compared as it asks for; otherwise raise SweepError."""
    check_metrics(sweep, points)
    options = points[0].options
    return Trials(sweep, Path(options.run.dir) / options.run.sweep)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SieveError as error:
        print(f"run.py: {error}", file=sys.stderr)
        sys.exit(codes.BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(130)
