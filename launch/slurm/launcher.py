"""`run.py FILE --slurm ...`: submit what is neither done nor queued nor running, and say where to look."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core import exit_codes as codes
from core.errors import SweepError
from core.run_state import OVER
from launch.console import Screen
from launch.points import Point
from launch.slurm import records
from launch.slurm.cluster import check_installed, check_visible, configuration, partitions
from launch.slurm.queue import Queue, remarks
from launch.slurm.records import Submission
from launch.slurm.settings import Settings, read_settings
from launch.snapshot import snapshot
from launch.sweep import Sweep

SENDS = ("todo", "stopped")


def run_on_slurm(args: Namespace, sweep: Sweep, points: Sequence[Point], root: Path, screen: Screen) -> int:
    """Submit the points that need it and return the exit code: DONE, FAILED if runs failed, RESUME if some are unknown.

    Args:
        args: the command line of run.py.
        sweep: the file.
        points: those chosen of it.
        root: the toolkit's folder.
        screen: where to say what is submitted.

    Raises:
        SweepError: there is no Slurm here, it refuses, or the nodes would not see the results.
    """
    settings = check_slurm(args, points[0])
    folder = points[0].folder.parent
    with records.only_launcher(folder):
        found = records.submissions(folder)
        if not args.only:
            _check_cluster(found, points)
        states = Queue(found).states(points)
        retry = bool(args.retry_failed or args.only)
        sends = (*SENDS, *(["failed"] if retry else []), *(["unknown"] if args.only else []))
        wanted = [point for point in points if states[point.signature][0] in sends]
        tasks = [
            [records.said_of(p) for p in wanted[i : i + args.per_job]] for i in range(0, len(wanted), args.per_job)
        ]
        sent: list[Submission] = []
        if tasks:
            what = _what(args, points[0], sweep.program, root) | {"retry": retry}
            cluster = configuration()["ClusterName"]
            sent = _submit(folder, records.RUNS, tasks, what, settings, args.jobs or len(tasks), cluster)
    rest = Counter(states[point.signature][0] for point in points) - Counter(states[p.signature][0] for p in wanted)
    said = [f"{number} {state}" for state, number in rest.items()]
    screen.line(", ".join([f"{len(wanted)} submitted"] * bool(wanted) + said))
    screen.lines(remarks(states, points))
    _say_where(screen, args, sent)
    if rest["failed"]:
        again = shlex.join([sys.argv[0], *sys.argv[1:], "--retry-failed"])
        screen.line(f"to submit the failed ones again: {again}")
    if rest["failed"]:
        return codes.FAILED
    return codes.RESUME if rest["unknown"] else codes.DONE


def agents_on_slurm(
    args: Namespace, sweep: Sweep, path: str, runs: int | None, point: Point, folder: Path, root: Path, screen: Screen
) -> int:
    """Submit agents for a sweep on the W&B server, each for one run (or `--per-job` of them).

    Args:
        args: the command line of run.py.
        sweep: the file.
        path: entity/project/id there.
        runs: how many the sweep has, or None: it has no end.
        point: one of its points.
        folder: of its results.
        root: the toolkit's folder.
        screen: where to say what is submitted.

    Raises:
        SweepError: as of `run_on_slurm`; or nobody says how many agents there are to be.
    """
    settings = check_slurm(args, point)
    count = args.runs or runs
    if not count:
        raise SweepError(f"{args.file}: the sweep has no end; --runs N says how many runs are to be submitted")
    tasks: list[list[dict[str, Any]]] = [[] for _ in range(-(-count // args.per_job))]
    with records.only_launcher(folder):
        what = _what(args, point, sweep.program, root)
        place = _view(folder, point, Path(what["code"]), sweep.program)
        what |= {"path": path, "count": args.per_job, "place": str(place), "wandb_dir": str(folder.resolve())}
        cluster = configuration()["ClusterName"]
        sent = _submit(folder, records.AGENTS, tasks, what, settings, args.jobs or len(tasks), cluster)
    screen.line(f"{len(tasks)} agents of {path} submitted")
    _say_where(screen, args, sent)
    return codes.DONE


def check_slurm(args: Namespace, point: Point) -> Settings:
    """Return what `--slurm` says.

    Raises:
        SweepError: it cannot be read, there is no Slurm here, or the nodes would not see the results.
    """
    settings = read_settings(args.slurm)
    check_installed()
    if not settings.shared:
        seen = [Path.cwd(), Path(point.options.run.dir), Path(sys.prefix)]
        check_visible(seen, str(settings.sbatch.get("partition", "")), partitions())
    return settings


def _check_cluster(found: Sequence[Submission], points: Sequence[Point]) -> None:
    """Raise SweepError where runs wait on another cluster that shares the folder: only that one can tell about them."""
    here = configuration()["ClusterName"]
    tasks = records.latest(found)
    away = [
        tasks[point.signature][0]
        for point in points
        if point.signature in tasks
        and tasks[point.signature][0].cluster != here
        and point.state not in (*OVER, "failed")
    ]
    if away:
        raise SweepError(
            f"{len(away)} runs were submitted to the cluster {away[0].cluster} by {away[0].user} on {away[0].host}; "
            f"this is {here}: let them end there, or --cancel them there; --only N submits a run here all the same"
        )


def _submit(folder: Path, kind: str, *rest: Any) -> list[Submission]:
    from launch.slurm.submit import submit  # submitit: half a second that a list need not take

    return submit(folder, kind, *rest)


def _what(args: Namespace, point: Point, program: str, root: Path) -> dict[str, Any]:
    return {
        "code": str(snapshot(root, point.options.run.dir)),
        "program": program,
        "sweep": point.options.run.sweep,
        "dir": point.options.run.dir,
        "deadline": 60 * args.deadline if args.deadline else float("inf"),
    }


def _view(folder: Path, point: Point, code: Path, program: str) -> Path:
    """Return a folder with the copied program, and with what the programs of agents expect where they begin."""
    place = folder.resolve() / records.FOLDER / f"agents-{code.name}"
    targets = {"runs": Path(point.options.run.dir), "cache": Path(point.options.run.cache)}
    for target in targets.values():
        target.mkdir(parents=True, exist_ok=True)
    (place / program).parent.mkdir(parents=True, exist_ok=True)
    for name, target in (targets | {program: code / program}).items():
        if not (place / name).is_symlink():
            (place / name).symlink_to(target.resolve())
    return place


def _say_where(screen: Screen, args: Namespace, sent: Sequence[Submission]) -> None:
    for one in sent:
        screen.line(f"job {one.job} ({one.name}): {len(one.tasks)} tasks; they print into {one.folder}")
    if sent:
        more = f" --dir {shlex.quote(args.dir)}" if args.dir else ""
        screen.line(f"{sys.argv[0]} {args.file} --list{more} says how it goes; --cancel, --hold, --release, --failures")
