"""Edge-popup on random networks: only scores move, as many weights are kept as asked for, controls have that size."""

import numpy as np
import pytest
import torch

import main
from core import exit as code
from core.rng import stream
from core.store import Run
from masks.algebra import Masks
from models.random_nets import random_net
from tests.tasks.pages import documented

TINY = {
    "task": "edge_popup", "model": "fc", "layer_sizes": "32,32", "data.name": "digits", "data.train_size": 100,
    "data.test_size": 50, "train.epochs": 2, "train.batch_size": 40, "log": "none", "run.quiet": True,
}  # fmt: skip
CONDITIONS = [
    {"mask.keep": 0.3, "scale": "keep"}, {"mask.scope": "network"},
    {"mask.method": "bernoulli", "train.optimizer": "adam"},
    {"model": "conv2", "width": 0.1, "data.hold_out": False, "mask.rank": "signed"}, {"trained": "weights"},
    {"mask.er_scale": 2, "train.warmup": 1, "train.label_smoothing": 0.1, "init": "kaiming_normal"},
]  # fmt: skip


@pytest.fixture(scope="module", params=CONDITIONS, ids=lambda c: ",".join(map(str, c.values())))
def finished(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs"), request.param)


def run(folder, options):
    assert main.main([f"--{k}={v}" for k, v in (TINY | options | {"run.dir": str(folder)}).items()]) == code.DONE
    (found,) = Run.query(folder)
    return found


def test_logged_keys_are_documented(finished):
    keys = set(finished.summary) | {key for row in finished.history() for key in row}
    assert keys and not {key for key in keys if not documented(key, "edge_popup.md")}
    for key, value in finished.summary.items():
        assert np.isfinite(value) and (not key.endswith("accuracy") or 0 <= value <= 1), key


def test_epochs_and_steps(finished):
    rows = [row for row in finished.history() if f"{row['stage']}/epoch" in row]
    per_epoch = 3
    assert [row[f"{row['stage']}/epoch"] for row in rows] == [0, 1, 2]
    assert [row["step"] for row in rows] == [0, per_epoch, 2 * per_epoch]


def test_the_mask_is_what_was_measured_and_its_size_is_what_was_asked_for(finished):
    options, summary = finished.options, finished.summary
    if options["trained"] == "weights":
        assert not finished.path("masks").exists() and "random/test/accuracy" not in summary
        return
    masks = Masks.load(finished.path("masks", "subnet.npz"))
    assert masks.count() == summary["kept/total"] and masks.size() == summary["size/total"]
    if options["mask.method"] == "edge-popup" and options["mask.er_scale"] is None:
        if options["mask.scope"] == "network":
            assert masks.count() == round(options["mask.keep"] * masks.size())
        else:
            assert all(mask.sum() == round(options["mask.keep"] * mask.numel()) for mask in masks.values())
    channels = (1, 8, 8)
    network = random_net(
        options["model"], channels, 10, stream(0, "init"), options["init"], options.get("mask.keep", 1.0),
        options["scale"], options["layer_sizes"], options["width"],
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.mul_(masks[name])
    from data.standardised import standardised_images

    x, y = standardised_images("digits", train_size=100, test_size=50, hold_out=options["data.hold_out"])["test"]
    accuracy = (network(x).argmax(1) == y).double().mean().item()
    assert accuracy == pytest.approx(summary["final/test/accuracy"]), "the weights are what their seed says"


def test_a_subnetwork_is_found(tmp_path):
    """A half of the random weights reads digits; all of them do not, nor does a half taken at random."""
    found = run(tmp_path, {
        "layer_sizes": "128,128", "data.train_size": "none", "data.test_size": "none", "train.epochs": 12,
        "train.batch_size": 64, "mask.keep": 0.5, "data.hold_out": False, "train.evaluations": 1,
    }).summary  # fmt: skip
    assert found["final/test/accuracy"] > 0.9
    assert found["random/test/accuracy"] < 0.4 and found["whole/test/accuracy"] < 0.4


def test_contradictions_are_one_line(capsys):
    for options, text in {
        ("mask.keep", 0): "mask.keep=0.0 is outside (0, 1]", ("width", 0): "width=0.0 is too small; it must be above 0",
        ("layer_sizes", "8,0"): "layer_sizes=8,0: every width must be above 0",
        ("mask.steps", 3): "unknown option 'mask.steps'", ("prune_rate", 0.3): "here it is mask.keep",
        ("train.label_smoothing", 1): "train.label_smoothing=1.0 leaves nothing of the label",
    }.items():  # fmt: skip
        name, value = options
        assert main.main(["--task=edge_popup", f"--{name}={value}"]) == code.BAD_INPUT
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1
