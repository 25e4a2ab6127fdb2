"""Which runs make one picture: only seeds are averaged, and what cannot be read is named."""

import logging
from pathlib import Path

import pytest

from paper.results import by_scale, groups, load, series

NUMBERED = "format: 1\ntask: x\nsweep: 3\nsignature: y\noptions: {}\n"
SWEEP = """
program: main.py
name: small/rnn
method: grid
parameters:
  task: {value: tuple}
  mask.method: {value: threshold}
  tuple.mode: {values: [together, same_io]}
  seed: {values: [1, 2, 3]}
"""


@pytest.fixture
def sweeps(tmp_path):
    (tmp_path / "sweeps" / "small").mkdir(parents=True)
    (tmp_path / "sweeps" / "small" / "rnn.yaml").write_text(SWEEP)
    return tmp_path / "sweeps"


def names(found):
    return [(group.name, group.count, [run.options["seed"] for run in group.runs]) for group in found]


def test_modes_are_not_mixed_and_the_sweep_file_says_how_many_runs_there_will_be(make_run, tmp_path, sweeps):
    for mode, seed in (("together", 2), ("together", 1), ("same_io", 1)):
        make_run(tmp_path, "small/rnn", "tuple", seed=seed, tuple__mode=mode)
    found = groups(load(tmp_path), folder=sweeps)
    assert names(found) == [
        ("small_rnn__tuple.mode-same_io", "1 of 3 runs", [1]),
        ("small_rnn__tuple.mode-together", "2 of 3 runs", [1, 2]),
    ]
    assert found[0].label == "small/rnn, tuple.mode same_io"


def test_runs_that_the_sweep_file_does_not_list_stand_apart_and_rename_nothing(make_run, tmp_path, sweeps):
    listed = {"seed": 1, "tuple__mode": "together"}
    many = {"train__steps": 7, "mask__steps": 7, "train__lr": 0.5, "mask__lr": 0.5}
    for changed in ({}, {"train__steps": 7}, many):
        make_run(tmp_path, "small/rnn", "tuple", **listed, **changed)
    found = groups(load(tmp_path), folder=sweeps)
    assert [g.name for g in found][0] == "small_rnn__tuple.mode-together"
    assert [g.name for g in found][2] == "small_rnn__tuple.mode-together__trial__train.steps-7"
    assert found[1].name.startswith("small_rnn__tuple.mode-together__trial__4-options~")
    assert found[1].label == "small/rnn, tuple.mode together, trial: 4 options not as in the sweep file"
    assert [g.count for g in found] == ["1 of 3 runs", "1 run", "1 run"]


def test_without_a_sweep_file_the_runs_there_are_all(make_run, tmp_path):
    for size in ("8,8", "8,4"):
        make_run(tmp_path, "mine", seed=1, layer_sizes=size)
    found = groups(load(tmp_path), folder=Path("nowhere"))
    assert names(found) == [
        ("mine__layer_sizes-8,4", "1 of 1 runs", [1]),
        ("mine__layer_sizes-8x2", "1 of 1 runs", [1]),
    ]
    found = groups(load(tmp_path), ["layer_sizes"], Path("nowhere"))
    assert names(found) == [("mine", "2 of 2 runs", [1, 1])]


def test_scales_are_not_mixed_and_missing_sweeps_are_named(make_run, tmp_path):
    make_run(tmp_path, "a", seed=1)
    make_run(tmp_path, "small/a", seed=1)
    make_run(tmp_path, "small/b", seed=1, layer_sizes="8,8")
    found = by_scale(load(tmp_path), ("a", "c", "small/a", "small/b"), folder=Path("nowhere"))
    assert [(g.name, g.sweeps, g.missing) for g in found] == [
        ("published", ("a",), ("c",)),
        ("small", ("small/a", "small/b"), ()),
    ]


def test_a_run_that_two_sweeps_share_counts_once(make_run, tmp_path):
    for sweep in ("a", "b"):
        make_run(tmp_path, sweep, seed=1, layer_sizes="8,8")
    make_run(tmp_path, "a", seed=1, layer_sizes="4,4")
    parts = series(load(tmp_path))
    assert sorted((differs["layer_sizes"], len(runs)) for differs, runs in parts) == [("4,4", 1), ("8,8", 1)]


def test_unfinished_runs_are_left_out(make_run, tmp_path):
    make_run(tmp_path, "a", seed=1, state="failed")
    done = make_run(tmp_path, "a", seed=2)
    assert [run.signature for run in load(tmp_path)] == [done.signature]


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: run.path("options.yaml").write_text("a: ["),
        lambda run: run.path("options.yaml").write_text("format: 9\n"),
        lambda run: run.path("options.yaml").write_text("format: 1\nepochs: 3\n"),
        lambda run: run.path("options.yaml").write_text(NUMBERED),
        lambda run: run.path("summary.json").write_text('{"final/network'),
        lambda run: run.path("summary.json").write_text("[]"),
        lambda run: run.path("status.json").write_bytes(b"\xff\xfe"),
    ],
)
def test_what_cannot_be_read_is_skipped_with_one_line(make_run, tmp_path, caplog, damage):
    whole = make_run(tmp_path, "a", seed=1)
    broken = make_run(tmp_path, "a", seed=2)
    damage(broken)
    with caplog.at_level(logging.WARNING):
        assert [run.signature for run in load(tmp_path)] == [whole.signature]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("skipped ") and str(broken.folder) in caplog.messages[0]
    assert "\n" not in caplog.messages[0]


def test_a_run_older_than_an_option_has_its_default(make_run, tmp_path):
    old, new = make_run(tmp_path, "a", seed=1), make_run(tmp_path, "a", seed=2)
    path = old.path("options.yaml")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "data.held_out" not in line))
    assert "data.held_out" not in load(tmp_path)[0].options and "data.held_out" in new.options
    assert len(groups(load(tmp_path), folder=Path("nowhere"))) == 1
