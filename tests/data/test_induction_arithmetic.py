"""Rules of two numbers, which of them agree where a = b, and pairs of operands in sets that share none."""

import re
from typing import get_args

import pytest
import torch

from core.errors import OptionError
from data.induction_arithmetic import agreement, answers, check_range, majority_rate, questions, split_pairs
from data.induction_rules import RULES, Rule, rivals, rule


def as_python(text):
    """The text itself as Python: 2a^2 + ab -> 2*a**2 + a*b."""
    return re.sub(r"(?<=[0-9a-z])(?=[ab])", "*", text).replace("^", "**")


def every_pair(operands):
    return torch.cartesian_prod(torch.arange(operands), torch.arange(operands))


@pytest.mark.parametrize("text", get_args(Rule))
def test_a_rule_computes_what_its_text_says(text):
    pairs = every_pair(23) + 900
    expected = [eval(as_python(text), {"a": a, "b": b}) % 7 for a, b in pairs.tolist()]
    assert answers(text, pairs, 7).tolist() == expected
    assert rule(text)(5, 3) == eval(as_python(text), {"a": 5, "b": 3})


def test_there_are_thirteen_and_another_is_refused():
    assert len(RULES) == 13 and tuple(RULES) == get_args(Rule)
    with pytest.raises(OptionError, match=r"unknown rule 'a\^2\+ab'; allowed: a \+ ab, .*did you mean 'a\^2 \+ ab'\?"):
        rule("a^2+ab")
    with pytest.raises(OptionError, match="unknown rule"):
        rivals("a - b", 7)


@pytest.mark.parametrize("modulus", [5, 7])
def test_rivals_of_the_published_target(modulus):
    """The two that the paper names, and a third that it does not."""
    assert rivals("a^2 + ab", modulus) == ["2a^2", "2b^2", "a^2 + b^2"]
    assert rivals("ab", modulus) == ["a^2"] and rivals("a + ab", modulus) == [] == rivals("a^2 - b^2", modulus)


@pytest.mark.parametrize("modulus", [2, 3, 5, 7, 8])
def test_rivals_agree_on_all_ambiguous_pairs_and_on_no_larger_set(modulus):
    pairs = every_pair(2 * modulus + 1)
    same = pairs[:, 0] == pairs[:, 1]
    for target in RULES:
        equal = {text: answers(target, pairs, modulus) == answers(text, pairs, modulus) for text in RULES}
        assert rivals(target, modulus) == [t for t, agree in equal.items() if agree[same].all() and not agree.all()]


def test_rates_are_exact():
    square = every_pair(7)
    for text in ("a + ab", "ab", "a^2 + ab"):
        assert majority_rate(text, square, 7) == 13 / 49
    for text in ("2a^2", "2b^2"):
        assert agreement("a^2 + ab", text, square, 7) == 13 / 49
    assert agreement("ab", "ab", square, 7) == 1
    unequal = square[square[:, 0] != square[:, 1]]
    assert agreement("a^2 + ab", "2a^2", unequal, 7) == 6 / 42, "a = 0 alone is left"
    assert majority_rate("a^2", torch.tensor([[1, 0], [6, 1], [2, 2]]), 7) == 2 / 3


SIZES = [(60, (2478, 531, 531)), (84, (4880, 1046, 1046)), (200, (27860, 2000, 2000))]


@pytest.mark.parametrize("operands, sizes", SIZES)
def test_four_sets_share_no_pair(operands, sizes):
    pairs = split_pairs(operands, 0)
    assert (len(pairs.pool), len(pairs.valid), len(pairs.test), len(pairs.ambiguous)) == (*sizes, operands)
    sets = [set(map(tuple, part.tolist())) for part in (pairs.pool, pairs.valid, pairs.test, pairs.ambiguous)]
    assert [len(part) for part in sets] == [*sizes, operands], "none twice"
    assert len(set.union(*sets)) == sum(map(len, sets)), "none in two sets"
    assert all(0 <= a < operands and 0 <= b < operands for part in sets for a, b in part)
    assert all(a == b for a, b in sets[3]) and all(a != b for part in sets[:3] for a, b in part)


def test_the_split_is_a_function_of_the_seed():
    first, again, other = split_pairs(20, 1), split_pairs(20, 1), split_pairs(20, 2)
    assert torch.equal(first.pool, again.pool) and torch.equal(first.test, again.test)
    assert not torch.equal(first.pool, other.pool)


def test_disambiguating_pairs():
    pairs = split_pairs(20, 1)
    few, many = pairs.disambiguating(16, 3), pairs.disambiguating(len(pairs.pool), 3)
    assert torch.equal(many[:16], few), "a cell with more pairs has those of a cell with fewer"
    assert torch.equal(many.unique(dim=0), pairs.pool.unique(dim=0)), "without replacement"
    assert not torch.equal(few, pairs.disambiguating(16, 4))
    assert torch.equal(pairs.transfer(16, 3), torch.cat([pairs.ambiguous, few]))
    assert len(pairs.transfer(0, 3)) == 20
    for count in (-1, len(pairs.pool) + 1):
        with pytest.raises(OptionError, match=f"^{count} disambiguating .*: 0 to {len(pairs.pool)}, the pool$"):
            pairs.disambiguating(count, 3)


def test_words():
    assert questions(torch.tensor([[3, 1], [0, 59]]), 60).tolist() == [[3, 1, 60], [0, 59, 60]]


def test_what_cannot_be_asked():
    with pytest.raises(OptionError, match="^2 operands have 2 pairs a != b; a pool of 0.7 of them .* an empty set$"):
        split_pairs(2, 0)
    with pytest.raises(OptionError, match="leave an empty set"):
        split_pairs(60, 0, held_out=0)
    check_range(7, 7)
    for modulus in (1, 8):
        with pytest.raises(OptionError, match=f"^modulus={modulus} does not fit 7 operands; allowed: 2 to 7$"):
            check_range(7, modulus)
