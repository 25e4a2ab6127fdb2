"""Means, spreads and how they are written."""

import math

from paper.measure import Measure, measured, with_numbers


def test_mean_and_sample_standard_deviation():
    measure = Measure.of([0.5, 0.7, 0.9])
    assert (measure.n, round(measure.mean, 12), round(measure.sd, 12)) == (3, 0.7, 0.2)


def test_one_run_has_no_spread_and_none_has_no_mean():
    assert Measure.of([0.5]).sd == 0
    assert math.isnan(Measure.of([]).mean) and math.isnan(Measure.of([]).sd)


def test_what_was_not_measured_is_left_out():
    assert Measure.of([1.0, None, math.nan, math.inf, "1", 3]).values == (1.0, 3.0)


def test_texts():
    assert Measure.of([0.5, 0.7], "%").text() == "60.0 ± 14.1 %"
    assert Measure.of([0.987], "%").text() == "98.7 %"
    assert Measure.of([1200, 1400]).text() == "1,300 ± 141"
    assert Measure.of([0.5]).text() == "0.500"
    assert Measure.of([]).text() == "-"


def test_a_key_is_measured_over_the_runs_that_have_it(make_run, tmp_path):
    runs = [make_run(tmp_path, "s", numbers={"x": 0.25}, seed=1), make_run(tmp_path, "s", seed=2)]
    assert measured(runs, "x").values == (0.25,)


def test_rows_without_a_number_are_dropped():
    full = {"a": "x", "b": Measure.of([1]), "c": Measure.of([])}
    assert with_numbers([full, {"a": "y", "b": Measure.of([])}, {"a": "z"}]) == [full]
