"""Sequence-to-sequence tasks: how batches are drawn, trained on, and decoded word by word."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from core.fit import Stage
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.sequences import Pairs, Sequences, join
from layers.eval_mode import evaluating
from masks.model import Masking
from models.sequence import SequenceModel
from tasks.modularity.seq2seq_options import SequenceOptions
from tasks.sizes import check_at_most
from tasks.subnets import SubnetTask

EVAL_BATCH = 1024
IGNORE_INDEX = -100  # in place of words behind the end, which the loss leaves out


SequenceT = TypeVar("SequenceT", bound=SequenceOptions)


class SequenceTask(SubnetTask[SequenceT]):
    """Base of these. A task defines the pairs that the network and each mask are trained and evaluated on.

    Attributes:
        training: what the network (None) and each subtask's mask are trained on.
        measured: held-out and seen pairs of the same, measured during that stage: (subtask, set) -> pairs.
        at_end: set -> part -> pairs, measured when a stage ends.
    """

    model: SequenceModel

    def __init__(self, options: SequenceT, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.training: dict[str | None, Sequences] = {}
        self.measured: dict[tuple[str | None, str], Sequences] = {}
        self.at_end: dict[str, dict[str, Sequences]] = {}

    @property
    def teaching(self) -> float:
        """Fraction of the batches with teacher forcing."""
        return 1.0

    def groups(self) -> list[list[str]]:
        return self.model.groups()

    def stages(self) -> Iterator[Stage]:
        """Yield the stages of SubnetTask, on pairs that are loaded now."""
        self.prepare()
        yield from super().stages()

    def prepare(self) -> None:
        """Load the pairs and say which sets are measured."""
        tests = self.load()
        self.at_end |= tests
        self.sets, self.tests = tuple(self.at_end), tuple(tests)
        self.orders = {subtask: pairs.by_length() for subtask, pairs in self.training.items()}
        fewest = min(map(len, self.training.values()))
        check_at_most(self.options, "seen_size", fewest, "training pairs of the smallest set")
        check_at_most(self.options, "train.buckets", fewest, "training pairs of the smallest set")

    @abstractmethod
    def load(self) -> dict[str, dict[str, Sequences]]:
        """Call `use` for the network's and each subtask's training pairs, and return the test sets, part by part."""

    def use(self, subtask: str | None, parts: Mapping[str, Mapping[str, Sequences]]) -> None:
        """Train on these pairs, all but those that are held out for validation.

        Args:
            subtask: None for the network and the whole task's mask.
            parts: part -> name of a set -> pairs. What is held out of a set is the same in every use of it.
        """
        whole = join([pairs for sets in parts.values() for pairs in sets.values()]).to(self.device)
        before, stay = 0, []
        split: dict[str, dict[str, Tensor]] = {"valid": {}, "seen": {}}
        for part, sets in parts.items():
            held_out, seen = [], []
            for name, pairs in sets.items():
                held, others = (index + before for index in self._held_out(pairs, f"{part} {name}"))
                held_out.append(held)
                seen.append(others[: -(-self.options.seen_size // len(sets))])
                stay.append(others)
                before += len(pairs)
            split["valid"][part], split["seen"][part] = torch.cat(held_out), torch.cat(seen)
        self.training[subtask] = whole[torch.cat(stay)]
        for name, found in split.items():
            if all(len(index) for index in found.values()):
                self.measured[subtask, name] = whole[torch.cat(list(found.values()))]
                if subtask is None:
                    self.at_end[name] = {part: whole[index] for part, index in found.items()}

    def _held_out(self, pairs: Sequences, name: str) -> tuple[Tensor, Tensor]:
        """Return the numbers of the pairs that are held out, and of the others in a fixed random order.

        A pair that is there several times, as some are in SCAN, stays: its copies would be trained on.
        """
        count = round(self.options.hold_out * len(pairs))
        order = torch.randperm(len(pairs), generator=stream(0, "data", "held out", name))
        if not count:
            return order[:0], order
        texts = pairs.source.texts()
        copies = Counter(texts)
        held_out = torch.tensor([copies[texts[i]] == 1 for i in order.tolist()])
        held_out &= held_out.cumsum(0) <= count
        return order[held_out], order[~held_out]

    @property
    def best(self) -> str:
        """The key that marks the best checkpoint."""
        return "valid/accuracy/total" if (None, "valid") in self.measured else ""

    @property
    def subnets(self) -> tuple[str, ...]:
        """The masks to be learned, in their order."""
        return () if self.options.train_baseline else super().subnets

    def draw(self, rng: torch.Generator, size: int, subtask: str | None) -> tuple[Pairs, bool]:
        """Draw pairs of one group of similar lengths, with replacement, and say whether the right words teach them."""
        order, groups = self.orders[subtask], self.options.train.buckets
        n = len(order)
        group = int(torch.randint(n, (), generator=rng)) * groups // n  # a group counts by its size
        first, behind = (-(-n * edge // groups) for edge in (group, group + 1))
        index = order[torch.randint(first, behind, (size,), generator=rng)]
        taught = float(torch.rand((), generator=rng)) < self.teaching
        return self.training[subtask].batch(index), taught

    def loss(self, batch: tuple[Pairs, bool], subtask: str | None, masking: Masking | None) -> Tensor:
        """Return the cross entropy, summed over an answer and its end, mean over answers."""
        pairs, taught = batch
        outputs = self.masked(pairs.source, masking, pairs.source_length, pairs.target, taught=taught)
        return _cross_entropy(outputs, pairs) / len(pairs.source)

    def right(self, masking: Masking | None, pairs: Sequences) -> Tensor:
        """Return [N] which answers, word by word and in their length, are right; in eval mode."""
        right = torch.zeros(len(pairs), dtype=torch.bool)
        with evaluating(self.model):
            for index, batch in pairs.buckets(self.options.train.eval_batch_size or EVAL_BATCH):
                wanted = F.pad(batch.target, (0, 1), value=pairs.target.end)
                found = self.masked(batch.source, masking, batch.source_length, most=wanted.shape[1])
                right[index] = (found == wanted).all(1).cpu()
        return right

    def mean_loss(self, masking: Masking | None, pairs: Sequences) -> float:
        """Return the loss of these pairs under teacher forcing, in eval mode."""
        total = 0.0
        with evaluating(self.model):
            for _, batch in pairs.buckets(self.options.train.eval_batch_size or EVAL_BATCH):
                outputs = self.masked(batch.source, masking, batch.source_length, batch.target)
                total += _cross_entropy(outputs, batch).item()
        return total / len(pairs)

    def measure(self, masking: Masking | None, subtask: str | None) -> dict[str, float]:
        """Return loss and accuracy on the held-out and the seen pairs of what is trained on."""
        numbers = {}
        for (of, name), pairs in self.measured.items():
            if of == subtask:
                numbers[f"{name}/loss"] = self.mean_loss(masking, pairs)
                numbers[f"{name}/accuracy/total"] = self.right(masking, pairs).double().mean().item()
        return numbers

    def accuracy(self, masking: Masking | None, name: str) -> dict[str, float]:
        """Return accuracy/total, and of each part where there are several."""
        right = {part: self.right(masking, pairs).double() for part, pairs in self.at_end[name].items()}
        numbers = {"accuracy/total": torch.cat(list(right.values())).mean().item()}
        each = {f"accuracy/{part}": found.mean().item() for part, found in right.items()}
        return numbers | (each if len(each) > 1 else {})


def _cross_entropy(outputs: Tensor, pairs: Pairs) -> Tensor:
    end = outputs.shape[-1] - 1
    places = torch.arange(outputs.shape[1], device=outputs.device)
    answers = F.pad(pairs.target, (0, 1), value=end).masked_fill(places > pairs.target_length[:, None], IGNORE_INDEX)
    return F.cross_entropy(outputs.flatten(0, 1), answers.flatten(), ignore_index=IGNORE_INDEX, reduction="sum")
