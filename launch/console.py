"""Console output of the launcher: permanent lines, and one transient progress line."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

PLAIN_SECONDS = 30.0  # between progress lines in a file, when nothing but percentages changed


def how_far(status: Mapping[str, Any]) -> str:
    """Return " train 43%" for the status.json of a run; "" before its first step."""
    return f" {status['stage']} {100 * status['step'] // status['steps']}%" if status.get("steps") else ""


class Screen:
    """Writes to a terminal or a file.

    On a terminal the progress line is rewritten in place. Elsewhere it is a plain line, written when a run
    started or ended, otherwise at most every 30 s.

    Args:
        stream: usually sys.stdout.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.terminal = stream.isatty()
        self.shown, self.counts, self.written = "", "", 0.0

    def line(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        self._write(text + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """Write several lines that stay."""
        for text in texts:
            self.line(text)

    def progress(self, counts: str, runs: str) -> None:
        """Replace the progress line.

        Args:
            counts: how many are done, running, failed.
            runs: how far the running ones are.
        """
        text = f"{counts} | {runs}" if runs else counts
        if text == self.shown:
            return
        if self.terminal:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._write(f"\r\033[K{text}")
        elif counts == self.counts and time.monotonic() - self.written < PLAIN_SECONDS:
            return
        else:
            self._write(text + "\n")
        self.shown, self.counts, self.written = text, counts, time.monotonic()

    def ask(self, text: str) -> None:
        """Write a question; the answer follows on its line."""
        self._clear()
        self._write(text)

    def _clear(self) -> None:
        if self.terminal and self.shown:
            self._write("\r\033[K")
            self.shown = ""

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:  # `| head`, a terminal that was closed: no reason to end a sweep
            self.stream = open(os.devnull, "w")
            os.dup2(self.stream.fileno(), sys.stdout.fileno())  # or Python complains when it exits
