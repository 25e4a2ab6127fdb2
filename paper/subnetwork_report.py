"""What one or two subnets use of a network: `python -m paper.subnetwork_report RUN... --subnets add,mul --by layer`.

Each RUN is a run folder, a folder of runs such as a sweep's, or mask files (.npz, .safetensors). Runs that differ in
nothing but the seed are averaged into one picture; one or two mask files make one picture of their own. Writes PNG,
PDF, CSV and JSON, puts the picture on the index page, and prints the table.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from analysis.subnet_parts import By
from core import exit_codes as codes
from core.errors import MaskError, OptionError, SieveError
from core.registry import nearest
from core.store import Run
from masks.algebra import Masks
from masks.mask_files import SUFFIXES, read_tensors
from paper.figure import render, write
from paper.index import write_index
from paper.measure import Measure, Row, aligned
from paper.names import file_name
from paper.results import Group, commits, groups, load
from paper.run_all import discover
from paper.subnetworks import PLOT, table
from paper.sweeps import command

MOST = 2  # subnets of one picture


def main(argv: Sequence[str]) -> int:
    """Draw what the command line asks for, print its table and return the exit code."""
    args = _arguments().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", force=True)
    try:
        chosen = _names(args.subnets)
        files = [path for path in args.runs if path.suffix in SUFFIXES]
        folders = [path for path in args.runs if path not in files]
        if files and folders:
            raise OptionError(f"{files[0]} is a mask file and {folders[0]} is not; give runs, or mask files")
        again = shlex.join(["python", "-m", "paper.subnetwork_report", *argv])
        if files:
            _report(*_of_files(files, chosen), args, [again])
        for group in groups(_runs(folders)) if folders else []:
            names = chosen or _only(group.runs[0])
            pairs = [tuple(_masks(run, name) for name in names) for run in group.runs]
            _report(group, names, pairs, args, [*map(command, group.runs), again])
        page = write_index(args.out, [*discover(), PLOT], (), ())
        sys.stdout.write(f"index  {page}\n")
    except SieveError as error:
        sys.stderr.write(f"subnetwork_report: {error}\n")
        return codes.BAD_INPUT
    return codes.DONE


def _report(
    group: Group,
    names: Sequence[str],
    pairs: Sequence[tuple[Masks, ...]],
    args: argparse.Namespace,
    commands: Sequence[str],
) -> None:
    seeds = [run.options.get("seed", 0) for run in group.runs] or [0]
    try:
        rows = table(names, pairs, seeds, args.by)
    except MaskError as error:
        raise MaskError(f"{' and '.join(names)} of {group.label} are not masks of one network: {error}") from None
    stem = "__".join([group.name, file_name(f"by-{args.by}", [("subnets", ",".join(names))])])
    picture = write(args.out / PLOT.name, stem, render(PLOT, rows, group), _record(group, names, rows, args, commands))
    sys.stdout.write("\n".join([f"{group.label}: {' and '.join(names)}", "", *aligned(_texts(rows)), ""]) + "\n")
    sys.stdout.write(f"drawn  {picture}\n")


def _record(
    group: Group, names: Sequence[str], rows: list[Row], args: argparse.Namespace, commands: Sequence[str]
) -> dict[str, Any]:
    """Return what is stored beside the picture; the index page shows it."""
    found = commits(group.runs)
    return {
        "figure": PLOT.name,
        "title": PLOT.title,
        "caption": PLOT.caption,
        "paper": PLOT.paper,
        "group": group.label,
        "settings": {"subnets": ",".join(names), "by": args.by},
        "runs": len(group.runs),
        "expected": group.expected,
        "count": group.count if group.runs else "from mask files",
        "missing": [],
        "trial": dict(group.trial),
        "notes": [f"runs come from commits {', '.join(found)}"] if len(found) > 1 else [],
        "folders": [str(run.folder) for run in group.runs],
        "commands": list(commands),
        "rows": rows,
    }


def _texts(rows: Sequence[Row]) -> list[list[str]]:
    cells = [[c.text() if isinstance(c, Measure) else f"{c:,}" if isinstance(c, int) else c for c in row.values()]
             for row in rows]  # fmt: skip
    return [list(rows[0]), *cells]


def _of_files(files: Sequence[Path], chosen: Sequence[str]) -> tuple[Group, Sequence[str], list[tuple[Masks, ...]]]:
    """Return one or two mask files as a group without runs, what to call the subnets, and their masks."""
    if len(files) > MOST:
        raise OptionError(f"{len(files)} mask files; a picture shows one or two subnets")
    if chosen and len(chosen) != len(files):
        raise OptionError(f"--subnets {','.join(chosen)} gives {len(chosen)} names to {len(files)} mask files")
    masks = tuple(Masks.load(path) for path in files)
    networks = {network for path in files if (network := read_tensors(path)[1])}
    if len(networks) > 1:
        raise MaskError(f"{' and '.join(map(str, files))} are masks of different networks: {' and '.join(networks)}")
    stems = [path.stem for path in files]
    names = chosen or (stems if len(set(stems)) == len(stems) else ["the first", "the second"])
    label = " and ".join(map(str, files))
    return Group(file_name("masks", [("files", label)]), label, (), (), 0), names, [masks]


def _runs(folders: Sequence[Path]) -> list[Run]:
    """Return the finished runs of all folders, each once."""
    found: dict[Path, Run] = {}
    for folder in folders:
        if not folder.is_dir():
            raise OptionError(f"{folder}: there is no such folder; mask files end in {' or '.join(SUFFIXES)}")
        runs = load(folder)
        if not runs:
            raise OptionError(f"{folder}: no finished runs in it")
        found |= {run.folder.resolve(): run for run in runs}
    return list(found.values())


def _subnets(run: Run) -> list[str]:
    return sorted(path.stem for path in run.path("masks").glob("*.npz"))


def _only(run: Run) -> list[str]:
    """Return the subnets of a run that has one or two."""
    there = _subnets(run)
    if not 1 <= len(there) <= MOST:
        has = f"has {', '.join(there)}; --subnets takes one or two of them" if there else "has no masks"
        raise OptionError(f"{run.folder} {has}")
    return there


def _masks(run: Run, name: str) -> Masks:
    there = _subnets(run)
    if name not in there:
        known = ", ".join(there) or "none"
        raise OptionError(f"{run.folder} has no subnet {name!r}; there are: {known}{nearest(name, there)}")
    return Masks.load(run.path("masks", f"{name}.npz"))


def _names(text: str | None) -> list[str]:
    names = [] if text is None else text.split(",")
    if len(names) > MOST or "" in names or len(set(names)) < len(names):
        raise OptionError(f"--subnets {text}: one or two different subnets, such as add,mul")
    return names


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("paper.subnetwork_report", description=(__doc__ or "").partition("\n\n")[2])
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="run folder, folder of runs, or one or two mask files")
    add("--subnets", metavar="A[,B]", help="one or two subnets (default: those of the run, if it has no more)")
    add("--by", choices=get_args(By), default="layer", help="what a bar stands for (default: layer)")
    add("--out", type=Path, default=Path("paper/out"), metavar="DIR", help="where to write (default: paper/out)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
