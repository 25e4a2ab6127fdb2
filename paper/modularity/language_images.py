"""Shared by the figures of language, mathematics and images: names of splits and classes, and their runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.store import Run
from paper.measure import Row, measured
from paper.modularity.arithmetic import CHANCE

HEADING = "Are neural nets modular? Language, mathematics and images"
SPLITS = {"turn_left": "turn left", "jump": "jump", "length": "length"}
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
OF_CLASS = re.compile(r"final/control/test/accuracy/(\d+)")
WITHOUT = re.compile(r"final/without_(\d+)/test/accuracy/total")


def with_masks(runs: Sequence[Run], *tasks: str) -> list[Run]:
    """Return the runs of these tasks that learn masks; a baseline learns none."""
    return [run for run in runs if run.task in tasks and not run.options.get("train_baseline")]


def accuracies(runs: Sequence[Run], subnets: Mapping[str, str], key: str) -> Row:
    """Return the accuracy of each subnet, and of random masks of its size, on a test.

    Args:
        runs: of one network.
        subnets: column -> subnet, or "network".
        key: of the test, <set>/accuracy/<part>.
    """
    row: Row = {}
    for column, subnet in subnets.items():
        row[column] = measured(runs, f"final/{subnet}/{key}")
        if subnet != "network":
            row[f"{column}, {CHANCE}"] = measured(runs, f"random/{subnet}/{key}")
    return row


def class_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the names of the classes; their numbers where they are not CIFAR-10's."""
    numbers = [int(found[1]) for run in runs for key in run.summary if (found := OF_CLASS.fullmatch(key))]
    count = max(numbers, default=-1) + 1
    named = count == len(CIFAR10) and all(
        run.options["data.name"] == "cifar10" and not run.options["data.file"] for run in runs
    )
    return CIFAR10 if named else tuple(map(str, range(count)))


def removed_classes(runs: Sequence[Run]) -> list[int]:
    """Return the numbers of the classes that some run has a mask without."""
    return sorted({int(found[1]) for run in runs for key in run.summary if (found := WITHOUT.fullmatch(key))})
