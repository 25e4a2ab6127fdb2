"""A child process that ends with this one, and the signals that ask this one to end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

GRACE_SECONDS = 30.0  # a run saves within a step; a step takes seconds
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # before any fork: dlopen in a child may hang


class Child:
    """A process in a session of its own, so that Ctrl-C reaches it only through us, once, as SIGTERM.

    Should we be killed, Linux sends it SIGTERM too. The caller must have no threads: it is the end of the
    thread that started the child that counts.

    Args:
        command: program and arguments.
        **settings: env, stdout, stderr as of subprocess.Popen.
    """

    def __init__(self, command: Sequence[str], **settings: Any):
        parent = os.getpid()

        def end_with_parent() -> None:
            if _libc is not None:
                _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:  # it died before the line above
                    os._exit(1)

        self.process = subprocess.Popen(list(command), start_new_session=True, preexec_fn=end_with_parent, **settings)
        self.pid = self.process.pid

    def code(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self.process.poll()

    def send(self, number: int) -> None:
        """Send a signal to the process and whatever it started."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass  # all of them are gone

    def end(self, seconds: float = 5.0) -> None:
        """End it: SIGTERM, then SIGKILL after so many seconds."""
        self.send(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        self.send(signal.SIGKILL)
        self.process.wait()


class Interrupts:
    """Counts SIGINT, SIGTERM, SIGHUP and SIGUSR2 inside a `with` block instead of being killed by them.

    SIGUSR2 is what Slurm sends shortly before the end of a job.
    The children do not inherit this: exec resets handlers, but would keep an ignored signal ignored.

    Args:
        grace: seconds of waiting after the first one.
        patient: it is Slurm that asks, which sends signals in twos and threes; only the grace time counts.
    """

    def __init__(self, grace: float = GRACE_SECONDS, patient: bool = False):
        self.grace, self.patient, self.count, self.deadline = grace, patient, 0, float("inf")
        self.received: set[int] = set()

    def __enter__(self) -> Interrupts:
        self.before = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP; let it
                self.before[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    @property
    def enough(self) -> bool:
        """True when waiting is over: asked twice, or the grace time has passed."""
        return (self.count > 1 and not self.patient) or time.monotonic() > self.deadline

    def _count(self, number: int, _: object) -> None:
        self.received.add(number)
        self.count += 1
        self.deadline = min(self.deadline, time.monotonic() + self.grace)
