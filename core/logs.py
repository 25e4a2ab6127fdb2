"""Where a run's log messages go: all of them to log.txt, and the important ones to the terminal."""

from __future__ import annotations

import logging
import sys
from pathlib import Path


def start_log(path: Path, quiet: bool) -> None:
    """Open log.txt for appending; the screen shows the same, less the progress when it draws bars."""
    file, screen = logging.FileHandler(path), logging.StreamHandler()
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(message)s"))
    bars = sys.stderr.isatty()  # they show what the lines of progress, at level DEBUG, say
    screen.setLevel(logging.WARNING if quiet else logging.INFO if bars else logging.DEBUG)
    logging.basicConfig(level=logging.WARNING, handlers=[file, screen], format="%(message)s", force=True)
    logging.getLogger("sieve").setLevel(logging.DEBUG)
    # torch warns here, whenever it compiles for the CPU, that a CUDA toolkit without a GPU is installed
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
