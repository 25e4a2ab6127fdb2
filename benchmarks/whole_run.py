"""How fast is a whole run? Weight steps, mask steps and a validation of `tuple_ff`, compared with a bare PyTorch loop.

    python benchmarks/whole_run.py [--layer_sizes 800,800,800,800] [--rounds 7] [--threads 2]

The floor is a loop of the same network, batch and optimiser with inputs made beforehand: nothing but forward,
backward, clipping and Adam. Everything is interleaved: in each round every variant takes its turn, a ratio is
formed within the round, and the median over the rounds is printed with the smallest and the largest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.fit import make_optimizer, train_step
from core.malloc import keep_freed_memory
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from models.feedforward import FeedForward
from tasks.modularity.arithmetic_options import TupleFeedForwardOptions
from tasks.modularity.tuple import TupleFeedForward
from tasks.options import resolve


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer_sizes", default="800,800,800,800")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each variant in a round")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        variants = build(args.layer_sizes, folder)
        times = measure(variants, args.rounds, args.seconds)
    report(times, args)


def build(layer_sizes: str, folder: str) -> dict[str, Callable[[], object]]:
    """Return the variants by name; each call is one step (or one validation)."""
    options = resolve({"task": "tuple_ff", "layer_sizes": layer_sizes, "run.dir": folder, "log": "none"})
    assert isinstance(options, TupleFeedForwardOptions)
    run = Run.create(options)
    task = TupleFeedForward(options, run, Mirrors((), run))
    stages = task.stages()
    weights, counter = next(stages), iter(range(10**9))
    weight_optimizer = make_optimizer(weights)

    bare = FeedForward(80, 40, options.layer_sizes, rng=stream(0, "init"))
    bare_optimizer = torch.optim.Adam(bare.parameters(), 1e-3, fused=True)
    # The task's batch: two forward passes for each of 128 examples.
    cases = weights.batch(stream(0, "data"), 0)[0]
    x = torch.zeros(256, 2, 40)
    x[torch.arange(256), cases["slot"]] = (
        torch.nn.functional.one_hot(torch.randint(10, (256, 4), generator=stream(0, "x")), 10).flatten(1).float()
    )
    x, target = x.flatten(1), torch.randint(10, (512,), generator=stream(0, "y"))

    def bare_step(network: Callable[[torch.Tensor], torch.Tensor] = bare) -> None:
        bare_optimizer.zero_grad(set_to_none=True)
        y = network(x).view(256, 2, 20)[torch.arange(256), cases["slot"]]
        torch.nn.functional.cross_entropy(y.view(512, 10), target).backward()
        torch.nn.utils.clip_grad_norm_(bare.parameters(), 1.0)
        bare_optimizer.step()

    from masks.model import MaskedModel

    masked = MaskedModel(bare, task.masked.method, list(task.masked.weights))
    # The mask stage freezes its network: it gets one of its own, and the weight stage keeps training.
    other = TupleFeedForward(options, run, Mirrors((), run))
    other_stages = other.stages()
    next(other_stages)
    masks = next(other_stages)
    mask_optimizer = make_optimizer(masks)
    assert weight_optimizer is not None and mask_optimizer is not None
    return {
        "bare loop": bare_step,
        "bare loop through MaskedModel": lambda: bare_step(masked),
        "weight step": lambda: train_step(weights, weight_optimizer, 0, next(counter)),
        "drawing the batch": lambda: weights.batch(stream(0, "data", next(counter)), 0),
        "mask step": lambda: train_step(masks, mask_optimizer, 0, next(counter)),
        "validation of 10,000": lambda: task.accuracy(None, "valid"),
    }


def measure(variants: dict[str, Callable], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the seconds a call takes, by variant and round."""
    for call in variants.values():
        for _ in range(3):
            call()
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, call in variants.items():
            calls, start = 0, time.perf_counter()
            while (passed := time.perf_counter() - start) < seconds or calls == 0:
                call()
                calls += 1
            times[name].append(passed / max(calls, 1))
    return times


def report(times: dict[str, list[float]], args: argparse.Namespace) -> None:
    """Print a table."""
    print(f"tuple_ff {args.layer_sizes}, batch 128, K=4, {args.threads} threads, torch {torch.__version__}")
    print(f"{'':31} {'ms':>8} {'per s':>8}   ratio to the bare loop: median (min to max of {args.rounds} rounds)")
    for name, seconds in times.items():
        ratios = sorted(a / b for a, b in zip(seconds, times["bare loop"], strict=True))
        median = statistics.median(seconds)
        spread = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        print(f"{name:31} {1e3 * median:8.2f} {1 / median:8.2f}   {spread}")
    draw = [a / b for a, b in zip(times["drawing the batch"], times["weight step"], strict=True)]
    print(f"drawing the batch is {100 * statistics.median(draw):.1f} % of a weight step")


if __name__ == "__main__":
    main()
