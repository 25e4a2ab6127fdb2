"""Shared by the arithmetic figures: names of the subtasks and of the networks' layers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.store import Run
from tasks.registry import is_file

HEADING = "Are neural nets modular? Addition and multiplication"
WORDS = {"pair1": "pair 1", "pair2": "pair 2", "add": "+", "mul": "×"}
SUBTASKS = {
    "tuple": ("pair1", "pair2"),
    "tuple_ff": ("pair1", "pair2"),
    "tuple_ff_copyweight": ("pair1", "pair2"),
    "addmul": ("add", "mul"),
    "addmul_ff": ("add", "mul"),
}
CHANCE = "random masks of the same sizes"


def subtasks(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the names of the subtasks: two, or those of an experiment of one's own; nothing for another task."""
    if runs and is_file(runs[0].task):
        found = (re.fullmatch("kept/([^/]+)/total", key) for key in runs[0].summary)
        return tuple(name[1] for name in found if name and name[1] != "control")
    return SUBTASKS.get(runs[0].task, ()) if runs else ()


def word(part: str) -> str:
    """Return what figures call a part of a task."""
    return WORDS.get(part, part)


def weights(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return (parameter, name of its layer) of every masked weight matrix, from input to output.

    Biases are left out: they are few, and the published experiments do not mask them.
    """
    names = [key.removeprefix("size/") for key in runs[0].summary if key.startswith("size/")] if runs else []
    names = [name for name in names if name != "total" and "bias" not in name.rpartition(".")[2]]
    last = len(names) - 1
    return [(name, _layer(name, i == 0, i == last)) for i, name in enumerate(names)]


def _layer(name: str, first: bool, last: bool) -> str:
    recurrent = re.search(r"weight_(ih|hh)_l(\d+)$", name)
    if recurrent:
        return f"LSTM {int(recurrent[2]) + 1} {'input' if recurrent[1] == 'ih' else 'recurrent'}"
    number = re.search(r"layers\.(\d+)\.", name)
    if number:
        return f"{int(number[1]) + 1}" + (" input" if first else " output" if last else "")
    return name.removesuffix(".weight")
