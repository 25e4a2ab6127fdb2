"""Thousands of tasks in one frozen network: the memory of their masks, and the time of task inference.

    python benchmarks/task_inference.py [--tasks 250 2500] [--seconds 10] [--json FILE]

The network is 784-300-100-500, the input a batch of 128. In each round:

    forwards   250 forward passes of the network with that batch
    one-shot   analysis.task_inference.one_shot over all tasks: one backward pass, and inner products with bits
    autograd   for the fewest tasks only: the derivative through a float32 stack of masks

Memory is that of the stored masks beside a float32 stack of them; the derivatives are compared with autograd's.
"""

from __future__ import annotations

import statistics
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from analysis.task_inference import derivatives, entropy, one_shot
from benchmarks.rounds import Step, arguments, measure, over, write
from core.malloc import keep_freed_memory
from core.rng import stream
from layers.functional.batching import forward
from masks.algebra import Masks
from masks.methods.threshold import Threshold
from masks.model import MaskedModel, freeze
from masks.packed_masks import PackedMasks
from models.random_nets import random_net

FORWARDS, ROWS = 250, 128


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(__doc__, 10.0, "number of tasks", tasks={"type": int, "nargs": "+", "default": [250, 2500]})
    keep_freed_memory()
    network = freeze(random_net("fc", (1, 28, 28), 500, stream(0, "init")))
    masked = MaskedModel(network, Threshold(), [name for name, _ in network.named_parameters()])
    x, cells = torch.randn(ROWS, 1, 28, 28, generator=stream(0, "x")), []
    for tasks in args.tasks:
        bits = PackedMasks(masked.shapes, room=tasks)
        for t in range(tasks):
            rng = stream(t, "mask")
            bits.add(Masks({name: torch.rand(shape, generator=rng) < 0.5 for name, shape in masked.shapes.items()}))
        inferred = partial(one_shot, masked, bits, x, entropy)
        steps: dict[str, Step] = {"forwards": partial(forwards, masked, x), "one-shot": inferred}
        times = measure(steps, args.seconds, args.clock)
        stack = 4 * tasks * bits.weights
        cells.append({"tasks": tasks, "bytes": bits.nbytes(), "stack": stack, "milliseconds": times})
        print(f"{tasks} tasks: {bits.nbytes() / 1e6:.1f} MB, a float32 stack of them {stack / 1e6:.0f} MB: "
              f"{stack / bits.nbytes():.1f} times as much")  # fmt: skip
        ours, theirs = (statistics.median(times[name]) for name in ("one-shot", "forwards"))
        ratio = over(times["one-shot"], times["forwards"])
        print(f"  one-shot {ours:.0f} ms, {FORWARDS} forward passes {theirs:.0f} ms: one-shot / forwards {ratio}")
        if tasks == min(args.tasks):
            compare(masked, bits, x)
    write(args.json, cells=cells)


def forwards(masked: MaskedModel, x: Tensor) -> None:
    """Run the network so many times."""
    with torch.no_grad():
        for _ in range(FORWARDS):
            masked(x)


def compare(masked: MaskedModel, bits: PackedMasks, x: Tensor) -> None:
    """Print how far the derivatives are from those through a stack of masks, and how long those take."""
    stacks = {name: torch.stack([bits.masks(t)[name] for t in range(len(bits))]).float() for name in masked.shapes}
    began = time.perf_counter()
    alphas = torch.full((len(bits),), 1 / len(bits), requires_grad=True)
    mixed = {name: w * torch.einsum("t,t...->...", alphas, stacks[name]) for name, w in masked.weights.items()}
    (expected,) = torch.autograd.grad(entropy(forward(masked.model, mixed, None, x)), alphas)
    seconds = time.perf_counter() - began
    error = (derivatives(masked, bits, x, entropy) - expected).abs().max() / expected.abs().max()
    print(f"  autograd through the stack takes {1e3 * seconds:.0f} ms; largest difference {error:.1e} of the largest")


if __name__ == "__main__":
    main()
