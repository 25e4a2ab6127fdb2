"""Generated numbers: digits and one-hots, and sets that share no operand pair unless asked to."""

import pytest
import torch

from core.errors import OptionError
from data.arithmetic import HeldOut, digits, draw_set, encode, split_of


def pairs_of(name, n_digits, held_out, n=20_000):
    return {tuple(pair) for pair in draw_set(name, n, 2, n_digits, held_out, 0).flatten(0, 1).tolist()}


def swapped(pairs):
    return {(b, a) for a, b in pairs}


def test_digits_are_little_endian_and_modulo():
    assert digits(torch.tensor([123, 7]), 2).tolist() == [[3, 2], [7, 0]]
    hot = encode(torch.tensor([[12, 34]]), 2)
    assert hot.shape == (1, 40) and hot.view(2, 2, 10).argmax(-1).tolist() == [[2, 1], [4, 3]] and hot.sum() == 4


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("n_digits", [1, 2])
def test_valid_and_test_hold_pairs_that_training_never_saw(n_digits, ordered):
    held_out = HeldOut(0.1, ordered)
    train, valid, test = (pairs_of(name, n_digits, held_out) for name in ("train", "valid", "test"))
    assert valid and test and not train & valid and not train & test and not valid & test
    assert pairs_of("seen", n_digits, held_out) <= train | pairs_of("train", n_digits, held_out, 200_000)


@pytest.mark.parametrize("n_digits", [1, 2])
def test_no_held_out_pair_is_trained_on_the_other_way_round(n_digits):
    train, valid, test = (pairs_of(name, n_digits, HeldOut(0.1), 200_000) for name in ("train", "valid", "test"))
    assert len(train | valid | test) == 100**n_digits, "every pair was drawn"
    assert not train & swapped(valid) and not train & swapped(test) and not valid & swapped(test)
    in_order = [pairs_of(name, n_digits, HeldOut(0.1, ordered=True), 200_000) for name in ("train", "valid")]
    assert len(in_order[0] & swapped(in_order[1])) > 0.4 * len(in_order[1]), "the split of earlier runs"


def test_the_split_of_earlier_runs_is_still_the_same():
    pairs = torch.cartesian_prod(torch.arange(100), torch.arange(100))
    place = split_of(pairs, 2, HeldOut(0.1, ordered=True))
    assert torch.bincount(place).tolist() == [7956, 1046, 998]
    assert pairs[place == 1][:4].tolist() == [[0, 0], [0, 2], [0, 5], [0, 48]]


def test_the_original_way_sees_every_pair():
    assert len(pairs_of("train", 1, None)) == len(pairs_of("valid", 1, None)) == 100


@pytest.mark.parametrize("held_out", [0.05, 0.1, 0.3])
def test_held_out_fractions(held_out):
    numbers = torch.arange(1000)
    pairs = torch.cartesian_prod(numbers, numbers)
    share = torch.bincount(split_of(pairs, 3, HeldOut(held_out)), minlength=3) / 1e6
    assert share.tolist() == pytest.approx([1 - 2 * held_out, held_out, held_out], abs=4e-3)


def test_operands_of_four_digits_fit():
    drawn = draw_set("train", 50_000, 1, 4, HeldOut(0.1), 0)
    assert drawn.min() >= 0 and 9000 < drawn.max() < 10_000


def test_sets_are_reproducible_and_different():
    a, b, c = (draw_set("train", 100, 2, 2, HeldOut(0.1), seed) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_a_split_without_pairs_is_an_error():
    with pytest.raises(OptionError, match="data.held_out=1e-06 leaves no pair of 1-digit numbers for the valid set"):
        draw_set("valid", 10, 2, 1, HeldOut(1e-6), 0)
