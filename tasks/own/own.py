"""The task of an experiment of one's own: a mask for all of its data, and one for each of its subtasks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.rng import key, stream
from core.store import Run
from core.trackers import Mirrors
from layers.eval_mode import evaluating, outputs
from masks.algebra import Masks
from masks.masking import Given
from masks.model import Masking
from tasks.own.experiment import Examples, Experiment
from tasks.own.own_file import pointing, wrong
from tasks.own.own_options import OwnOptions
from tasks.subnets import SubnetTask

EVAL_BATCH = 1000
SETS = ("train", "valid", "test")


class Own(SubnetTask[OwnOptions]):
    """Runs an `Experiment`. Its data is loaded when it is made: only so is a mistake in it found before training.

    Args:
        path: the experiment's file.
        experiment: its class.
        options, run, mirrors: as of every task.

    Raises:
        OptionError: what the file gives is unusable; the text names its line.
    """

    sets = ("valid", "test")

    def __init__(self, path: str, experiment: type[Experiment], options: OwnOptions, run: Run, mirrors: Mirrors):
        self.path = path
        with pointing(path):
            self.mine = experiment(options)
        super().__init__(options, run, mirrors)
        self.masked.backend = experiment.backend
        self.examples = self.load()
        self.belongs = {(name, part): self.find(name, part) for name in SETS for part in (None, *self.subtasks)}
        self.try_out()

    # what the file gives

    def make_model(self, rng: torch.Generator) -> nn.Module:
        """Return the file's network, drawn from the seed's stream."""
        with pointing(self.path), seeded(rng.initial_seed()):
            model = self.mine.model()
        if not isinstance(model, nn.Module):
            raise wrong(self.path, self.mine.model, f"model() returned {_said(model)}; it must be a torch.nn.Module")
        return model

    def load(self) -> dict[str, Examples]:
        """Return the sets "train", "valid" and "test" on the device, checked."""
        with pointing(self.path), seeded(key(0, "data")):
            given = self.mine.data()
        sets = given if isinstance(given, Mapping) else {"all": given}
        if isinstance(given, Mapping) and set(given) != set(SETS):
            names = ", ".join(map(str, given)) or "nothing"
            raise self._wrong_data(f"returned {names}; a mapping has {', '.join(SETS)}")
        for name, pair in sets.items():
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and all(isinstance(t, Tensor) for t in pair)):
                raise self._wrong_data(f"returned {_said(pair)} for {name}; it must be two tensors, x and y")
            x, y = pair
            if not x.dim() or not y.dim() or len(x) != len(y):
                raise self._wrong_data(f"returned x {_said(x)} and y {_said(y)} for {name}; axis 0 of both is examples")
            if len(x) < (10 if name == "all" else 1):
                raise self._wrong_data(f"returned {len(x)} examples for {name}; too few")
        if "all" in sets:
            x, y = sets["all"]
            order = torch.randperm(len(x), generator=stream(0, "split"))
            tenth = len(x) // 10
            parts = dict(zip(SETS, order.split([len(x) - 2 * tenth, tenth, tenth]), strict=True))
            sets = {name: (x[index], y[index]) for name, index in parts.items()}
        return {name: (x.to(self.device), y.to(self.device)) for name, (x, y) in sets.items()}

    def find(self, name: str, subtask: str | None) -> Tensor:
        """Return the numbers of a set's examples that belong to a subtask, to all for None."""
        x, y = self.examples[name]
        if subtask is None:
            return torch.arange(len(y), device=self.device)
        chooses = self.mine.subtasks[subtask]
        with pointing(self.path):
            chosen = chooses(x, y)
        if not isinstance(chosen, Tensor) or chosen.dtype != torch.bool or chosen.shape != (len(y),):
            text = f"subtask {subtask} gave {_said(chosen)}; it must be a bool for each example, [{len(y)}]"
            raise wrong(self.path, chooses, text)
        if not chosen.any():
            raise wrong(self.path, chooses, f"subtask {subtask} has no example in {name} ({len(y)} examples)")
        return chosen.nonzero()[:, 0]

    def try_out(self) -> None:
        """Run the network, the loss and the accuracy on two examples."""
        x, y = (tensor[:2] for tensor in self.examples["train"])
        with pointing(self.path, self.mine.model), evaluating(self.model):
            output = self.masked(x)
        if not isinstance(output, Tensor) or not output.dim() or len(output) != len(x):
            text = f"the network gives {_said(output)} for x {_said(x)}; axis 0 of both is examples"
            raise wrong(self.path, self.mine.model, text)
        with pointing(self.path, self._blamed("loss")):
            loss, right = self.mine.loss(output, y), self.mine.correct(output, y)
        for found, of, shape in ((loss, self.mine.loss, ()), (right, self.mine.correct, (len(y),))):
            if not isinstance(found, Tensor) or found.shape != shape:
                what = "a scalar" if not shape else "a bool for each example"
                text = f"{of.__name__}() gives {_said(found)} for output {_said(output)} and y {_said(y)}; not {what}"
                raise self._wrong_at(of.__name__, text)

    def _wrong_data(self, text: str) -> Exception:
        return self._wrong_at("data", f"data() {text}")

    def _wrong_at(self, name: str, text: str) -> Exception:
        return wrong(self.path, self._blamed(name), text)

    def _blamed(self, name: str) -> Callable[..., Any]:
        """Return a method; where the file leaves it as it is, its data is to blame."""
        method = getattr(type(self.mine), name)
        return method if method.__code__.co_filename == self.path else type(self.mine).data

    # what SubnetTask asks for

    @property
    def subtasks(self) -> tuple[str, ...]:
        """The names of the file's subtasks."""
        return tuple(self.mine.subtasks)

    def groups(self) -> list[list[str]]:
        """Return the parameter names by module, in the order in which the network registers them."""
        found: dict[str, list[str]] = {}
        for name, _ in self.model.named_parameters():
            found.setdefault(name.rpartition(".")[0], []).append(name)
        return list(found.values())

    def draw(self, rng: torch.Generator, size: int, subtask: str | None) -> Examples:
        """Draw training examples with replacement."""
        x, y = self.examples["train"]
        mine = self.belongs["train", subtask]
        index = mine[torch.randint(len(mine), (size,), generator=rng).to(self.device)]
        return x[index], y[index]

    def loss(self, batch: Examples, subtask: str | None, masking: Masking | None) -> Tensor:
        """Return the file's loss."""
        return self.mine.loss(self.masked(batch[0], masking), batch[1])

    def answers(self, masking: Masking | None, name: str, subtask: str | None) -> tuple[Tensor, Tensor]:
        """Return the network's outputs in eval mode, and the targets, of the examples of a subtask in a set."""
        index = self.belongs[name, subtask]
        x, y = (tensor[index] for tensor in self.examples[name])
        size = self.options.train.eval_batch_size or EVAL_BATCH
        return outputs(self.model, lambda part: self.masked(part, masking), x, size), y

    def measure(self, masking: Masking | None, subtask: str | None) -> dict[str, float]:
        """Return loss and accuracy on the held-out examples of the subtask."""
        output, y = self.answers(masking, "valid", subtask)
        right = self.mine.correct(output, y).double().mean().item()
        return {"valid/loss": self.mine.loss(output, y).item(), "valid/accuracy/total": right}

    def accuracy(self, masking: Masking | None, name: str) -> dict[str, float]:
        """Return accuracy/total and that of each subtask."""
        right = self.mine.correct(*self.answers(masking, name, None)).double()
        parts = {"total" if part is None else part: self.belongs[name, part] for part in (None, *self.subtasks)}
        return {f"accuracy/{part}": right[index].mean().item() for part, index in parts.items()}

    def extra(self, subnet: str, masks: Masks) -> dict[str, float]:
        """Test the inverse of a mask."""
        return self.all_accuracies(f"inverse/{subnet}/none", Given(~masks), self.sets)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch for the block, and give them their states back."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _said(value: object) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__
