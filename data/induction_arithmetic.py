"""Modular arithmetic in which a rule is left open: pairs of operands, and the words that a language model reads.

A question is [a, b, SEP] and its answer (rule of a and b) mod p, read at SEP. Where a = b several rules give the same
answers (`data.induction_rules.rivals`): these pairs are the ambiguous set, and only the others can tell which rule a
network has found. Source: Zhang, Lepori, Pavlick, "Instilling Inductive Biases with Subnetworks", arXiv 2310.10899.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import OptionError
from core.rng import stream
from data.induction_rules import rule

QUESTION = 3  # words: a, b and SEP


@dataclass(frozen=True)
class Pairs:
    """All pairs of operands 0 .. operands - 1, in four sets that share none.

    Attributes:
        pool: [N, 2], a != b: what training may see of them.
        valid, test: [N, 2], a != b.
        ambiguous: [operands, 2], a = b.
    """

    pool: Tensor
    valid: Tensor
    test: Tensor
    ambiguous: Tensor

    def disambiguating(self, count: int, seed: int) -> Tensor:
        """Return [count, 2] pairs of the pool, drawn without replacement; fewer are the first of more.

        Raises:
            OptionError: the pool has not so many.
        """
        if not 0 <= count <= len(self.pool):
            raise OptionError(f"{count} disambiguating pairs cannot be drawn; allowed: 0 to {len(self.pool)}, the pool")
        order = torch.randperm(len(self.pool), generator=stream(seed, "data", "disambiguating"))
        return self.pool[order[:count].to(self.pool.device)]

    def transfer(self, count: int, seed: int) -> Tensor:
        """Return the ambiguous pairs, and behind them `count` that are not; see `disambiguating`."""
        return torch.cat([self.ambiguous, self.disambiguating(count, seed)])


def split_pairs(
    operands: int, seed: int, pool: float = 0.7, held_out: int = 2000, device: torch.device | str = "cpu"
) -> Pairs:
    """Shuffle all pairs a != b once, and cut them into pool, validation and test.

    Args:
        operands: M; they are 0 .. M - 1.
        seed: of the shuffle.
        pool: fraction that training may see.
        held_out: most pairs of validation, and of test; each takes at most half of the rest.
        device: where the tensors lie.

    Raises:
        OptionError: a set would be empty.

    Differs from the published code: it draws training and evaluation pairs with replacement from all pairs, so that
    the two share some.
    """
    numbers = torch.arange(operands)
    pairs = torch.cartesian_prod(numbers, numbers)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs = pairs[torch.randperm(len(pairs), generator=stream(seed, "data", "pairs"))].to(device)
    trained = int(pool * len(pairs))
    rest = min(held_out, (len(pairs) - trained) // 2)
    if trained < 1 or rest < 1:
        raise OptionError(
            f"{operands} operands have {len(pairs)} pairs a != b; a pool of {pool:g} of them and at most {held_out} "
            f"for validation and for test leave an empty set"
        )
    sizes = [trained, rest, rest, len(pairs) - trained - 2 * rest]
    train, valid, test, _ = pairs.split(sizes)
    return Pairs(train, valid, test, torch.stack([numbers, numbers], 1).to(device))


def answers(text: str, pairs: Tensor, modulus: int) -> Tensor:
    """Return the answers of a rule: [..., 2] operands -> [...] int64 in 0 .. modulus - 1.

    Raises:
        OptionError: no such rule.
    """
    a, b = (pairs % modulus).unbind(-1)  # cubes of residues always fit
    return rule(text)(a, b) % modulus


def questions(pairs: Tensor, operands: int) -> Tensor:
    """Return the words [a, b, SEP] of each pair: [N, 2] -> [N, 3]; SEP is the number `operands`.

    Answers are words too, 0 .. modulus - 1, so that the vocabulary has `operands` + 1 of them. The published loss is
    that of a language model on [a, b, SEP, answer]: of its three words b cannot be guessed, and SEP always can.
    """
    return torch.cat([pairs, pairs.new_full((len(pairs), 1), operands)], 1)


def check_range(operands: int, modulus: int) -> None:
    """Say whether the operands are words enough for the answers and have every residue.

    Raises:
        OptionError: the modulus is below 2 or above the number of operands.
    """
    if not 2 <= modulus <= operands:
        raise OptionError(f"modulus={modulus} does not fit {operands} operands; allowed: 2 to {operands}")


def majority_rate(text: str, pairs: Tensor, modulus: int) -> float:
    """Return the accuracy of always giving the rule's most frequent answer on these pairs."""
    return float(torch.bincount(answers(text, pairs, modulus)).max()) / len(pairs)


def agreement(text: str, other: str, pairs: Tensor, modulus: int) -> float:
    """Return the fraction of these pairs on which two rules give the same answer: what a rival scores."""
    return float((answers(text, pairs, modulus) == answers(other, pairs, modulus)).double().mean())
