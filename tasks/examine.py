"""Examines the masks of a finished run: are they the cause of what they do? docs/evidence-standards.md says how.

python -m tasks.examine runs/<sweep>/<signature> [--tests usual|all] [--examples 1000] [--set test]
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from analysis.faithfulness.ablation import ablations
from analysis.faithfulness.adversary import BUDGETS, attack
from analysis.faithfulness.evaluation import Evaluation, Scores
from analysis.faithfulness.minimality import minimality
from analysis.faithfulness.sizes import size_curve
from core import exit_codes as code
from core.errors import OptionError, SieveError
from core.files import write_atomic, write_json
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from masks.algebra import Masks
from tasks.modularity.arithmetic import Arithmetic
from tasks.options import resolve_stored
from tasks.pretrained import restore
from tasks.registry import TASKS
from tasks.subnets import CONTROL

USUAL = ("zero", "uniform", "bernoulli")
ALL = (*USUAL, "mean", "resampled")
USUAL_BUDGETS = (0.05, 1.0)
COPIES = 8  # draws of r
COLUMNS = ("subnet", "kept", "weights", "test", "copies", "accuracy", "lowest", "kl", "agreement")


def rebuild(run: Run) -> Arithmetic[Any]:
    """Return the task of a finished run with its trained weights; nothing is written.

    Raises:
        OptionError: the run is not finished, has no weights, or its task cannot be examined.
    """
    if run.state != "done":
        raise OptionError(f"{run.folder} is {run.state}; a finished run is examined")
    cls = TASKS[run.task]
    if not issubclass(cls, Arithmetic):
        able = ", ".join(name for name in TASKS if issubclass(TASKS[name], Arithmetic))
        raise OptionError(f"masks of {run.task} cannot be examined yet; those of {able} can")
    options = resolve_stored(run.options)
    task = cls(options, run, Mirrors((), run))
    restore(task.model, str(run.folder), options.seed, "RUN")
    task.before_masks()
    task.masked.freeze()
    return task


def rows_of(subnet: str, kept: str, masks: Masks, scores: Mapping[str, Scores]) -> Iterator[dict[str, Any]]:
    """Yield a row for each test of one mask."""
    for test, found in scores.items():
        mean, lowest = found.mean(), float(found.accuracy.min())
        counts = {"weights": masks.count(), "copies": len(found.accuracy)}
        yield {"subnet": subnet, "kept": kept, "test": test} | counts | mean | {"lowest": lowest}


def tested(
    evaluation: Evaluation, masks: Masks, kinds: Sequence[str], budgets: Sequence[float], seed: int
) -> tuple[dict[str, Scores], float | None]:
    """Return the scores of a mask by test, and the area under the curve of the adversary, None without one."""
    found = ablations(evaluation, masks, kinds, seed, COPIES)
    if not budgets:
        return found, None
    curve = attack(evaluation, masks, seed, budgets)
    parts = zip(*(getattr(curve.scores, name).split(1) for name in ("accuracy", "kl", "agreement")), strict=True)
    return found | {f"adversary/{b:g}": Scores(*part) for b, part in zip(curve.budgets, parts, strict=True)}, curve.area


def examine(task: Arithmetic[Any], every: bool, name: str, size: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return a row for each test of each mask and control, and single numbers by name.

    Args:
        task: rebuilt from its run.
        every: all tests, otherwise the usual ones.
        name: of the set.
        size: examples of it.
    """
    seed, kinds, budgets = task.options.seed, ALL if every else USUAL, BUDGETS if every else USUAL_BUDGETS
    rows: list[dict[str, Any]] = []
    numbers: dict[str, float] = {}
    sets = {subnet: task.evaluation(name, None if subnet == CONTROL else subnet, size) for subnet in task.subnets}
    for subnet, evaluation in sets.items():
        masks = Masks.load(task.run.path("masks", f"{subnet}.npz"), task.device)
        masks.check_fits(task.masked.shapes)
        everything, nothing = masks | ~masks, masks & ~masks
        full = ablations(evaluation, everything, ["zero"], seed, 1)
        rows += rows_of(subnet, "everything", everything, full)
        random = masks.random(stream(seed, "control", subnet))
        for kept, one in {"mask": masks, "random": random, "nothing": nothing, "complement": ~masks}.items():
            scores, area = tested(evaluation, one, kinds, () if kept == "complement" else budgets, seed)
            rows += rows_of(subnet, kept, one, scores)
            if area is not None and every:
                numbers[f"{subnet}/{kept}/adversary_area"] = area
        if every:
            numbers |= more(task, subnet, masks, evaluation)
            elsewhere = {f"zero/{other}": ablations(sets[other], masks, ["zero"], seed, 1)["zero"] for other in sets}
            rows += rows_of(subnet, "mask", masks, {k: v for k, v in elsewhere.items() if k != f"zero/{subnet}"})
    return rows, numbers


def more(task: Arithmetic[Any], subnet: str, masks: Masks, evaluation: Evaluation) -> dict[str, float]:
    """Return the minimality of a mask, and the size curve of its scores where these rank single weights."""
    found = minimality(evaluation, masks)
    numbers = {f"{subnet}/superfluous": found.superfluous, f"{subnet}/superfluous_accuracy": found.accuracy}
    if task.masked.unit == "weight" and task.masked.method.elementwise and not task.masked.method.signed:
        arrays = task.run.tensors(f"scores_{subnet}")
        curve = size_curve(evaluation, {name: torch.from_numpy(a).to(task.device) for name, a in arrays.items()})
        accuracies = curve.scores.accuracy.tolist()
        numbers |= {f"{subnet}/size/{s:g}": a for s, a in zip(curve.sizes, accuracies, strict=True)}
        numbers[f"{subnet}/size_area"] = curve.area
    return numbers


def table(rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, float]) -> list[str]:
    """Return the accuracies as aligned lines, a table for each subnet."""
    lines = []
    for subnet in dict.fromkeys(row["subnet"] for row in rows):
        mine = [row for row in rows if row["subnet"] == subnet]
        tests = list(dict.fromkeys(row["test"] for row in mine))
        wide = [max(8, len(test)) for test in tests]
        heads = [test.rjust(w) for test, w in zip(tests, wide, strict=True)]
        lines += [f"{subnet:<12}{'weights':>9}  " + "  ".join(heads)]
        for kept in dict.fromkeys(row["kept"] for row in mine):
            here = {row["test"]: row for row in mine if row["kept"] == kept}
            cells = [f"{here[t]['accuracy']:.3f}" if t in here else "" for t in tests]
            weights = next(iter(here.values()))["weights"]
            values = [cell.rjust(w) for cell, w in zip(cells, wide, strict=True)]
            lines += [(f"  {kept:<10}{weights:>9}  " + "  ".join(values)).rstrip()]
        lines += [f"  {key.partition('/')[2]}: {v:.3f}" for key, v in numbers.items() if key.startswith(f"{subnet}/")]
    return lines


def write(run: Run, rows: Sequence[Mapping[str, Any]], numbers: Mapping[str, float], how: Mapping[str, Any]) -> None:
    """Write analysis/faithfulness.csv and .json of a run."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(run.path("analysis", "faithfulness.csv"), text.getvalue().encode())
    write_json(run.path("analysis", "faithfulness.json"), {**how, "rows": list(rows), "numbers": dict(numbers)})


def main(arguments: Sequence[str]) -> int:
    """Examine a run, print the table, write it into the run's folder, and return the exit code."""
    parser = argparse.ArgumentParser(prog="tasks.examine", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a finished run")
    parser.add_argument("--tests", choices=("usual", "all"), default="usual", help="all takes minutes")
    parser.add_argument("--examples", type=int, default=1000, help="forward passes of the set, its first ones")
    parser.add_argument("--set", choices=("test", "valid", "seen"), default="test", help="the examples")
    given = parser.parse_args(arguments)
    try:
        if given.examples < 1:
            raise OptionError(f"--examples={given.examples}: at least 1 is wanted")
        run = Run.load(given.run)
        rows, numbers = examine(rebuild(run), given.tests == "all", given.set, given.examples)
        write(run, rows, numbers, {"tests": given.tests, "set": given.set, "examples": given.examples})
    except SieveError as error:
        sys.stderr.write(f"tasks.examine: {error}\n")
        return code.BAD_INPUT
    sys.stdout.write("\n".join([*table(rows, numbers), f"{run.path('analysis', 'faithfulness.csv')}", ""]))
    return code.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
