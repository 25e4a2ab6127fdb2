"""The figures of subtask induction: which transfers their numbers come from."""

import pytest

from paper.induction import plot_induction_curve, plot_induction_depth, plot_induction_donor, plot_induction_rules
from paper.results import load

PLOTS = (plot_induction_curve, plot_induction_depth, plot_induction_donor, plot_induction_rules)


def row_of(rows, **wanted):
    (found,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return found


def approx(measure):
    return measure.n, pytest.approx(measure.mean), pytest.approx(measure.sd)


def test_curve(two):
    runs = two(
        "induction_math",
        {
            "final/subnet/4/last": (0.5, 0.7), "final/subnet/4/oracle_selected": (0.9, 0.9),
            "final/subnet_trained/4/last": (0.1, 0.1), "majority/target": (0.2, 0.4),
        },
    )  # fmt: skip
    rows = plot_induction_curve.table(runs)
    assert {row["pairs"] for row in rows} == {0, 4} and len(rows) == 16
    found = row_of(rows, condition="subnet", pairs=4)
    assert approx(found["accuracy"]) == (2, 0.6, 0.2 / 2**0.5), "the frozen one"
    assert approx(found["majority"]) == (2, 0.3, 0.2 / 2**0.5)
    oracle = plot_induction_curve.table(runs, selected="oracle")
    assert approx(row_of(oracle, condition="subnet", pairs=4)["accuracy"]) == (2, 0.9, 0)


def test_what_was_trained_alone_is_shown(two):
    numbers = {"final/subnet_trained/4/last": (0.5, 0.7), "final/full/4/last": (0.8, 0.8)}
    runs = two("induction_math", numbers, transfer__donor="trained")
    rows = plot_induction_curve.table(runs)
    assert approx(row_of(rows, condition="subnet", pairs=4)["accuracy"]) == (2, 0.6, 0.2 / 2**0.5)
    assert approx(row_of(rows, condition="full", pairs=4)["accuracy"]) == (2, 0.8, 0)
    assert plot_induction_donor.table(runs) == [], "there is nothing to compare"


def test_repeats_count_as_one_and_only_when_all_are_there(make_run, tmp_path):
    for seed, numbers in enumerate(({"": 0.2, ".1": 0.4}, {"": 0.5, ".1": 0.7}, {"": 0.9})):
        values = {f"final/subnet{repeat}/4/last": value for repeat, value in numbers.items()}
        make_run(tmp_path, "small/x", "induction_math", values, seed=seed, transfer__repeats=2)
    found = row_of(plot_induction_curve.table(load(tmp_path)), condition="subnet", pairs=4)["accuracy"]
    assert found.values == pytest.approx((0.3, 0.6)) and found.seeds == (0, 1)


def test_depth(make_run, tmp_path):
    for layers, value in ((1, 0.3), (2, 0.6)):
        make_run(tmp_path, "small/induction_math", "induction_math", {"final/full/0/last": value}, layers=layers)
    rows = plot_induction_depth.table(load(tmp_path))
    assert [row_of(rows, layers=n, condition="full", pairs=0)["accuracy"].mean for n in (1, 2)] == [0.3, 0.6]


def test_donor(two):
    numbers = {
        "final/random/4/last": (0.5, 0.7), "final/random_trained/4/last": (0.8, 0.6), "final/full/4/last": (0.9, 0.9)
    }  # fmt: skip
    rows = plot_induction_donor.table(two("induction_math", numbers))
    assert {row["condition"] for row in rows} == {"subnet", "random", "complement", "inverse", "magnitude"}
    found = row_of(rows, condition="random", pairs=4)
    assert [found[name].mean for name in ("frozen", "trained", "whole base")] == pytest.approx([0.6, 0.7, 0.9])


def test_rules(two):
    numbers = {
        "final/scratch/0/agrees/a2_plus_ab": (0.3, 0.3), "final/scratch/0/agrees/2a2": (0.6, 0.8),
        "final/scratch/0/agrees/none": (0.1, 0.1), "final/scratch/4/agrees/2a2": (0.0, 0.0),
        "chance/2a2": (0.2, 0.2),
    }  # fmt: skip
    rows = plot_induction_rules.table(two("induction_math", numbers))
    found = row_of(rows, condition="scratch")
    assert found["pairs"] == 0 and approx(found["2a^2"]) == (2, 0.7, 0.2 / 2**0.5)
    assert [found[name].mean for name in ("a^2 + ab", "2a^2, chance", "none of these")] == pytest.approx(
        [0.3, 0.2, 0.1]
    )
    axes = plot_induction_rules.draw(rows).axes[0]
    assert axes.get_legend_handles_labels()[1] == ["a² + ab", "2a²", "2b²", "a² + b²", "none of these"]


def test_runs_of_another_task_have_none_of_it(make_run, tmp_path):
    make_run(tmp_path, "small/tuple_ff")
    assert not any(plot.table(load(tmp_path)) for plot in PLOTS)
