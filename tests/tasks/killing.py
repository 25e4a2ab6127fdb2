"""Runs `main.main` in a process of its own, killed at a chosen moment. Forked from a server that has torch loaded."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Callable

KINDS = ("step", "checkpoint", "rename", "row", "stage")

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [
        "torch",
        "tensorboard",
        "main",
        "core.fit",
        "tasks.modularity.tuple",
        "tasks.untying.cnn_elcn",
        "tasks.supsup.supsup",
        "sklearn.datasets",
        "torch._inductor.config",  # which torch itself imports on first use, in more than a second
    ]
)


def run(
    arguments: list[str],
    kind: str = "",
    count: int = 0,
    number: int = signal.SIGKILL,
    prepare: Callable[[], object] | None = None,
) -> int:
    """Run main.py with these arguments; return its exit code, negative for a signal.

    Args:
        kind: what to be in the middle of when the signal comes: "step" (after the gradient), "checkpoint" (half of
            a file written), "rename" (file written, not yet in place), "row" (half a history row written),
            "stage" (a stage measured, nothing of it saved), or "" for never.
        count: at which such moment.
        number: the signal.
        prepare: called in the process first; can be pickled.
    """
    process = context.Process(target=_child, args=(arguments, kind, count, number, prepare))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def _child(arguments: list[str], kind: str, count: int, number: int, prepare: Callable[[], object] | None) -> None:
    import torch

    import core.files
    import core.fit
    import core.history
    import core.trackers
    import main

    if prepare is not None:
        prepare()
    sys.stderr = open(os.devnull, "w")
    torch.set_num_threads(1)
    left = count

    def strike() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)

    def before(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def wrapped(*args, **kwargs):
            strike()
            return original(*args, **kwargs)

        setattr(owner, name, wrapped)

    if kind == "step":
        for kind_of_optimizer in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop):
            before(kind_of_optimizer, "step")
    elif kind == "checkpoint":
        own = types.ModuleType("os")  # history.jsonl is synced too, and is never cut short
        vars(own).update(vars(os))

        def guarded(descriptor: int) -> None:
            if left == 1:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            strike()
            os.fsync(descriptor)

        own.fsync = guarded
        core.files.os = own
    elif kind == "rename":
        before(core.files.os, "replace")
    elif kind == "row":
        original_append = core.history.History.append

        def append(self, row):
            if left == 1:
                self.file.write(b'{"step": 1')
                self.file.flush()
            strike()
            original_append(self, row)

        core.history.History.append = append
    elif kind == "stage":
        before(core.trackers.Mirrors, "results")
    sys.exit(main.main(arguments))
