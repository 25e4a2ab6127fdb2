"""Decimal arithmetic on generated numbers: operand pairs, digits, one-hot inputs, and splits by operand pair."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from core.errors import OptionError
from core.rng import stream

BASE = 10
SETS = ("train", "seen", "valid", "test")


class HeldOut(NamedTuple):
    """Which operand pairs are kept from training.

    Attributes:
        fraction: of all pairs, in valid, and again in test.
        ordered: (a, b) and (b, a) are two pairs, of which one may be held out and the other not. A network that has
            learned the one has seen the answer of the other, both operations being commutative.
    """

    fraction: float
    ordered: bool = False


def split_of(pairs: Tensor, n_digits: int, held_out: HeldOut) -> Tensor:
    """Say which set an operand pair belongs to: 0 train, 1 valid, 2 test.

    The split is a hash of the pair: the same for every run and seed, without a table, for any number of digits.

    Args:
        pairs: [..., 2] operands.
        n_digits: digits of each operand.
        held_out: which pairs belong to valid and test.

    Returns:
        [...] int64.
    """
    fraction, ordered = held_out
    pairs = pairs if ordered else pairs.sort(-1).values
    x = (pairs[..., 0] * BASE**n_digits + pairs[..., 1] ^ 0x9E3779B9) & 0xFFFFFFFF  # the hash of 0 is 0
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):  # the "lowbias32" integer hash
        x = ((x ^ (x >> shift)) * factor) & 0xFFFFFFFF
    u = x.double() / 2**32
    return (u < fraction).long() + (u < 2 * fraction).long() * (u >= fraction) * 2


def draw_pairs(
    which: str,
    n: int,
    n_digits: int,
    held_out: HeldOut | None,
    rng: torch.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw operand pairs uniformly from those of a set.

    Args:
        which: "train", "seen" (drawn like train), "valid" or "test".
        n: how many pairs.
        n_digits: digits of each operand.
        held_out: which pairs are kept for valid and for test; None: every set is drawn from all pairs.
        rng: CPU generator.
        device: where the result lies.

    Returns:
        [n, 2] int64.

    Raises:
        OptionError: no pair falls into the set.
    """
    wanted = {"train": 0, "seen": 0, "valid": 1, "test": 2}[which]
    found: list[Tensor] = []
    count, share = 0, 1.0
    if held_out is not None:
        share = 1 - 2 * held_out.fraction if wanted == 0 else held_out.fraction
    while count < n:
        pairs = torch.randint(BASE**n_digits, (int((n - count) / share * 1.1) + 64, 2), generator=rng)
        if held_out is not None:
            pairs = pairs[split_of(pairs, n_digits, held_out) == wanted]
            if not len(pairs):
                raise OptionError(
                    f"data.held_out={held_out.fraction} leaves no pair of {n_digits}-digit numbers for the {which} "
                    "set; use more digits, another fraction, or data.split=seen"
                )
        found.append(pairs)
        count += len(pairs)
    return torch.cat(found)[:n].to(device)


def draw_set(
    which: str,
    n: int,
    per_item: int,
    n_digits: int,
    held_out: HeldOut | None,
    seed: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw the examples of a set.

    Returns:
        [n, per_item, 2] int64 operands, the same for equal arguments.
    """
    rng = stream(seed, "data", which)
    return draw_pairs(which, n * per_item, n_digits, held_out, rng, device).view(n, per_item, 2)


def digits(numbers: Tensor, n_digits: int) -> Tensor:
    """Return the decimal digits, least significant first: [...] -> [..., n_digits], modulo 10^n_digits."""
    powers = BASE ** torch.arange(n_digits, device=numbers.device)
    return numbers.unsqueeze(-1) // powers % BASE


def encode(pairs: Tensor, n_digits: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the operands as one-hot digits: [..., 2] -> [..., 2 * n_digits * 10]."""
    return one_hot(digits(pairs, n_digits), BASE).flatten(-3).to(dtype)
