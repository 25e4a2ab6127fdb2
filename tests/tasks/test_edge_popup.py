"""Edge-popup on random networks: only scores move, as many weights are kept as asked for, controls have that size."""

import numpy as np
import pytest
import torch

import core.fit
import main
from core import exit_codes as code
from core.errors import MaskError
from core.options import revisions
from core.rng import stream
from core.store import Run
from data.epochs import Epochs
from masks.algebra import Masks
from masks.mask_files import fingerprint, read_statistics
from masks.options import METHODS
from models.random_nets import random_net
from tasks.options import outdated, resolve
from tests.active import active
from tests.tasks.pages import documented

TINY = {
    "task": "edge_popup", "model": "fc", "layer_sizes": "32,32", "data.name": "digits", "data.train_size": 100,
    "data.test_size": 50, "train.epochs": 2, "train.batch_size": 40, "log": "none", "run.quiet": True,
}  # fmt: skip
CONDITIONS = [
    {"mask.keep": 0.3, "scale": "keep"}, {"mask.scope": "network"},
    {"mask.method": "bernoulli", "train.optimizer": "adam", "mask.evaluate": "sample"},
    {"mask.method": "signed-popup", "mask.keep": 0.3},
    {"model": "conv2", "width": 0.1, "data.hold_out": False, "mask.rank": "signed"}, {"trained": "weights"},
    {"model": "gem_resnet18", "width": 0.1, "data.augment": True, "mask.keep": 0.4},
    {"model": "gem_resnet18", "width": 0.1, "affine": True, "trained": "weights"},
    {"mask.er_scale": 2, "train.warmup": 1, "train.label_smoothing": 0.1, "init": "kaiming_normal"},
]  # fmt: skip


@pytest.fixture(scope="module", params=CONDITIONS, ids=lambda c: ",".join(map(str, c.values())))
def finished(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs"), request.param)


def run(folder, options):
    assert main.main([f"--{k}={v}" for k, v in active(TINY | options | {"run.dir": str(folder)}).items()]) == code.DONE
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
    if options["mask.method"].endswith("popup") and options["mask.er_scale"] is None:
        if options.get("mask.scope") == "network":
            assert masks.count() == round(options["mask.keep"] * masks.size())
        else:
            assert all(mask.count_nonzero() == round(options["mask.keep"] * mask.numel()) for mask in masks.values())
    channels = (1, 8, 8)
    network = random_net(
        options["model"], channels, 10, stream(0, "init"), options["init"], options.get("mask.keep", 1.0),
        options["scale"], options["layer_sizes"], options["width"],
    ).eval()  # fmt: skip
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.mul_(masks[name])
    for name, tensor in read_statistics(finished.path("masks", "subnet.npz")).items():
        network.get_buffer(name).copy_(tensor)
    from data.image_sets import standardised_images
    from tasks.image_options import ImageOptions

    x, y = standardised_images(ImageOptions("digits", train_size=100, test_size=50, hold_out=options["data.hold_out"]))[
        "test"
    ]
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


@pytest.mark.parametrize("model", [{}, {"model": "gem_resnet18", "width": 0.1}], ids=str)
def test_a_saved_subnetwork_is_measured_again(tmp_path, model, capsys, monkeypatch):
    """One set, in its time: nothing is trained, and training images are for the statistics of controls alone."""
    first = run(tmp_path / "1", model).summary
    (trained,) = Run.query(tmp_path / "1")
    path = trained.path("masks", "subnet.npz")
    words = model | {"evaluate": path, "run.quiet": False}
    with monkeypatch.context() as no_training:
        no_training.setattr(Epochs, "batch", None)
        no_training.setattr(core.fit, "train_step", None)
        plain = run(tmp_path / "2", words)
    numbers = {key for key in plain.summary if "/test/" in key}
    assert numbers == {f"final/test/{kind}" for kind in ("loss", "accuracy", "top5")} and plain.history() == []
    assert all(value == first[key] for key, value in plain.summary.items())
    top1, top5 = (100 * first[f"final/test/{kind}"] for kind in ("accuracy", "top5"))
    assert f"{path}: top-1 {top1:.2f} %, top-5 {top5:.2f} % of 50 test images" in capsys.readouterr().err
    again = run(tmp_path / "3", words | {"controls": "random,whole"}).summary
    assert {key.split("/")[0] for key in again if "/test/" in key} == {"final", "random", "whole"}
    assert all(value == first[key] for key, value in again.items())
    assert f"whole: top-1 {100 * first['whole/test/accuracy']:.2f} %" in capsys.readouterr().err
    valid = run(tmp_path / "4", words | {"evaluate_on": "valid"}).summary
    assert valid["final/valid/top5"] == first["final/valid/top5"] and "final/test/loss" not in valid
    train = run(tmp_path / "5", words | {"evaluate_on": "train"}).summary
    assert train["final/train/accuracy"] == first["scores/train/accuracy"]
    with pytest.raises(MaskError, match="holds masks of other weights"):
        Masks.load(path, network=fingerprint({"1.weight": torch.ones(2, 2)}))
    assert main.main([f"--{k}={v}" for k, v in (TINY | model | {
        "run.dir": tmp_path / "6", "evaluate": path, "seed": 4}).items()]) == code.BAD_INPUT  # fmt: skip


def test_the_mask_that_is_drawn_is_the_one_that_is_measured_and_saved(tmp_path):
    drawn = {"mask.method": "bernoulli", "mask.init": "none", "train.lr": 50, "train.weight_decay": 0}
    found = {how: run(tmp_path / how, TINY | drawn | {"mask.evaluate": how}) for how in ("hard", "sample")}
    hard, sample = (run.summary for run in found.values())
    assert hard["scores/loss"] == sample["scores/loss"], "training is the same"
    assert hard["final/test/loss"] != sample["final/test/loss"]
    assert sample["scores/kept"] == sample["kept/total"] / sample["size/total"] != hard["scores/kept"]
    path = found["sample"].path("masks", "subnet.npz")
    again = run(tmp_path / "again", drawn | {"evaluate": path}).summary
    assert again["final/test/loss"] == sample["final/test/loss"]
    masks, scores = Masks.load(path), found["sample"].tensors("scores")
    likely = sum(float(torch.from_numpy(s).sigmoid().sum()) for s in scores.values()) / masks.size()
    assert masks.density() == pytest.approx(likely, abs=0.03)


def test_no_penalty_unless_asked_for(tmp_path):
    """edge-popup has no penalty; that of the others is 0, as in the originals."""
    for method in METHODS:
        default = resolve({"task": "edge_popup", "mask.method": method})
        assert default.mask.penalty == 0
    paid = {"mask.method": "threshold", "mask.init": "none"}
    threshold = [run(tmp_path / f"t{p}", paid | {"mask.penalty": p}).summary for p in (0, 100)]
    assert threshold[1]["kept/total"] < threshold[0]["kept/total"]


def test_the_corrected_default_renames_only_the_runs_that_it_changes(tmp_path):
    """Of those methods that have a penalty, and no revision of their own."""
    found = {m: revisions(resolve({"task": "edge_popup", "mask.method": m})) for m in METHODS}
    own = {"bernoulli": {"mask": 2}, "gumbel": {"task": 2}, "threshold": {"task": 2}}
    assert found == {m: own.get(m, {}) for m in METHODS}
    old = Run.create(resolve({"task": "edge_popup", "mask.method": "gumbel", "run.dir": str(tmp_path)}))
    assert outdated(old) == ""
    old.revision = {}
    assert outdated(old) == "revision 1 of edge_popup (now 2)"


def test_a_published_file_is_measured(tmp_path, capsys):
    """A .pth of the authors' layout: linear layers as 1x1 convolutions, "module." in front, their keys around it."""
    network = random_net("gem_resnet18", (1, 8, 8), 10, stream(7, "init"), "kaiming_normal", width=0.1)
    rng, state = stream(0, "file"), {}
    for name, tensor in network.state_dict().items():
        if name.endswith("weight"):
            four = tensor[:, :, None, None] if tensor.dim() == 2 else tensor
            scores = torch.randn(four.shape, generator=rng)
            state |= {f"module.{name}": four, f"module.{name.removesuffix('weight')}scores": scores}
        else:
            state[f"module.{name}"] = torch.rand(tensor.shape, generator=rng) + 1 if tensor.dim() else tensor
    path = tmp_path / "model_best.pth"
    around = {"epoch": 100, "arch": "cResNet18", "best_acc1": 93.1, "curr_acc1": 93.0, "optimizer": {"state": {}}}
    torch.save({"state_dict": state} | around, path)
    model = {"model": "gem_resnet18", "width": 0.1, "evaluate": path, "mask.keep": 0.3, "mask.method": "edge-popup"}
    found = run(tmp_path / "runs", model)

    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    with torch.no_grad():
        for name, weight in network.named_parameters():
            flat = plain[f"{name.removesuffix('weight')}scores"].abs().flatten()
            mask = torch.ones_like(flat)
            mask[flat.argsort()[: int((1 - 0.3) * len(flat))]] = 0
            weight.copy_(plain[name].view(weight.shape) * mask.view(weight.shape))
    for name, buffer in network.named_buffers():
        buffer.copy_(plain[name])
    from data.image_sets import standardised_images
    from tasks.image_options import ImageOptions

    x, y = standardised_images(ImageOptions("digits", train_size=100, test_size=50))["test"]
    accuracy = (network.eval()(x).argmax(1) == y).double().mean().item()
    assert found.summary["final/test/accuracy"] == pytest.approx(accuracy)
    others = {
        ("evaluate=nix.pth",): "main.py: there is no file 'nix.pth' with a subnetwork; a run's is masks/subnet.npz",
        ("width=0.2",): "is of another network: its 0 is",
        ("model=fc",): "has scores of 21 layers",
        ("mask.keep",): "does not say which fraction of the weights it keeps: mask.keep=...",
        ("mask.method=threshold", "mask.keep"): "mask.method=threshold: evaluate=",
        ("mask.method=bernoulli", "mask.keep"): "mask.method=bernoulli: evaluate=",
        ("mask.method=signed-popup",): "mask.method=signed-popup: evaluate=",
        ("mask.er_scale=2",): "of every layer: mask.er_scale=none",
        ("mask.rank=signed",): "mask.rank=signed: evaluate=",
        ("mask.scope=network",): "mask.scope=network: evaluate=",
    }
    for changes, text in others.items():
        words = TINY | model | {"run.dir": tmp_path / "no"}
        del words["train.epochs"]  # nothing is trained
        for change in changes:
            name, given, value = change.partition("=")
            words = words | {name: value} if given else {k: v for k, v in words.items() if k != name}
        assert main.main([f"--{k}={v}" for k, v in words.items()]) == code.BAD_INPUT, changes
        said = [line for line in capsys.readouterr().err.splitlines() if "main.py:" in line]
        assert len(said) == 1 and text in said[0], said


def test_contradictions_are_one_line(capsys):
    for options, text in {
        ("mask.keep", 0): "mask.keep=0.0 is outside (0, 1]", ("width", 0): "width=0.0 is outside (0, 100]",
        ("layer_sizes", "8,0"): "layer_sizes=0 is outside [1, 1e5]",
        ("mask.steps", 3): "unknown option 'mask.steps'", ("prune_rate", 0.3): "here it is mask.keep",
        ("train.label_smoothing", 1): "train.label_smoothing=1.0 is outside [0, 1)",
        ("controls", "random"): "controls is of a subnetwork to measure, and none is given: evaluate=FILE",
        ("evaluate_on", "valid"): "evaluate_on is of a subnetwork to measure, and none is given",
        ("mask.evaluate", "sample"): "mask.evaluate=sample: mask.method=edge-popup draws no masks; those that do: "
        "gumbel, bernoulli",
    }.items():  # fmt: skip
        name, value = options
        assert main.main(["--task=edge_popup", f"--{name}={value}"]) == code.BAD_INPUT
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1
