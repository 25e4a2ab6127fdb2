"""What W&B agents start for the points of a sweep, and whether that would be those points."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from core.errors import SieveError
from core.options import flatten
from core.values import as_text, said
from launch.command import expand, nested
from launch.points import Point
from launch.sweep import Resolve, Sweep


def agent_lines(sweep: Sweep, points: Iterable[Point], resolve: Resolve) -> list[str]:
    """Return what an agent starts for each point, after what is to be said of all of them.

    Raises:
        SweepError: an agent's run of a point would not be that point; the text says what would differ.
    """
    command, block = sweep.command, sweep.document.root["parameters"]
    lines = [f"command: {name} is not set here; where it is not, W&B writes its name" for name in command.unset()]
    lines += ["what an agent starts:"]
    for point in points:
        args = nested(block, {name: value for name, value in point.values.items() if name in sweep.parameters})
        _check(sweep, point, args, resolve)
        lines.append(f"run {point.index}: {shlex.join(expand(command.words, sweep.program, args))}")
    if "run.sweep" not in command.arguments({}):
        lines.append(
            f"results of wandb agent would lie in runs/single: command: has no --run.sweep={sweep.name} "
            "(run.py --wandb adds it)"
        )
    return lines


def _check(sweep: Sweep, point: Point, args: dict[str, Any], resolve: Resolve) -> None:
    text = f"command: an agent's run {point.index} would not be point {point.index}: "
    line = sweep.command.line
    try:
        theirs = flatten(resolve(sweep.command.arguments(args)))
    except SieveError as error:
        raise sweep.document.error(line, text + str(error).rpartition("command: ")[2]) from None
    for name, value in flatten(point.options).items():
        if name not in ("run.dir", "run.sweep") and theirs.get(name) != value:
            wrong = f"{name}={said(as_text(theirs.get(name)))}"
            raise sweep.document.error(line, f"{text}{wrong}, not {said(as_text(value)) or 'none'}")
