"""Slots for runs on this machine: how many at a time, and which GPUs each of them sees."""

from __future__ import annotations

import os
import re

from core.errors import SweepError

GPU = re.compile(r"\d+|(GPU|MIG)-[\w-]+")


def read_slots(gpus: str | None, jobs: int) -> list[str | None]:
    """Return one entry per run at a time: the value of CUDA_VISIBLE_DEVICES, or None to leave it as it is.

    Args:
        gpus: groups such as "0|1|2,3": three groups, the last of two GPUs. None: the GPUs are not divided.
        jobs: runs at a time on each group (or on the machine, without groups).

    Raises:
        SweepError: `gpus` is not of that form.
    """
    if gpus is None:
        return [None] * jobs
    groups: list[str | None] = []
    for number, group in enumerate(gpus.split("|"), 1):
        names = [name.strip() for name in group.split(",")]
        wrong = [name for name in names if not GPU.fullmatch(name)]
        if wrong:
            what = f"{wrong[0]!r} is no GPU number" if wrong[0] else "a GPU number is missing"
            raise SweepError(f"--gpus {gpus!r}: {what} in group {number}; write it like '0|1|2,3'")
        if len(set(names)) < len(names):
            raise SweepError(f"--gpus {gpus!r}: group {number} names a GPU twice")
        groups.append(",".join(names))
    return groups * jobs  # in this order the first runs go to different GPUs


def jobs_here(gpus: str | None, runs: int | None = None) -> int:
    """Return the number that `--jobs auto` stands for: a run for each core, or one on each group of GPUs.

    Args:
        gpus: as of `read_slots`.
        runs: how many there are to do; more places than that would only take threads from each. None: enough.
    """
    return 1 if gpus is not None else max(1, min(_cores(), runs or _cores()))


def environment(slot: str | None, slots: int) -> dict[str, str]:
    """Return the environment of a run in one of `slots` places.

    The cores are divided among the places: eight runs with a thread per core each would stand in each other's
    way. An OMP_NUM_THREADS set by the user is left alone.
    """
    found = {"OMP_NUM_THREADS": str(max(1, _cores() // slots)), **os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if slot is not None:
        found["CUDA_VISIBLE_DEVICES"] = slot
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
