"""What the arithmetic figures have in common: names of the subtasks, of the networks and of their layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.store import Run
from launch.points import as_text
from paper.results import series, short

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
    """Return the names of the two subtasks; nothing for another task."""
    return SUBTASKS.get(runs[0].task, ()) if runs else ()


def weights(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return (parameter, name of its layer) of every masked weight matrix, from input to output.

    Biases are left out: they are few, and the published experiments do not mask them.
    """
    names = [key.removeprefix("size/") for key in runs[0].summary if key.startswith("size/")] if runs else []
    names = [name for name in names if name != "total" and "bias" not in name.rpartition(".")[2]]
    last = len(names) - 1
    return [(name, _layer(name, i == 0, i == last)) for i, name in enumerate(names)]


def networks(runs: Sequence[Run], free: Sequence[str] = ()) -> list[tuple[str, list[Run]]]:
    """Return (name, runs) of every network among the runs, e.g. "+ or ×, feed-forward 800x4"."""
    parts = [(network(part[0].options), differs, part) for differs, part in series(runs, free)]
    names = [name for name, _, _ in parts]
    said = ("task", "layer_sizes", "state_size", "n_layers", "tuple.mode")
    found = []
    for name, differs, part in parts:
        more = [f"{key} {short(text)}" for key, text in differs.items() if key not in said]
        found.append((", ".join([name, *more]) if names.count(name) > 1 else name, part))
    return found


def network(options: Mapping[str, Any]) -> str:
    """Return the task and the network of a run in a few words."""
    task = str(options["task"])
    words = ["double addition" if task.startswith("tuple") else "+ or ×"]
    if task.endswith("copyweight"):
        words.append("copied weights")
    words.append(size(options))
    if "tuple.mode" in options:
        words.append(str(options["tuple.mode"]))
    return ", ".join(words)


def size(options: Mapping[str, Any]) -> str:
    """Return "feed-forward 800x4" or "LSTM 256x2"."""
    if "layer_sizes" in options:
        return f"feed-forward {short(as_text(options['layer_sizes']))}"
    return f"LSTM {options['state_size']}x{options['n_layers']}"


def _layer(name: str, first: bool, last: bool) -> str:
    recurrent = re.search(r"weight_(ih|hh)_l(\d+)$", name)
    if recurrent:
        return f"LSTM {int(recurrent[2]) + 1} {'input' if recurrent[1] == 'ih' else 'recurrent'}"
    number = re.search(r"layers\.(\d+)\.", name)
    if number:
        return f"{int(number[1]) + 1}" + (" input" if first else " output" if last else "")
    return name.removesuffix(".weight")
