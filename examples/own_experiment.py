"""Digits, in one file (./main.py --task=examples/own_experiment.py; short: python examples/own_experiment.py)."""

import sys
from dataclasses import dataclass
from pathlib import Path

from sklearn.datasets import load_digits
from torch import Tensor, float32, nn, tensor

sys.path.insert(0, str(Path(__file__).parent.parent))  # a clone needs no installation
from sieve import Experiment


@dataclass(frozen=True)
class Options(Experiment.Options):
    """Do small and large digits use the same weights?"""

    width: int = 100
    """Neurons of the hidden layer."""


class Digits(Experiment):
    """A network that tells digits apart; a mask for all of them, one for the small and one for the large ones."""

    Options = Options
    subtasks = {"small": lambda x, y: y < 5, "large": lambda x, y: y >= 5}

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(64, self.options.width), nn.ReLU(), nn.Linear(self.options.width, 10))

    def data(self) -> tuple[Tensor, Tensor]:
        pixels, labels = load_digits(return_X_y=True)
        return tensor(pixels, dtype=float32) / 16, tensor(labels)


if __name__ == "__main__":
    from main import main

    main([f"--task={__file__}", "--train.steps=200", "--mask.steps=60", "--mask.lr=0.1"])
