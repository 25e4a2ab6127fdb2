"""Ways between saved networks: those that a run measures too, between forms and runs, and what is refused."""

import numpy as np
import pytest

import main
from core import exit_codes as code
from core.store import Run
from tasks.untying import between
from tasks.untying.cnn_elcn_options import PathOptions
from tests.active import active
from tests.tasks.test_cnn_elcn import TINY


def run(folder, **options):
    values = active(TINY | {name.replace("__", "."): v for name, v in options.items()} | {"run.dir": str(folder)})
    assert main.main([f"--{name}={value}" for name, value in values.items()]) == code.DONE
    (found,) = Run.query(folder, **{"seed": int(values.get("seed", 0))})
    return found


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    less = {"split__at": "1", "train__epochs": 2, "split__epochs": 1}
    return [
        run(folder / str(seed), seed=seed, sharpness=0, split__branches="control,elcn,efcn", **less) for seed in (1, 2)
    ]


def test_the_ways_of_a_run_are_found_again(two):
    tensors = two[0].path("tensors")
    for kind in ("elcn", "efcn"):
        ways = between.between(
            tensors / "cnn_2.npz", tensors / f"{kind}_0.05_1_1.npz", PathOptions(points=3, epochs=1, lr=0.05)
        )
        assert list(ways) == ["linear", "curvilinear", "average", "string"]
        for method, way in ways.items():
            stored = two[0].arrays(f"path_{method}_{kind}_0.05_1")
            for name, values in stored.items():
                assert way[name] == pytest.approx(values, rel=1e-4, abs=1e-6), (method, name)


def test_two_runs_and_two_forms(two, tmp_path, capsys):
    ends = [run.path("tensors", f"{kind}_0.05_1_1.npz") for run, kind in zip(two, ("elcn", "efcn"), strict=True)]
    out = tmp_path / "between.npz"
    assert between.main([*map(str, ends), "--methods=linear,average", "--points=3", "--out", str(out)]) == 0
    found = np.load(out)
    for method in ("linear", "average"):
        ours, theirs = found[f"{method}_test_accuracy"][[0, 2]]
        assert ours == pytest.approx(two[0].summary["elcn_0.05/1/test/accuracy"])
        assert theirs == pytest.approx(two[1].summary["efcn_0.05/1/test/accuracy"])
    text = capsys.readouterr().out
    assert "linear" in text and "barrier of the training loss:" in text and str(out) in text


def test_what_cannot_be_joined_is_one_line(two, tmp_path, capsys):
    other = run(tmp_path / "other", data__train_size=80, split__at="0", train__epochs=0, split__epochs=0,
                split__branches="control", paths__methods="none", sharpness=0)  # fmt: skip
    here, there = two[0].path("tensors", "cnn_2.npz"), other.path("tensors", "cnn_0.npz")
    foreign = two[0].path("tensors", "foreign.npz")
    np.savez(foreign, weight=np.zeros((2, 2)))
    for arguments, text in [
        ((here, there), "the runs have other images or networks: data.train_size is 90 in"),
        ((here, tmp_path / "none.npz"), "there is no file"),
        ((here, foreign), "foreign.npz holds the weights of another network than those of its run"),
        ((here, here, "--points=2"), "paths.points=2 leaves a string nothing to move"),
        ((here, here, "--methods=straight"), "methods=straight is not one of linear"),
    ]:
        assert between.main([*map(str, arguments), "--out", str(tmp_path / "x.npz")]) == 2
        error = capsys.readouterr().err
        assert text in error and error.count("\n") == 1
    assert not (tmp_path / "x.npz").exists()
