"""How benchmarks measure: every variant once per round, so that ratios compare measurements from the same minute.

The order changes from round to round: a variant that sweeps the caches would else always hurt the same one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

Step = Callable[[], object]
LEAST_ROUNDS = 5


def arguments(doc: str, seconds: float, each: str, **more: dict[str, Any]) -> argparse.Namespace:
    """Read the command line of a benchmark, with the clock to measure by as `clock`, and set the number of threads.

    Args:
        doc: its module's docstring.
        seconds: default of --seconds.
        each: what gets that time.
        **more: further options, name -> arguments of `add_argument`.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=seconds, help=f"for each {each}")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--cpu", action="store_const", const=time.process_time, default=time.perf_counter, dest="clock",
        help="measure processor time instead of wall time",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the numbers and what machine they are from")
    for name, settings in more.items():
        parser.add_argument(f"--{name}", **settings)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args


def write(path: Path | None, **numbers: object) -> None:
    """Write the numbers and the machine as JSON, if a file is given."""
    if path:
        path.write_text(json.dumps({"machine": machine()} | numbers, indent=1))


def measure(steps: Mapping[str, Step], seconds: float, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Return milliseconds of each round by variant; at least five rounds, after two that do not count."""
    for step in [*steps.values()] * 2:
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    stop, rounds = time.perf_counter() + seconds, 0
    while rounds < LEAST_ROUNDS or time.perf_counter() < stop:
        rounds += 1
        order = random.Random(rounds).sample(list(steps.items()), len(steps))
        for name, step in order:
            begin = clock()
            step()
            times[name].append(round(1e3 * (clock() - begin), 3))
    return times


def spread(ratios: list[float]) -> str:
    """Return "median (quartile-quartile)"."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:5.2f} ({low:.2f}-{high:.2f})"


def over(own: list[float], other: list[float]) -> str:
    """Return the spread of the ratios of two variants, round by round."""
    return spread([a / b for a, b in zip(own, other, strict=True)])


def machine() -> dict[str, object]:
    """Return what the numbers depend on."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    return {
        "cpu": names[0].split(":", 1)[1].strip() if names else platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
