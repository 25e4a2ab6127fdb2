"""Ten tasks in one network: trained one after the other, and side by side in one pass.

    python benchmarks/tasks_at_once.py [--batch 128 32] [--seconds 20] [--json FILE]

The tasks are permutations of random images of MNIST's size, the network is 784-300-100-100, the masks are thresholds
trained by RMSprop, as in "Supermasks in Superposition". In each round one training step of every task is taken:

    one after the other   ten steps of task supsup with tasks_at_once=1
    side by side          one step with tasks_at_once=10
    products              the matrix products of such a step alone, for ten tasks: a floor for both
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.rounds import Step, arguments, measure, over, write
from core.fit import make_optimizer, train_step
from core.malloc import keep_freed_memory
from core.store import Run
from core.trackers import Mirrors
from tasks.options import resolve
from tasks.supsup.supsup import SupSup
from tasks.supsup.supsup_options import SupSupOptions

TASKS, SIZES = 10, (784, 300, 100, 100)


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(__doc__, 20.0, "batch size", batch={"type": int, "nargs": "+", "default": [128, 32]})
    keep_freed_memory()
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npz"
        draw = np.random.RandomState(0)
        x, y = draw.randint(0, 256, (2000, 1, 28, 28), np.uint8), np.arange(2000) % 10
        np.savez(images, x_train=x, y_train=y, x_test=x[:100], y_test=y[:100])
        for batch in args.batch:
            times = measure(steps(folder, images, batch), args.seconds, args.clock)
            cells.append({"batch": batch, "milliseconds": times})
            alone, together = times["one after the other"], times["side by side"]
            gain, floor = over(alone, together), over(together, times["products"])
            print(f"batch {batch:>4}: side by side {statistics.median(together):.1f} ms; "
                  f"one after the other / side by side {gain}; side by side / products {floor}")  # fmt: skip
    write(args.json, cells=cells)


def steps(folder: str, images: Path, batch: int) -> dict[str, Step]:
    """Return a step of all tasks in each way."""

    def trainer(together: int) -> Step:
        options = resolve({
            "task": "supsup", "data.file": images, "outputs": SIZES[-1], "tasks.count": TASKS,
            "train.batch_size": batch, "tasks_at_once": together, "run.dir": f"{folder}/{batch}-{together}",
            "log": "none",
        })  # fmt: skip
        assert isinstance(options, SupSupOptions)
        run = Run.create(options)
        task = SupSup(options, run, Mirrors((), run))
        stages = [(stage, make_optimizer(stage)) for stage in task.stages()]
        taken = 0

        def step() -> None:
            nonlocal taken
            for stage, optimizer in stages:
                assert optimizer is not None
                train_step(stage, optimizer, 0, taken)
            taken += 1

        return step

    xs = [torch.randn(TASKS, batch, n) for n in SIZES]
    weights = [torch.randn(TASKS, o, i) for i, o in zip(SIZES, SIZES[1:], strict=False)]

    def products() -> None:
        for x, weight, y in zip(xs, weights, xs[1:], strict=False):
            torch.bmm(x, weight.mT)  # forward
            torch.bmm(y.mT, x)  # to the weight
            if weight is not weights[0]:
                torch.bmm(y, weight)  # to the input

    return {"one after the other": trainer(1), "side by side": trainer(TASKS), "products": products}


if __name__ == "__main__":
    main()
