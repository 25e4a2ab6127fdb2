"""What `python -m tasks.examine` says of a run is what the run measured itself, and more."""

import csv
import json

import pytest
import torch

import main
from core import exit_codes as code
from core.digests import differing
from core.store import Run
from masks.algebra import Masks
from tasks import examine
from tasks.options import resolve
from tests.tasks.tiny import TINY


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return finished runs by task, of numbers of one digit: there even a tiny network is sometimes right."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    for task in ("tuple_ff_copyweight", "addmul_ff"):
        more = {"n_digits": 1, "run.dir": str(folder), "data.held_out": 0.3, "layer_sizes": "12", "mask.init": 0.1}
        values = {"task": task} | TINY[task] | more
        assert main.main([f"--{name}={value}" for name, value in values.items()]) == code.DONE
        found[task] = Run.create(resolve(values))
    return found


@pytest.mark.parametrize(("task", "subnet"), [("tuple_ff_copyweight", "pair1"), ("addmul_ff", "mul")])
def test_a_run_is_rebuilt_and_each_mask_alone_does_what_the_run_logged(runs, task, subnet, capsys):
    run = runs[task]
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    assert examine.main([str(run.folder), "--examples", "100000"]) == code.DONE
    said = capsys.readouterr().out
    rows = list(csv.DictReader(run.path("analysis", "faithfulness.csv").open()))
    found = {(row["subnet"], row["kept"], row["test"]): row for row in rows}
    network = "copied" if task == "tuple_ff_copyweight" else "network"
    for kept, key in (
        ("mask", f"final/{subnet}"), ("random", f"random/{subnet}"), ("complement", f"inverse/{subnet}/none"),
        ("everything", f"final/{network}"),
    ):  # fmt: skip
        logged = run.summary[f"{key}/test/accuracy/{subnet}"]
        assert float(found[subnet, kept, "zero"]["accuracy"]) == pytest.approx(logged), kept
    assert len({row["accuracy"] for row in rows}) > 5, "the comparison says something"
    masks = Masks.load(run.path("masks", f"{subnet}.npz"))
    assert int(found[subnet, "mask", "zero"]["weights"]) == masks.count()
    assert int(found[subnet, "complement", "zero"]["weights"]) == masks.size() - masks.count()
    assert int(found[subnet, "mask", "uniform"]["copies"]) == examine.COPIES
    assert (subnet, "mask", "adversary/0.05") in found and subnet in said
    assert {path: path.read_bytes() for path in before} == before and not differing(run.folder)


def test_all_tests_hold_the_usual_ones_and_draw_from_no_global_stream(runs):
    run = runs["addmul_ff"]
    path, state = run.path("analysis", "faithfulness.json"), torch.get_rng_state()
    told = []
    for words in ([], ["--tests", "all"]):
        if words or not path.exists():  # the usual ones may have been done
            assert examine.main([str(run.folder), "--examples", "100000", *words]) == code.DONE
        told.append(json.loads(path.read_text()))
    assert torch.equal(state, torch.get_rng_state())
    usual, every = ({(r["subnet"], r["kept"], r["test"]): r for r in one["rows"]} for one in told)
    assert all(every[name] == row for name, row in usual.items() if not name[2].startswith("adversary"))
    assert told[1]["tests"] == "all" and told[1]["examples"] == 100000 and not told[0]["numbers"]
    for name in ("superfluous", "size_area", "size/0.1", "mask/adversary_area"):
        assert 0 <= told[1]["numbers"][f"add/{name}"] <= 1
    tests = {test for subnet, kept, test in every if (subnet, kept) == ("add", "mask")}
    assert {"mean", "resampled", "zero/mul", "zero/control", "adversary/1"} <= tests


def test_mistakes_are_said_in_a_line(runs, tmp_path, capsys):
    def said(*words):
        assert examine.main([str(word) for word in words]) == code.BAD_INPUT
        return capsys.readouterr().err

    assert "is not a run folder: it has no options.yaml" in said(tmp_path)
    run = runs["addmul_ff"]
    assert "--examples=0: at least 1 is wanted" in said(run.folder, "--examples", 0)
    weights = run.path("tensors", "weights.npz")
    status = run.path("status.json").read_text()
    try:
        run.write_status("failed")
        assert "is failed; a finished run is examined" in said(run.folder)
        run.write_status("done")
        kept = weights.read_bytes()
        weights.unlink()
        assert "is damaged; a finished run is examined" in said(run.folder)
        weights.write_bytes(kept)
        text = run.path("options.yaml").read_text()
        run.path("options.yaml").write_text(text.replace("task: addmul_ff", "task: edge_popup", 1))
        assert "masks of edge_popup cannot be examined yet; those of tuple, tuple_ff" in said(run.folder)
        run.path("options.yaml").write_text(text)
    finally:
        run.path("status.json").write_text(status)
