"""Generated numbers: digits and one-hots, and sets that share no operand pair unless asked to."""

import pytest
import torch

from core.errors import OptionError
from data.arithmetic import digits, draw_set, encode, split_of


def pairs_of(name, n_digits, held_out, n=20_000):
    return {tuple(pair) for pair in draw_set(name, n, 2, n_digits, held_out, 0).flatten(0, 1).tolist()}


def test_digits_are_little_endian_and_modulo():
    assert digits(torch.tensor([123, 7]), 2).tolist() == [[3, 2], [7, 0]]
    hot = encode(torch.tensor([[12, 34]]), 2)
    assert hot.shape == (1, 40) and hot.view(2, 2, 10).argmax(-1).tolist() == [[2, 1], [4, 3]] and hot.sum() == 4


@pytest.mark.parametrize("n_digits", [1, 2])
def test_valid_and_test_hold_pairs_that_training_never_saw(n_digits):
    train, valid, test = (pairs_of(name, n_digits, 0.1) for name in ("train", "valid", "test"))
    assert valid and test and not train & valid and not train & test and not valid & test
    assert pairs_of("seen", n_digits, 0.1) <= train | pairs_of("train", n_digits, 0.1, 200_000)


def test_the_original_way_sees_every_pair():
    assert len(pairs_of("train", 1, None)) == len(pairs_of("valid", 1, None)) == 100


@pytest.mark.parametrize("held_out", [0.05, 0.1, 0.3])
def test_held_out_fractions(held_out):
    numbers = torch.arange(1000)
    share = torch.bincount(split_of(torch.cartesian_prod(numbers, numbers), 3, held_out), minlength=3) / 1e6
    assert share.tolist() == pytest.approx([1 - 2 * held_out, held_out, held_out], abs=4e-3)


def test_operands_of_four_digits_fit():
    drawn = draw_set("train", 50_000, 1, 4, 0.1, 0)
    assert drawn.min() >= 0 and 9000 < drawn.max() < 10_000


def test_sets_are_reproducible_and_different():
    a, b, c = (draw_set(name, 100, 2, 2, 0.1, seed) for name, seed in (("train", 0), ("train", 0), ("train", 1)))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_a_split_without_pairs_is_an_error():
    with pytest.raises(OptionError, match="data.held_out=1e-06 leaves no pair of 1-digit numbers for the valid set"):
        draw_set("valid", 10, 2, 1, 1e-6, 0)
