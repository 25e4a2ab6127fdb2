"""Questions about two numbers: which pairs are for what, the loss of answers, and what answers agree with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.accuracy import accuracy
from core.errors import OptionError
from data.induction_arithmetic import agreement, answers, majority_rate, questions, split_pairs
from data.induction_rules import rivals
from tasks.induction.induction_math_options import InductionMathOptions
from tasks.induction.rule_names import slug

Network = Callable[[Tensor], Tensor]  # any number of questions [N, 3] -> logits [N, 3, words], for measuring
Rows = tuple[Tensor, Tensor]  # questions [N, 3], answers [N]


class Questions:
    """The pairs of a run, as questions and answers.

    Args:
        options: of the task.
        seed: of the pairs that are held out.
        device: where the tensors lie.

    Raises:
        OptionError: more pairs are asked for than there are.
    """

    def __init__(self, options: InductionMathOptions, seed: int, device: torch.device):
        data, transfer = options.data, options.transfer
        self.options, self.modulus, self.operands = options, data.modulus, data.operands
        self.pairs = split_pairs(data.operands, seed, data.pool, data.held_out, device)
        there = len(self.pairs.pool)
        for name, value in {"train.rows": options.train.rows, "mask.rows": options.mask.rows}.items():
            if value is not None and value > there:
                raise OptionError(f"{name}={value} is more than the {there} pairs of the pool")
        if (most := max(transfer.disambiguating)) > there:
            raise OptionError(f"transfer.disambiguating={most} is more than the {there} pairs of the pool")
        self.rivals = rivals(transfer.rule, data.modulus) if transfer.ambiguous else []

    def rows(self, rule: str, pairs: Tensor) -> Rows:
        """Return questions about pairs [N, 2], and a rule's answers."""
        return questions(pairs, self.operands), answers(rule, pairs, self.modulus)

    def seen(self, rule: str, rows: int | None) -> Rows:
        """Return what the base or the mask is trained on: pairs of the pool, None: all, and those with a = b."""
        return self.rows(rule, torch.cat([self.pairs.pool[:rows], self.pairs.ambiguous]))

    def transfer(self, count: int, seed: int) -> Rows:
        """Return what a transfer with so many disambiguating pairs is trained on."""
        pick = self.pairs.transfer if self.options.transfer.ambiguous else self.pairs.disambiguating
        return self.rows(self.options.transfer.rule, pick(count, seed))

    def loss(self, logits: Tensor, batch: Rows) -> Tensor:
        """Return the mean loss of logits [B, 3, words]."""
        x, y = batch
        if self.options.loss == "answer":
            return cross_entropy(logits[:, -1, : self.modulus], y)
        return cross_entropy(logits.flatten(0, 1), torch.cat([x[:, 1:], y[:, None]], 1).flatten())

    def read(self, logits: Tensor) -> Tensor:
        """Return those of logits [N, 3, words] of which the largest is the answer: of all answers, or of all words."""
        return logits[:, -1, : self.modulus] if self.options.loss == "answer" else logits[:, -1]

    def measure(self, network: Network, rule: str, part: str) -> dict[str, float]:
        """Return <part>/loss and <part>/accuracy of a rule on valid, test or ambiguous pairs."""
        x, y = self.rows(rule, getattr(self.pairs, part))
        logits = network(x).double()
        return {f"{part}/loss": self.loss(logits, (x, y)).item(), f"{part}/accuracy": accuracy(self.read(logits), y)}

    def adopted(self, network: Network) -> dict[str, float]:
        """Return which rule a transfer answers by: agreement with the target and each rival on the test pairs.

        agrees/<rule>: fraction of answers that are this rule's; several may give one answer. agrees/none: fraction
        that none of them gives.
        """
        pairs, target = self.pairs.test, self.options.transfer.rule
        given = self.read(network(questions(pairs, self.operands))).argmax(-1)
        same = {rule: given == answers(rule, pairs, self.modulus) for rule in (target, *self.rivals)}
        none = ~torch.stack(list(same.values())).any(0)
        found = {f"agrees/{slug(rule)}": equal.double().mean().item() for rule, equal in same.items()}
        return found | {"agrees/none": none.double().mean().item()}

    def majority(self, rule: str) -> float:
        """Return what always the most frequent answer of a rule scores on the test pairs."""
        return majority_rate(rule, self.pairs.test, self.modulus)

    def chances(self) -> dict[str, float]:
        """Return chance/<rule>: what a transfer scores on the test pairs that has adopted a rival."""
        target, pairs = self.options.transfer.rule, self.pairs.test
        return {f"chance/{slug(rule)}": agreement(target, rule, pairs, self.modulus) for rule in self.rivals}
