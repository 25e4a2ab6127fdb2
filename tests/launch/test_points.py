"""What `--list` says below its table."""

from types import SimpleNamespace

from core.files import write_json
from core.options import signature
from core.store import describe
from launch.points import Point, remarks
from tasks.options import outdated, resolve


def point(folder, seed=0, commit=None, **values):
    options = resolve({"task": "cnn_elcn", "seed": seed, "run.dir": str(folder), "run.sweep": "mine"} | values)
    name = signature(options)
    place = folder / "mine" / name
    describe(place, options)
    if commit:
        write_json(place / "environment.json", [{"commit": commit * 40, "dirty": False}])
    return Point(seed + 1, {}, options, name, place)


def test_runs_of_one_commit_need_no_remark(tmp_path):
    assert remarks([point(tmp_path, seed, "a") for seed in (0, 1)]) == []
    assert remarks([point(tmp_path, 2)]) == []


def test_several_commits_are_counted(tmp_path):
    points = [point(tmp_path, seed, commit) for seed, commit in enumerate("aab")]
    assert remarks(points) == [
        "results come from several commits of the code: aaaaaaa (2), bbbbbbb (1); + is with uncommitted changes"
    ]


def test_results_of_before_a_correction_are_named(tmp_path, monkeypatch):
    old = point(tmp_path)
    monkeypatch.setattr(type(old.options), "revision", 3)
    new = point(tmp_path)
    assert new.folder != old.folder and new.state == "todo"
    assert remarks([new]) == [
        f"{old.folder}: revision 2 of cnn_elcn (now 3); its results are of before a correction (CHANGELOG.md)"
    ]
    assert outdated(stored("cnn_elcn", revision={"task": 3})) == ""


def stored(task, revision=None, **options):
    return SimpleNamespace(
        task=task, options={k.replace("__", "."): v for k, v in options.items()}, revision=revision or {}
    )


def test_a_run_that_a_correction_did_not_touch_is_not_of_before_it():
    assert outdated(stored("tuple_ff", data__split="seen")) == ""
    assert outdated(stored("tuple_ff", data__split="unseen")) == "revision 1 of tuple_ff (now 2)"
    assert outdated(stored("tuple_ff", {"task": 2}, data__split="unseen")) == ""
    assert outdated(stored("tuple_ff", data__split="unseen_order", no_longer="here")) == ""
    assert outdated(stored("tuple_ff", data__split="no longer here")) == "revision 1 of tuple_ff (now 2)"
    assert outdated(stored("permuted_mnist", transfer__mask_new_init=2.0, mask__init=2.0)) == ""
    assert outdated(stored("permuted_mnist", transfer__mask_new_init=-1.0, mask__init=2.0)) != ""
