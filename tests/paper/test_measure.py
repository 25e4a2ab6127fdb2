"""Means, spreads and how they are written."""

import math

import pytest

from paper.measure import Measure, measured, said, seeds_note, with_numbers


@pytest.fixture
def of(make_run, tmp_path):
    """Return a function that makes the measure of these values, of seeds 0, 1, ..."""

    def make(values, unit=""):
        runs = [make_run(tmp_path, "s", seed=seed) for seed in range(len(values))]
        return Measure.of(zip(runs, values, strict=True), unit)

    return make


def test_mean_and_sample_standard_deviation(of):
    measure = of([0.5, 0.7, 0.9])
    assert (measure.n, round(measure.mean, 12), round(measure.sd, 12)) == (3, 0.7, 0.2)


def test_one_run_has_no_spread_and_none_has_no_mean(of):
    assert of([0.5]).mean == 0.5 and math.isnan(of([0.5]).sd)
    assert math.isnan(of([]).mean) and math.isnan(of([]).sd)


def test_what_was_not_measured_is_left_out_and_the_seeds_are_known(of):
    measure = of([1.0, None, math.nan, math.inf, "1", 3])
    assert (measure.values, measure.seeds) == ((1.0, 3.0), (0, 5))


def test_a_run_that_two_sweeps_have_in_common_counts_once(make_run, tmp_path):
    runs = [make_run(tmp_path, sweep, seed=3) for sweep in ("a", "b")]
    assert Measure.of((run, 0.5) for run in runs).seeds == (3,)


def test_texts(of):
    assert of([0.5, 0.7], "%").text() == "60.0 ± 14.1 %"
    assert of([0.987], "%").text() == "98.7 %"
    assert of([1200, 1400]).text() == "1,300 ± 141"
    assert of([0.5]).text() == "0.500"
    assert of([]).text() == "-"


def test_a_key_is_measured_over_the_runs_that_have_it(make_run, tmp_path):
    runs = [make_run(tmp_path, "s", numbers={"x": 0.25}, seed=1), make_run(tmp_path, "s", seed=2)]
    assert measured(runs, "x").values == (0.25,)


def test_rows_without_a_number_are_dropped(of):
    full = {"a": "x", "b": of([1]), "c": of([])}
    (row,) = with_numbers([full, {"a": "y", "b": of([])}, {"a": "z"}])
    assert (row["a"], row["b"].values, row["c"].n) == ("x", (1,), 0)


def test_an_unusual_number_of_seeds_is_said(of):
    three, two, one = of([1, 2, 3]), of([1, 2]), of([1])
    (row,) = with_numbers([{"a": three, "b": two, "c": one, "d": of([])}])
    assert said([row["a"], row["d"]]) == "" and said([row["b"]]) == "n = 2"
    assert said([row["a"], row["c"]], ", ") == ", n = 1, 3"
    note = "n = 3 unless another n stands there: n = 1 in 1, n = 2 in 1 of the table's 3 numbers; n = 1 has no spread"
    assert seeds_note([row]) == note
    assert seeds_note([{"a": three}]) == "n = 3" and seeds_note([{"a": one}]) == "n = 1, no spread"
