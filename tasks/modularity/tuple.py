"""Double addition: two pairs of numbers, added independently by one network. Are the two additions shared?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from data.arithmetic import BASE, encode
from layers import Linear
from masks.algebra import Masks
from masks.model import Masking
from models.feedforward import FeedForward
from models.lstm import LSTMModel
from tasks.modularity.arithmetic import Arithmetic, ArithmeticT, Cases, EvalSet
from tasks.modularity.arithmetic_options import TupleFeedForwardOptions, TupleOptions
from tasks.subnets import CONTROL

PAIRS = 2
STEPS_PER_PAIR = 3


class Mode(NamedTuple):
    """How two pairs go through the recurrent network."""

    shared_input: bool  # both pairs enter at the same inputs
    windowed_input: bool  # pair t is shown only in its own three steps
    shared_output: bool  # both sums leave at the same outputs
    windowed_output: bool  # pair t's sum is read at the end of its own steps, not at the end of all


MODES = {
    "together": Mode(False, False, False, False),
    "only_one": Mode(False, True, False, False),
    "same_output": Mode(False, False, True, True),
    "same_input": Mode(True, True, False, False),
    "same_io": Mode(True, True, True, True),
    "only_one_io": Mode(False, True, False, True),
}


class _DoubleAddition(Arithmetic[ArithmeticT]):
    """The data and the scores that both networks share; a case holds `pairs` [C, ..., 2]."""

    subtasks = ("pair1", "pair2")

    def make_train_set(self) -> Cases:
        return {"pairs": self.draw_pairs("train", self.options.data.train_size, PAIRS)}

    def set_size(self, name: str) -> int:
        """Return how many examples a measured set has."""
        return self.options.data.seen_size if name == "seen" else self.options.data.eval_size

    def parts(self, correct: Tensor, eval_set: EvalSet) -> dict[str, float]:
        each = {f"pair{i + 1}": correct[:, i].double().mean().item() for i in range(PAIRS)}
        return {"total": correct.all(1).double().mean().item()} | each

    def sums(self, pairs: Tensor) -> Tensor:
        """Return the right answers: [..., 2] -> [...]."""
        return pairs.sum(-1) % BASE**self.options.n_digits

    def index(self, subtask: str | None) -> int | None:
        """Return which pair a subtask is."""
        return None if subtask is None else self.subtasks.index(subtask)


class TupleFeedForward(_DoubleAddition[TupleFeedForwardOptions]):
    """Feed-forward double addition: each pair has its own inputs and outputs and its own forward pass.

    Differs from the authors' code: both passes of an example go through the same mask sample (the original
    draws new masks for each pass), and a mask for one pair runs that pair's passes only; neither changes the
    expected gradient.
    """

    model: FeedForward

    @property
    def width(self) -> int:
        """Inputs per pair; outputs are half as many."""
        return 2 * self.options.n_digits * BASE

    def make_model(self, rng: torch.Generator) -> FeedForward:
        return FeedForward(PAIRS * self.width, PAIRS * self.width // 2, self.options.layer_sizes, rng=rng)

    def make_eval_set(self, name: str) -> EvalSet:
        numbers = self.draw_pairs(name, self.set_size(name), PAIRS)
        slots = torch.arange(PAIRS, device=self.device).expand(numbers.shape[:2])
        rows = torch.cat([slots.unsqueeze(-1), numbers], -1).flatten(0, 1)
        cases, inverse = rows.unique(dim=0, return_inverse=True)
        return EvalSet({"slot": cases[:, 0], "pairs": cases[:, 1:]}, inverse.view(-1, PAIRS))

    def restricted(self, eval_set: EvalSet, subtask: str | None) -> EvalSet:
        if subtask is None:
            return eval_set
        column = self.subtasks.index(subtask)
        return EvalSet(eval_set.cases, eval_set.items[:, column : column + 1])

    def cases(self, examples: Cases, subtask: str | None) -> Cases:
        pairs = examples["pairs"]
        if subtask is not None:
            pairs = pairs[:, self.index(subtask)].unsqueeze(1)
        slots = (
            torch.arange(PAIRS, device=self.device)
            if subtask is None
            else torch.tensor([self.index(subtask)], device=self.device)
        )
        return {"slot": slots.expand(pairs.shape[:2]).flatten(), "pairs": pairs.flatten(0, 1)}

    def logits(self, cases: Cases, masking: Masking | None, subtask: str | None) -> Tensor:
        slot, n = cases["slot"], len(cases["slot"])
        at = torch.arange(n, device=self.device)
        x = torch.zeros(n, PAIRS, self.width, device=self.device)
        x[at, slot] = encode(cases["pairs"], self.options.n_digits)
        y = self.masked(x.flatten(1), masking)
        return y.view(n, PAIRS, self.options.n_digits, BASE)[at, slot].unsqueeze(1)

    def results(self, cases: Cases, subtask: str | None) -> Tensor:
        return self.sums(cases["pairs"]).unsqueeze(-1)


class TupleCopiedWeights(TupleFeedForward):
    """As TupleFeedForward, but pair 2 gets the input and output weights of pair 1 before masks are trained.

    So one module could serve both pairs.
    """

    def before_masks(self) -> None:
        first, last = self.model.layers[0], self.model.layers[-1]
        assert isinstance(first, Linear) and isinstance(last, Linear)
        with torch.no_grad():
            inputs = first.weight.view(-1, PAIRS, self.width)
            inputs[:, 0] = inputs[:, 1]
            outputs = last.weight.view(PAIRS, self.width // 2, -1)
            outputs[0] = outputs[1]
            bias = last.bias.view(PAIRS, -1)
            bias[0] = bias[1]

    def extra(self, subnet: str, masks: Masks) -> dict[str, float]:
        copied = self.all_accuracies("final/copied", None, self.sets) if subnet == CONTROL else {}
        return super().extra(subnet, masks) | copied


class Tuple(_DoubleAddition[TupleOptions]):
    """Double addition in an LSTM that sees six steps, three for each pair, in one of six modes."""

    @property
    def mode(self) -> Mode:
        """The chosen mode."""
        return MODES[self.options.tuple.mode]

    def make_model(self, rng: torch.Generator) -> LSTMModel:
        width = 2 * self.options.n_digits * BASE
        n_in = width * (1 if self.mode.shared_input else PAIRS)
        n_out = width // 2 * (1 if self.mode.shared_output else PAIRS)
        return LSTMModel(n_in, n_out, self.options.state_size, self.options.n_layers, rng=rng)

    def make_eval_set(self, name: str) -> EvalSet:
        numbers = self.draw_pairs(name, self.set_size(name), PAIRS)
        answers = torch.arange(numbers.shape[0] * PAIRS, device=self.device).view(-1, PAIRS)
        return EvalSet({"pairs": numbers}, answers)

    def restricted(self, eval_set: EvalSet, subtask: str | None) -> EvalSet:
        if subtask is None:
            return eval_set
        return EvalSet(eval_set.cases, torch.arange(len(eval_set.items), device=self.device).unsqueeze(1))

    def train_batch(self, rng: torch.Generator, step: int) -> tuple[Cases, str | None]:
        subtask = "pair1" if step < self.options.tuple.delay else None
        return self.draw(rng, self.options.train.batch_size, None), subtask

    def cases(self, examples: Cases, subtask: str | None) -> Cases:
        return examples

    def logits(self, cases: Cases, masking: Masking | None, subtask: str | None) -> Tensor:
        mode, only = self.mode, self.index(subtask)
        encoded = encode(cases["pairs"], self.options.n_digits)
        n, _, width = encoded.shape
        slots = 1 if mode.shared_input else PAIRS
        x = torch.zeros(n, PAIRS * STEPS_PER_PAIR, slots, width, device=self.device)
        for pair in range(PAIRS) if only is None else (only,):
            window = slice(pair * STEPS_PER_PAIR, (pair + 1) * STEPS_PER_PAIR) if mode.windowed_input else slice(None)
            x[:, window, 0 if mode.shared_input else pair] = encoded[:, pair].unsqueeze(1)
        y = self.masked(x.flatten(2), masking)
        y = y.view(n, PAIRS * STEPS_PER_PAIR, -1, self.options.n_digits, BASE)
        read = [
            y[:, (pair + 1) * STEPS_PER_PAIR - 1 if mode.windowed_output else -1, 0 if mode.shared_output else pair]
            for pair in (range(PAIRS) if only is None else (only,))
        ]
        return torch.stack(read, 1)

    def results(self, cases: Cases, subtask: str | None) -> Tensor:
        sums = self.sums(cases["pairs"])
        only = self.index(subtask)
        return sums if only is None else sums[:, only : only + 1]
