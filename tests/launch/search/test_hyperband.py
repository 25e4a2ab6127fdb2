"""W&B's hyperband: the worked examples of its rule, and what follows from it."""

import random

import pytest

from launch.search.hyperband import Hyperband

RUNS = {
    "a": [0.10, 0.50, 0.60],
    "b": [0.20, 0.30, 0.40],
    "c": [0.15, 0.45, 0.45],
    "d": [0.05, 0.20, 0.35, 0.36],
    "e": [0.30, 0.55],
    "f": [0.10, 0.70, 0.20],
}


def stopped(rule, runs, sign=-1):
    signed = {name: [sign * value for value in values] for name, values in runs.items()}
    return "".join(name for name in runs if rule.judge(signed[name], list(signed.values())))


@pytest.mark.parametrize(
    ("keys", "bands"),
    [
        ({"max_iter": 27, "s": 2, "eta": 3}, (3, 9)),
        ({"max_iter": 27, "s": 2}, (3, 9)),
        ({"max_iter": 27, "s": 9, "min_iter": 5}, (1, 3, 9)),
        ({"max_iter": 2, "s": 1}, ()),
        ({"max_iter": 5, "s": 2, "eta": 2}, (1, 2)),
    ],
)
def test_bands_below_a_longest_run(keys, bands):
    assert Hyperband.of(keys).bands == bands


def test_bands_above_a_shortest_run():
    assert Hyperband.of({"min_iter": 3, "eta": 3}).bands[:4] == (3, 9, 27, 81)
    assert Hyperband.of({"min_iter": 3, "eta": 1.5}).bands[:4] == (3, 4, 6, 10)
    assert Hyperband.of({"min_iter": 1, "eta": 1e200}).bands == (1,)  # no overflow


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"min_iter": 3, "eta": 3}, "bdf"),
        ({"min_iter": 3, "eta": 3, "strict": False}, "bd"),
        ({"min_iter": 2, "eta": 2}, "b"),
    ],
)
def test_the_worked_example(keys, names):
    rule = Hyperband.of(keys)
    assert stopped(rule, RUNS) == names
    assert stopped(rule, {name: [-value for value in values] for name, values in RUNS.items()}, sign=1) == names


def test_a_verdict_says_where_and_why():
    verdict = Hyperband.of({"min_iter": 3}).judge(
        [-v for v in RUNS["b"]], [[-v for v in values] for values in RUNS.values()]
    )
    assert (verdict.band, verdict.value, verdict.threshold, verdict.runs) == (3, -0.40, -0.45, 5)


@pytest.mark.parametrize("eta", [2, 3, 4, 10])
def test_a_share_lives_and_the_order_of_the_runs_does_not_matter(eta):
    rule, rng = Hyperband.of({"min_iter": 1, "eta": eta}), random.Random(0)
    for count in range(1, 40):
        runs = {str(number): [rng.random()] for number in range(count)}
        alive = {name for name in runs if not rule.judge(runs[name], list(runs.values()))}
        assert len(alive) == min(count, count // eta + 1)
        shuffled = rng.sample(list(runs.values()), count)
        assert alive == {name for name in runs if not rule.judge(runs[name], shuffled)}


def test_equal_ones_live_and_one_that_passed_may_be_stopped_later():
    rule = Hyperband.of({"min_iter": 1, "eta": 2})
    assert stopped(rule, {"a": [1.0], "b": [1.0], "c": [1.0]}, sign=1) == ""
    assert stopped(rule, {"a": [2.0]}, sign=1) == ""
    assert stopped(rule, {"a": [2.0], "b": [1.0], "c": [1.0], "d": [0.5]}, sign=1) == "a"
