"""Choosing points: by --set, by --only, by answering."""

import io

import pytest

from core.errors import SweepError
from launch.console import Screen
from launch.points import table
from launch.select_points import ask, only, read_settings, select
from launch.sweep import Sweep
from tests.launch.pretend import fake_resolve

TEXT = """method: grid
parameters:
  task: {value: toy}
  layer_sizes: {values: ["4,4", [8]]}
  mask.lr: {value: 0.1}
  seed: {values: [5, 6, 7]}
"""


@pytest.fixture
def sweep(sweep_file):
    return Sweep.read(sweep_file(TEXT))


def answered(sweep, text, **settings):
    said = io.StringIO()
    return ask(sweep, settings, io.StringIO(text), Screen(said)), said.getvalue()


def test_asks_for_each_parameter_with_several_values(sweep):
    chosen, said = answered(sweep, "2\n1\n")
    assert chosen == {"layer_sizes": "8", "seed": "5"}
    assert said == ("layer_sizes\n  1  4,4\n  2  8\nlayer_sizes [1-2]: seed\n  1  5\n  2  6\n  3  7\nseed [1-3]: ")


def test_a_bad_answer_is_asked_again(sweep):
    chosen, said = answered(sweep, "x\n\n3\n0\n1\n3", seed="5")
    assert chosen == {"seed": "5", "layer_sizes": "4,4"}
    assert said.count("is not a number from 1 to 2") == 4
    assert "'x' is not a number from 1 to 2\n" in said


def test_answers_that_end_are_an_error(sweep):
    with pytest.raises(SweepError, match=r"^no answer for seed: the input ended; use --set seed=... or --all$"):
        answered(sweep, "1\n")


def test_a_random_sweep_has_nothing_to_choose_from(sweep_file):
    sweep = Sweep.read(sweep_file(TEXT.replace("grid", "random")))
    with pytest.raises(SweepError, match=":1: a random sweep has no list to choose from; use --all or --only"):
        answered(sweep, "1\n1\n")


def test_settings_narrow_and_keep_the_numbers_of_the_whole_sweep(sweep):
    assert [p.index for p in select(sweep, {}, fake_resolve, "runs", None)] == [1, 2, 3, 4, 5, 6]
    narrowed = select(sweep, {"seed": "6"}, fake_resolve, "runs", None)
    assert [p.index for p in narrowed] == [2, 5]
    assert [p.label for p in narrowed] == ["toy layer_sizes=4,4", "toy layer_sizes=8"]


def test_a_setting_the_file_does_not_list_makes_new_points(sweep):
    new = select(sweep, {"seed": "9", "mask.lr": "0.5"}, fake_resolve, "runs", None)
    assert [(p.index, p.options.seed, p.options.mask.lr) for p in new] == [(7, 9, 0.5), (8, 9, 0.5)]


def test_settings_are_read_like_options():
    assert read_settings(["seed=1", "mask.lr=a=b", "layer-sizes=4,4"]) == {
        "seed": "1", "mask.lr": "a=b", "layer_sizes": "4,4"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["seed"], "--set seed: not of the form option=value, such as --set seed=1"),
        (["=1"], "--set =1: not of the form option=value, such as --set seed=1"),
        (["seed=1", "seed=2"], "--set seed=2: seed is set twice"),
        (["a=1", "b.yaml"], "--set b.yaml: not of the form option=value, such as --set seed=1 (the sweep "
                               "file comes before --set)"),
    ],
)  # fmt: skip
def test_settings_of_another_form_are_refused(items, expected):
    with pytest.raises(SweepError) as caught:
        read_settings(items)
    assert str(caught.value) == expected


def test_only_names_numbers_and_ranges(sweep):
    points = select(sweep, {}, fake_resolve, "runs", None)
    assert [p.index for p in only(points, "3, 5-6,3")] == [3, 5, 6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", "--only 7: there is no run 7; --list shows those there are"),
        ("5-900000000000", "there is no run 7"),
        ("0", "there is no run 0"),
        ("x", "--only x: 'x' is not a number or range, such as 3,5-7"),
        ("1,,2", "'' is not a number or range"),
        ("5-3", "'5-3' is not a number or range"),
        ("-3", "'-3' is not a number or range"),
    ],
)
def test_only_of_another_form_is_refused(sweep, text, expected):
    with pytest.raises(SweepError) as caught:
        only(select(sweep, {}, fake_resolve, "runs", None), text)
    assert expected in str(caught.value)


def test_the_table_is_aligned(sweep, tmp_path):
    rows = table(select(sweep, {}, fake_resolve, str(tmp_path), None))
    assert rows[0] == "run  state  layer_sizes  seed  signature"
    assert [row.split()[:4] for row in rows[1:3]] == [["1", "todo", "4,4", "5"], ["2", "todo", "4,4", "6"]]
    assert len({row.index(row.split()[-1]) for row in rows}) == 1
