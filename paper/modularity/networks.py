"""How figures name networks: by task and architecture, and by an option where that is ambiguous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from core.store import Run
from core.values import as_text
from paper.names import short
from paper.results import series

IMAGES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST"}


def networks(runs: Sequence[Run], free: Sequence[str] = ()) -> list[tuple[str, list[Run]]]:
    """Return (name, runs) of every network among the runs, e.g. "+ or ×, feed-forward 800x4".

    Args:
        runs: of one picture.
        free: options, besides the seed, that may differ within a network's runs.
    """
    named: dict[str, list[Run]] = {}
    for run in runs:
        named.setdefault(network(run.options), []).append(run)
    found = []
    for name, same in named.items():
        for differs, part in series(same, free):
            found.append((", ".join([name, *(f"{key} {short(text)}" for key, text in differs.items())]), part))
    return found


def network(options: Mapping[str, Any]) -> str:
    """Return the task and the network of a run in a few words."""
    task = str(options["task"])
    if task in ("scan", "trafo_scan"):
        return "SCAN, LSTM" if task == "scan" else "SCAN, Transformer"
    if task == "deepmind_math":
        return " and ".join(module(name) for name in options["dm_math.modules"])
    if task.startswith("cifar10"):
        return _of_images(options)
    if not task.startswith(("tuple", "addmul")):
        return PurePath(task).stem  # of an experiment of one's own, its file
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


def module(name: str) -> str:
    """Return "linear 1d" of the module algebra__linear_1d."""
    return name.rpartition("__")[2].replace("_", " ")


def _of_images(options: Mapping[str, Any]) -> str:
    resnet = "resnet" in options["task"]
    images = "own images" if options["data.file"] else IMAGES.get(options["data.name"], options["data.name"])
    dropout = "" if resnet or options["dropout"] else " without dropout"
    return f"{images}, {'ResNet-110' if resnet else 'CNN'}{dropout}"
