"""Draw every figure whose runs exist: `python -m paper.run_all`, or paper/run_all.sh from anywhere."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

try:
    from core import exit_codes as codes
    from core.errors import OptionError, SieveError, StoreError
    from core.registry import nearest
    from core.store import Run
    from paper import subnetworks
    from paper.figure import Plot, render, write
    from paper.index import write_index
    from paper.measure import Row
    from paper.pull import pull, read_config
    from paper.results import SMALL, Group, by_scale, commits, groups, load, twins
    from paper.sweeps import command, plan
except ModuleNotFoundError as missing:
    sys.stderr.write(f"run_all: {sys.executable} has no {missing.name}; once: make test\n")
    sys.exit(2)


log = logging.getLogger("sieve")
CONFIG = Path("paper/config.json")
RUNS = "runs"


def main(argv: Sequence[str]) -> int:
    """Draw what the command line asks for and return the exit code."""
    args = _arguments().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", force=True)
    try:
        plots = choose(discover(), [name for item in args.only for name in item.split(",")])
        settings = read_settings(args.set, plots)
        runs, drawn = load(source(args, plots)), []
        for plot in plots:
            drawn += draw(plot, runs, Path(args.out), settings.get(plot.name, {}), args)
        _say(f"index  {write_index(Path(args.out), [*discover(), subnetworks.PLOT], plots, drawn)}")
    except SieveError as error:
        sys.stderr.write(f"run_all: {error}\n")
        return codes.BAD_INPUT
    return codes.DONE


def discover() -> list[Plot]:
    """Return every figure, in the order of the index."""
    here = Path(__file__).parent
    names = [".".join(path.relative_to(here.parent).with_suffix("").parts) for path in here.rglob("plot_*.py")]
    plots = [replace(importlib.import_module(name).PLOT, name=name.partition(".plot_")[2]) for name in names]
    return sorted(plots, key=lambda plot: (plot.family, plot.order, plot.name))


def choose(plots: Sequence[Plot], names: Sequence[str]) -> list[Plot]:
    """Return the named figures, all when none is named.

    Raises:
        OptionError: there is no such figure.
    """
    known = {plot.name: plot for plot in plots}
    for name in names:
        if name not in known:
            raise OptionError(f"unknown figure {name!r}; allowed: {', '.join(known)}{nearest(name, known)}")
    return [plot for plot in plots if not names or plot.name in names]


def read_settings(items: Sequence[str], plots: Sequence[Plot]) -> dict[str, dict[str, str]]:
    """Return --set name=value for each figure that has the option and the value.

    Raises:
        OptionError: no chosen figure has them.
    """
    found: dict[str, dict[str, str]] = {}
    for item in items:
        name, _, value = item.partition("=")
        allowed = {plot.name: plot.options[name] for plot in plots if name in plot.options}
        if not allowed:
            known = sorted({option for plot in plots for option in plot.options})
            names = ", ".join(known) or "nothing"
            raise OptionError(f"--set {item}: the figures have {names}{nearest(name, known)}")
        values = list(dict.fromkeys(value for values in allowed.values() for value in values))
        if value not in values:
            raise OptionError(f"--set {item}: not one of {', '.join(values)}{nearest(value, values)}")
        for figure in (figure for figure, values in allowed.items() if value in values):
            found.setdefault(figure, {})[name] = value
    return found


def source(args: argparse.Namespace, plots: Sequence[Plot]) -> Path:
    """Return the folder of the runs: --runs; or what W&B has, where paper/config.json names a project; or runs/.

    Raises:
        OptionError: there is no such folder, or W&B cannot be read.
    """
    project = read_config(CONFIG) if args.runs is None else None
    if project is not None:
        return pull(project, args.sweep or sorted({sweep for plot in plots for sweep in twins(plot.sweeps)}))
    if args.runs is not None and not Path(args.runs).is_dir():
        raise OptionError(f"--runs {args.runs}: there is no such folder")
    return Path(args.runs or RUNS)


def draw(
    plot: Plot, runs: Sequence[Run], out: Path, settings: Mapping[str, str], args: argparse.Namespace
) -> list[Path]:
    """Draw a figure for every group of its runs, say what was drawn or lacks; return the tables' paths.

    Raises:
        StoreError: two groups would write the same files.
    """
    sweeps = tuple(args.sweep) or twins(plot.sweeps)
    mine, drawn = [run for run in runs if run.sweep in sweeps], []
    found = groups(mine, plot.free) if plot.per == "group" else by_scale(mine, sweeps, plot.free)
    for group in found:
        rows = plot.table(group.runs, **settings)
        if not rows:
            _say(f"skipped {plot.name}: the runs of {group.label} have none of its numbers")
            continue
        name = "__".join([group.name, *(f"set.{option}-{value}" for option, value in settings.items())])
        if out / plot.name / f"{name}.json" in drawn:
            raise StoreError(f"{plot.name}: {group.label} and an earlier group are both called {name}")
        files, numbers = render(plot, rows, group), record(plot, group, rows, settings, args)
        for note in numbers["notes"]:
            log.warning("%s, %s: %s", plot.name, group.label, note)
        picture = write(out / plot.name, name, files, numbers)
        _say(f"drawn  {plot.name}: {picture} ({group.count}{', a trial' if group.trial else ''})")
        drawn.append(picture.with_suffix(".json"))
    if not found:
        first = sweeps[0] if args.sweep else SMALL + sweeps[0]
        hint = sweep_command(first, args.runs)
        _say(f"skipped {plot.name}: no finished runs of {', '.join(sweeps)}; {hint}")
    return drawn


def record(
    plot: Plot, group: Group, rows: list[Row], settings: Mapping[str, str], args: argparse.Namespace
) -> dict[str, Any]:
    """Return what is stored beside a picture: its numbers, where they come from and how to make it again."""
    made_by = []
    for sweep in group.sweeps:
        if plan(sweep) and not group.trial:
            made_by.append(sweep_command(sweep, args.runs))
        else:  # no sweep file makes these
            made_by += [command(run) for run in group.runs if run.sweep == sweep]
    found = commits(group.runs)
    tried = {"trial": ", ".join(f"{name} {value}" for name, value in group.trial.items())} if group.trial else {}
    again = ["paper/run_all.sh", "--only", plot.name]
    again += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    again += [word for name in args.sweep for word in ("--sweep", name)]
    again += ["--runs", args.runs] if args.runs else []
    again += ["--out", args.out] if args.out != "paper/out" else []
    return {
        "figure": plot.name,
        "title": plot.title,
        "caption": plot.caption,
        "paper": plot.paper,
        "group": group.label,
        "settings": dict(settings),
        "runs": len(group.runs),
        "expected": group.expected,
        "count": group.count,
        "missing": list(group.missing),
        "trial": dict(group.trial),
        "notes": [f"runs come from commits {', '.join(found)}"] if len(found) > 1 else [],
        "folders": [str(run.folder) for run in group.runs],
        "commands": [*made_by, shlex.join(again)],
        "rows": [tried | row for row in rows],
    }


def sweep_command(sweep: str, runs: str | None) -> str:
    """Return the command that does the runs of a sweep."""
    more = ["--dir", runs] if runs else []
    return shlex.join(["./run.py", f"sweeps/{sweep}.yaml", "--all", *more])


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("paper/run_all.sh", description="Draw every figure whose runs exist.")
    add = parser.add_argument
    add(
        "--runs",
        metavar="DIR",
        help="folder of the runs (default: W&B, where paper/config.json names a project, otherwise runs)",
    )
    add("--out", default="paper/out", metavar="DIR", help="where to write (default: paper/out)")
    add("--only", default=[], action="append", metavar="NAME", help="only this figure; may be repeated")
    add(
        "--sweep",
        default=[],
        action="append",
        metavar="NAME",
        help="draw the runs of this sweep instead of the figure's own; may be repeated",
    )
    add(
        "--set",
        default=[],
        action="append",
        metavar="OPTION=VALUE",
        help="a choice that some figures have, such as inverse_io=control",
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # run_all.sh | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
