"""main.py, whose steps take at least so long that a run meets the time limit of its job on any machine."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import main
from core import fit

SECONDS = 0.03
step = fit.train_step


def slow(*arguments):
    """A step, and some rest."""
    time.sleep(SECONDS)
    return step(*arguments)


fit.train_step = slow
sys.exit(main.main(sys.argv[1:]))
