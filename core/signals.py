"""Signals from schedulers and Ctrl-C, as a flag that is checked between steps."""

from __future__ import annotations

import signal

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
PATIENCE = 3  # Ctrl-Cs; a scheduler and an agent may each send one


class Signals:
    """Records signals inside a `with` block instead of being killed by them, however often they arrive.

    The third SIGINT is a person who does not want to wait: it raises KeyboardInterrupt as usual.

    Attributes:
        received: name of the last one, or "".
    """

    def __init__(self) -> None:
        self.received = ""
        self.interrupts = 0

    def __enter__(self) -> Signals:
        self.previous = {number: signal.signal(number, self._note) for number in WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        self.received = signal.Signals(number).name
        self.interrupts += number == signal.SIGINT
        if self.interrupts == PATIENCE:
            raise KeyboardInterrupt
