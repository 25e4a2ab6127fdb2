"""How fast are S branches trained side by side? One stack of S networks compared with the S networks one after the
other.

    python benchmarks/branches.py [--seconds 5] [--json FILE]

A step is forward, backward and plain descent of S = 5 branches of the CNN for shifted digits (batch 50 each) and of a
SkinnyNet with 16 channels (batch 50 each):

    loop     the branches one after the other, each with a batch of its own
    stack    models.stacked_models.Stack: one product of every layer for all of them
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.rounds import Step, arguments, measure, over, write
from core.malloc import keep_freed_memory
from core.rng import stream
from models.cnn import make_cnn
from models.stacked_models import Stack
from models.untie import untie

BRANCHES, BATCH, CLASSES = 5, 50, 10
NETWORKS = {"digits": (1, 12, 12), "skinny": (3, 32, 32)}
KINDS = {"control": "", "eLCN": "local", "eFCN": "dense"}


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(__doc__, 5.0, "kind of branch")
    keep_freed_memory()
    cells = []
    print("network, branch        loop ms   stack ms   loop / stack")
    for name, size in NETWORKS.items():
        for kind, form in KINDS.items():
            times = measure(steps(name, size, form), args.seconds, args.clock)
            cells.append({"network": name, "branch": kind, "milliseconds": times})
            loop, stack = (statistics.median(times[way]) for way in ("loop", "stack"))
            ratio = over(times["loop"], times["stack"])
            print(f"{name + ', ' + kind:<20}{loop:>10.1f} {stack:>10.1f}   {ratio}", flush=True)
    write(args.json, cells=cells)


def steps(name: str, size: tuple[int, int, int], form: str) -> dict[str, Step]:
    """Return a training step of all branches in each way."""
    networks = [branch(name, size, form, seed) for seed in range(BRANCHES)]
    stack = Stack.of(networks, BRANCHES)
    for tensor in stack.weights.values():
        tensor.requires_grad_()
    x = torch.randn(BRANCHES * BATCH, *size, generator=stream(0, "x"))
    y = torch.randint(CLASSES, (BRANCHES * BATCH,), generator=stream(0, "y"))
    together = torch.optim.SGD(stack.weights.values(), 1e-4)
    alone = [torch.optim.SGD(network.parameters(), 1e-4) for network in networks]

    def in_a_stack() -> None:
        together.zero_grad()
        (BRANCHES * cross_entropy(stack(x).flatten(0, 1), y)).backward()
        together.step()

    def in_a_loop() -> None:
        for network, optimizer, images, labels in zip(networks, alone, x.split(BATCH), y.split(BATCH), strict=True):
            optimizer.zero_grad()
            cross_entropy(network(images), labels).backward()
            optimizer.step()

    return {"loop": in_a_loop, "stack": in_a_stack}


def branch(name: str, size: tuple[int, int, int], form: str, seed: int) -> nn.Module:
    """Return one network."""
    cnn = make_cnn(name, size, CLASSES, stream(seed, "init"), channels=16)
    return untie(cnn, form, size) if form else cnn


if __name__ == "__main__":
    main()
