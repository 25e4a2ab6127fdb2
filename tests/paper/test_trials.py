"""Runs that a sweep file does not ask for are trials: apart from the sweep's own, marked, and made again by command.

Runs of another revision are left out; runs of several commits are told of.
"""

import csv
import json
import logging

import pytest

from core.options import read_arguments, signature
from paper.results import by_scale, groups, load
from paper.run_all import main
from paper.sweeps import plan, trial
from tasks.options import resolve

GRID = """
program: main.py
name: small/ff
method: grid
parameters:
  task: {value: tuple_ff}
  mask.method: {value: threshold}
  layer_sizes: {values: ["8,8", "4,4"]}
  seed: {values: [1, 2]}
"""
RANDOM = """
program: main.py
name: small/drawn
method: METHOD
metric: {name: x, goal: maximize}
parameters:
  task: {value: tuple_ff}
  mask.method: {value: threshold}
  mask.lr: {distribution: log_uniform_values, min: 0.001, max: 0.1}
  mask.steps: {distribution: q_uniform, min: 100, max: 200, q: 50}
  layer_sizes: {values: ["8,8", "4,4"]}
  seed: {distribution: int_uniform, min: 1, max: 9}
"""


@pytest.fixture
def sweeps(tmp_path, monkeypatch):
    folder = tmp_path / "sweeps"
    (folder / "small").mkdir(parents=True)
    (folder / "small" / "ff.yaml").write_text(GRID)
    (folder / "small" / "drawn.yaml").write_text(RANDOM.replace("METHOD", "random"))
    monkeypatch.setattr("paper.sweeps.SWEEPS", folder)
    return folder


def seeds(group):
    return [run.options["seed"] for run in group.runs]


def test_trials_are_apart_from_the_sweeps_own_runs(make_run, tmp_path, sweeps):
    root = tmp_path / "runs"
    for seed in (1, 2, 7):
        make_run(root, "small/ff", seed=seed, layer_sizes="8,8")
    for seed in (1, 2):
        make_run(root, "small/ff", seed=seed, layer_sizes="8,8", train__steps=40)
    make_run(root, "small/ff", seed=1, layer_sizes="6,6")
    found = groups(load(root))
    assert [(g.name, g.count, seeds(g), dict(g.trial)) for g in found] == [
        ("small_ff__layer_sizes-8x2", "2 of 2 runs", [1, 2], {}),
        ("small_ff__layer_sizes-8x2__trial__seed-7", "1 run", [7], {"seed": "7"}),
        ("small_ff__layer_sizes-8x2__trial__train.steps-40", "2 runs", [1, 2], {"train.steps": "40"}),
        ("small_ff__trial__layer_sizes-6x2", "1 run", [1], {"layer_sizes": "6,6"}),
    ]
    assert found[2].label == "small/ff, layer_sizes 8x2, trial: train.steps 40"
    found = by_scale(load(root), ("small/ff",))
    assert [(g.name, g.count) for g in found] == [
        ("small", "2 of 4 runs"),
        ("small__trial__seed-7", "1 run"),
        ("small__trial__layer_sizes-6x2", "1 run"),
        ("small__trial__train.steps-40", "2 runs"),
    ]


def test_what_may_differ_within_a_picture_is_still_a_trial_where_the_file_does_not_list_it(make_run, tmp_path, sweeps):
    root = tmp_path / "runs"
    make_run(root, "small/ff", seed=1, layer_sizes="8,8")
    for penalty in (0.5, 0.25):
        make_run(root, "small/ff", seed=1, layer_sizes="8,8", mask__penalty=penalty)
    own, tried = groups(load(root), ["mask.penalty"])
    assert (len(own.runs), len(tried.runs)) == (1, 2) and not own.trial
    assert set(tried.trial["mask.penalty"].split(",")) == {"0.5", "0.25"}


def test_steps_of_the_network_and_of_the_masks_have_names_of_their_own(make_run, tmp_path, sweeps):
    for option in ("train__steps", "mask__steps"):
        make_run(tmp_path / "runs", "small/ff", seed=1, layer_sizes="8,8", **{option: 400})
    names = [group.name for group in groups(load(tmp_path / "runs"))]
    assert [name.rpartition("__")[2] for name in names] == ["mask.steps-400", "train.steps-400"]


@pytest.mark.parametrize("method", ["random", "bayes"])
@pytest.mark.parametrize(
    "options, differs",
    [
        ({}, {}),
        ({"mask.lr": 0.1, "mask.steps": 200, "layer_sizes": "4,4", "seed": 9}, {}),
        ({"mask.lr": 0.2}, {"mask.lr": "0.2"}),
        ({"mask.steps": 120}, {"mask.steps": "120"}),
        ({"mask.steps": 300}, {"mask.steps": "300"}),
        ({"layer_sizes": "5,5"}, {"layer_sizes": "5,5"}),
        ({"train.steps": 3}, {"train.steps": "3"}),
        ({"seed": 10}, {"seed": "10"}),
    ],
)
def test_what_a_random_search_can_draw_is_its_own(make_run, tmp_path, sweeps, method, options, differs):
    (sweeps / "small" / "drawn.yaml").write_text(RANDOM.replace("METHOD", method))
    inside = {"mask.lr": 0.05, "mask.steps": 150, "layer_sizes": "8,8", "seed": 3}
    make_run(tmp_path / "runs", "small/drawn", **inside | options)
    (run,) = load(tmp_path / "runs")
    assert trial(run) == differs
    (group,) = groups([run])
    assert dict(group.trial) == differs and ("__trial__" in group.name) == bool(differs)


def test_the_points_that_this_program_draws_are_the_sweeps_own(make_run, tmp_path, sweeps):
    path = sweeps / "small" / "drawn.yaml"
    path.write_text(path.read_text() + "run_cap: 6\n")
    for options in plan("small/drawn").points:
        make_run(tmp_path / "runs", "small/drawn", **{k: v for k, v in options.items() if not k.startswith("run.")})
    found = groups(load(tmp_path / "runs"))
    assert len(found) == 6 and {group.count for group in found} == {"1 of 1 runs"}


def test_a_trial_is_marked_everywhere_and_its_commands_make_exactly_its_runs(make_run, tmp_path, sweeps, capsys):
    root, out = tmp_path / "runs", tmp_path / "out"
    make_run(root, "small/ff", seed=1, layer_sizes="8,8")
    tried = [make_run(root, "small/ff", seed=seed, layer_sizes="8,8", train__steps=40) for seed in (1, 2)]
    for figure, start in (("iou", "small_ff__layer_sizes-8x2"), ("half_mask", "small")):
        assert main(["--runs", str(root), "--out", str(out), "--only", figure, "--sweep", "small/ff"]) == 0
        name = f"{start}__trial__train.steps-40"
        assert f"{name}.png (2 runs, a trial)" in capsys.readouterr().out
        record = json.loads((out / figure / f"{name}.json").read_text())
        assert record["trial"] == {"train.steps": "40"} and record["count"] == "2 runs"
        made = [read_arguments(command.split()[1:]) for command in record["commands"][:-1]]
        assert {signature(resolve(options)) for options in made} == {run.signature for run in tried}
        with (out / figure / f"{name}.csv").open() as file:
            assert {line["trial"] for line in csv.DictReader(file)} == {"train.steps 40"}
        own = json.loads((out / figure / f"{start}.json").read_text())
        assert own["runs"] == 1 and not own["trial"]
        assert own["commands"][0] == f"./run.py sweeps/small/ff.yaml --all --dir {root}"
    page = (out / "index.html").read_text()
    assert "A trial: these runs are not those that the sweep file asks for, but have train.steps 40." in page


def test_two_groups_of_one_name_are_refused(make_run, tmp_path, sweeps, monkeypatch, capsys):
    for size in ("8,8", "4,4"):
        make_run(tmp_path / "runs", "small/ff", seed=1, layer_sizes=size)
    monkeypatch.setattr("paper.results.file_name", lambda *_: "same")
    assert main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--only", "iou", "--sweep",
                 "small/ff"]) == 2  # fmt: skip
    assert "are both called same" in capsys.readouterr().err


def test_runs_of_an_older_revision_are_left_out_with_one_line(make_run, tmp_path, monkeypatch, caplog):
    old = [make_run(tmp_path, "small/a", seed=seed) for seed in (1, 2, 3)]
    monkeypatch.setattr(type(resolve({"task": "tuple_ff"})).__mro__[1], "revision", 9)
    before, new = old[0].revision.get("task", 1), make_run(tmp_path, "small/a", seed=1)
    assert new.signature not in {run.signature for run in old}
    other = make_run(tmp_path, "small/a", "addmul_ff", seed=1)
    with caplog.at_level(logging.WARNING):
        assert {run.signature for run in load(tmp_path)} == {new.signature, other.signature}
    assert caplog.messages == [f"small/a: left out 3 runs of revision {before} of tuple_ff (now 9)"]


def test_runs_of_several_commits_are_told_of(make_run, tmp_path, capsys, sweeps):
    entries = ([], [{"commit": "a1b2c3d4e5", "dirty": False}], [{"commit": "e4f5a6b7c8", "dirty": True}])
    root, out = tmp_path / "runs", tmp_path / "out"
    arguments = ["--runs", str(root), "--out", str(out), "--only", "iou", "--sweep", "small/x"]
    for seed, listed in enumerate(entries):
        run = make_run(root, "small/x", seed=seed)
        if listed:
            run.path("environment.json").write_text(json.dumps(listed))
        assert main(arguments) == 0
        note = "runs come from commits a1b2c3d, e4f5a6b+"
        assert capsys.readouterr().err == (f"WARNING: iou, small/x: {note}\n" if seed == 2 else "")
    assert json.loads((out / "iou" / "small_x.json").read_text())["notes"] == [note]
    assert "Runs come from commits a1b2c3d, e4f5a6b+." in (out / "index.html").read_text()
