"""The points a sweep hands out, and the configurations it refuses or finds odd."""

import math

import pytest

from tests.loopback import grid

A = {"a": {"values": [1, 2]}}


def drawn(parameter, number=200, seed="s"):
    config, points = {"method": "random", "parameters": {"x": parameter}}, []
    while len(points) < number:
        points.append(grid.next_point(config, points, seed))
    return [point["x"] for point in points]


def test_a_grid_goes_by_sorted_names_and_the_last_varies_fastest():
    parameters = {"z": {"values": ["u", "v"]}, "d": {"parameters": {"y": {"values": [1, 2]}, "x": {"value": None}}}}
    points = list(grid.grid(parameters))
    assert points == [{"d": {"x": None, "y": y}, "z": z} for y in (1, 2) for z in ("u", "v")]
    assert list(grid.grid({"n": {"min": 1, "max": 3}})) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_grid_ends_and_hands_out_again_what_was_given_back():
    config = {"method": "grid", "parameters": A}
    assert grid.next_point(config, [{"a": 1}], "") == {"a": 2}
    assert grid.next_point(config, [{"a": 1}, {"a": 2}], "") is None
    assert grid.next_point(config, [{"a": 2}], "") == {"a": 1}
    assert grid.next_point(config | {"run_cap": 1}, [{"a": 1}], "") is None
    assert (grid.expected(config), grid.expected(config | {"run_cap": 1})) == (2, 1)
    assert grid.expected(config | {"method": "random"}) is None


def test_random_points_follow_their_distribution_and_their_seed():
    assert set(drawn({"values": [1, None, "x"]})) == {1, None, "x"} and drawn({"value": 5}, 2) == [5, 5]
    assert set(drawn({"values": [1, 2], "probabilities": [0, 1]})) == {2}
    assert set(drawn({"min": 1, "max": 3})) == {1, 2, 3}
    assert all(0.5 <= x <= 1.5 for x in drawn({"min": 0.5, "max": 1.5}))
    logs = drawn({"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0})
    assert all(1e-4 <= x <= 1 for x in logs) and 60 < sum(x < 1e-2 for x in logs) < 140
    steps = drawn({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25})
    assert set(steps) == {0, 0.25, 0.5, 0.75, 1}
    bell = drawn({"distribution": "normal", "mu": 10, "sigma": 0.1})
    assert abs(sum(bell) / len(bell) - 10) < 0.05 and math.isclose(min(bell), 10, abs_tol=0.6)
    flat = {"min": 0.0, "max": 1.0}
    assert drawn(flat) == drawn(flat) != drawn(flat, seed="t")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"method": None}, "method: None is not one of"), ({"method": "gird"}, "method: 'gird' is not one of"),
        ({"parameters": {}}, "must be an object that is not empty"), ({"parameters": {"a": 3}}, "is not an object"),
        ({"parameters": {"a": {"values": 3}}}, "values must be a list"), ({"run_cap": 0}, "run_cap"),
        ({"parameters": {"a": {"values": []}}}, "values must be a list"), ({"command": "python"}, "is not a list"),
        ({"parameters": {"a": {"valeus": [3]}}}, "'valeus' was unexpected"), ({"metric": {"goal": "up"}}, "metric"),
        ({"parameters": {"a": {"value": 1, "values": [1]}}}, "'values' was unexpected"),
        ({"parameters": {"g": {"parameters": {"a": {"values": 1}}}}}, "g.a: values must be a list"),
        ({"parameters": {"a": {"min": 0.0, "max": "1"}}}, "max must be a number"),
        ({"parameters": {"a": {"distribution": "uniform", "min": 0.0}}}, "'max' is a required property"),
        ({"parameters": {"a b": {"value": 1}}}, "is not a name"),
        ({"parameters": {"a": {"min": 0.0, "max": 1.0}}}, "a grid needs value or values"),
        ({"parameters": {"a": {"distribution": "unifrom"}}}, "'unifrom' is not a distribution"),
    ],
)  # fmt: skip
def test_a_wrong_sweep_is_refused_with_its_reason(change, text):
    found = grid.errors({"method": "grid", "parameters": A} | change)
    assert any(text in error for error in found), found


def test_missing_keys_and_odd_ones():
    assert len(grid.errors({})) == 2 and grid.errors([]) != []
    assert grid.errors({"method": "grid", "parameters": A}) == []
    assert grid.warnings({"method": "grid", "parameters": A, "nmae": 1}) == [
        "Additional properties are not allowed ('nmae' was unexpected)"
    ]
