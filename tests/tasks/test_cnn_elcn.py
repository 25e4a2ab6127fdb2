"""The branches of a CNN: what they begin as, what they are trained on, and what each number means."""

import itertools
import math

import numpy as np
import pytest
import torch

import main
from core import exit_codes as code
from core.errors import OptionError
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from models.cnn import digits, skinny
from tasks.branch_string import sound_sum
from tasks.options import resolve
from tasks.registry import TASKS
from tasks.untying.branches import groups, rate_name
from tasks.untying.cnn_elcn_options import SplitOptions
from tests.active import active
from tests.tasks.pages import documented

TINY = {
    "task": "cnn_elcn", "model": "digits", "data.name": "digits", "data.canvas": 12, "data.noise": 0.1,
    "data.train_size": 90, "data.test_size": 40, "train.epochs": 3, "train.batch_size": 40, "split.at": "0,1,3",
    "split.epochs": 2, "split.lr": 0.05, "paths.points": 3, "paths.epochs": 1, "sharpness": 20, "log": "none",
    "run.quiet": True,
}  # fmt: skip


def run(folder, **options):
    values = active(TINY | {name.replace("__", "."): v for name, v in options.items()} | {"run.dir": str(folder)})
    assert main.main([f"--{name}={value}" for name, value in values.items()]) == code.DONE
    (found,) = Run.query(folder)
    return found


def build(folder, **options):
    values = active(TINY | {name.replace("__", "."): v for name, v in options.items()} | {"run.dir": str(folder)})
    made = resolve(values)
    stored = Run.create(made)
    return TASKS[made.task](made, stored, Mirrors((), stored))


def tensors(found, name):
    return {key: torch.from_numpy(array) for key, array in found.tensors(name).items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(
        tmp_path_factory.mktemp("runs"), split__branches="control,elcn,efcn,lcn,fcn", split__lr="0.05,0.1",
        run__save_planned="cnn,elcn",
    )  # fmt: skip


def test_logged_keys_are_documented(finished):
    keys = set(finished.summary) | {key for row in finished.history() for key in row}
    assert len(keys) > 500 and not {key for key in keys if not documented(key, "untying.md")}


def test_numbers_are_numbers(finished):
    for key, value in finished.summary.items():
        if value is None:
            assert (
                "per_margin" in key
                and finished.summary[
                    key.replace("norm/per_margin", "margin/mean").replace("margin/mean_published", "margin/published")
                ]
                <= 0
            )
            continue
        assert math.isfinite(value), key
        assert not key.endswith("accuracy") or 0 <= value <= 1, key
        assert "energy" not in key or value >= 0, key


def test_stages_and_rows_are_those_of_the_plan(finished):
    rows = [row for row in finished.history() if f"{row['stage']}/epoch" in row]
    stages = [stage for stage, _ in itertools.groupby(row["stage"] for row in rows)]
    kinds = ("control", "elcn", "efcn", "lcn", "fcn")
    assert stages == ["cnn"] + [f"{kind}_{lr}" for lr in (0.05, 0.1) for kind in kinds]
    epochs = {stage: [row[f"{stage}/epoch"] for row in rows if row["stage"] == stage] for stage in stages}
    assert epochs["cnn"] == [0, 1, 2, 3] and epochs["elcn_0.05"] == [0, 1, 2]
    assert epochs["lcn_0.1"] == [0, 1, 2, 3, 5], "as long as each split and its branch together"
    per_epoch = 3  # 90 images in batches of 40
    assert [row["step"] for row in rows if row["stage"] == "cnn"] == [0, 3, 6, 9]
    strings = 2 * 2 * 3 * per_epoch
    assert finished.history()[-1]["step"] == 3 * per_epoch + 2 * (3 * 2 + 2 * 5) * per_epoch + strings


def test_a_branch_begins_where_the_cnn_was(finished):
    rows = finished.history()
    cnn = {row["cnn/epoch"]: row for row in rows if row["stage"] == "cnn"}
    for kind, lr, split in itertools.product(("control", "elcn", "efcn"), ("0.05", "0.1"), (0, 1, 3)):
        stage = f"{kind}_{lr}"
        first = next(row for row in rows if row["stage"] == stage and row.get(f"{stage}/epoch") == 0)
        for key in ("train/loss", "test/loss", "valid/accuracy", "margin/mean", "norm/squared/total"):
            assert first[f"{stage}/{split}/{key}"] == pytest.approx(cnn[split][f"cnn/{key}"], rel=1e-5, abs=1e-6), key


def test_energies_and_distances_hang_together(finished):
    for kind, split in itertools.product(("elcn", "efcn"), (0, 1, 3)):
        found = {k.removeprefix(f"{kind}_0.05/{split}/"): v for k, v in finished.summary.items()}
        for layer in ("1", "5"):
            parts = sum(found[f"energy/{part}/{layer}"] for part in ("tied", "untied", "off_local"))
            assert parts == pytest.approx(found[f"norm/squared/{layer}"])
        moved = sum(found[f"moved/{part}/total"] for part in ("tied", "untied", "off_local"))
        assert 0 < moved < found["distance"] ** 2, "the last layer moves too"
        assert (found["moved/off_local/total"] > 0) == (kind == "efcn")
        # nothing was untied at the split, so all that is untied has moved
        assert found["moved/untied/total"] == pytest.approx(found["energy/untied/total"], rel=1e-3)


def test_the_ends_of_every_path_are_the_networks(finished):
    s = finished.summary
    methods = ("linear", "curvilinear", "average", "string")
    for kind, method, split in itertools.product(("elcn", "efcn"), methods, (0, 3)):
        path, label = finished.arrays(f"path_{method}_{kind}_0.1_{split}"), f"{kind}_0.1/{split}"
        assert path["alpha"].tolist() == [0, 0.5, 1]
        for part, what in itertools.product(("train", "test"), ("loss", "accuracy")):
            ends = [s[f"cnn/{part}/{what}"], s[f"{label}/{part}/{what}"]]
            assert path[f"{part}_{what}"][[0, 2]].tolist() == pytest.approx(ends, rel=1e-4, abs=1e-6)
        if method != "average":
            loss = path["train_loss"]
            assert s[f"{label}/barrier/{method}"] == pytest.approx(max(0, loss[1] - (loss[0] + loss[2]) / 2))


def test_weights_are_saved_as_planned(finished):
    names = {path.stem for path in finished.path("tensors").glob("*.npz")}
    assert {f"cnn_{epoch}" for epoch in range(4)} <= names
    assert {f"elcn_0.05_{split}_{epoch}" for split in (0, 1, 3) for epoch in (0, 1, 2)} <= names
    assert "efcn_0.05_1_2" in names and "efcn_0.05_1_1" not in names and "lcn_0.1_5" in names


def test_retied_and_masked_networks_are_measured(finished):
    s = finished.summary
    # what one epoch untied is little, so the mean over sites is nearly the network
    assert s["elcn_0.05/3/retied/test/loss"] == pytest.approx(s["elcn_0.05/3/test/loss"], rel=0.05)
    assert s["elcn_0.05/3/retied/test/loss"] != s["elcn_0.05/3/test/loss"]
    assert s["efcn_0.05/3/local_only/test/loss"] == pytest.approx(s["efcn_0.05/3/test/loss"], rel=0.05)
    assert s["efcn_0.05/3/off_local_only/test/loss"] == pytest.approx(math.log(10), abs=0.1), "they know nothing"


def test_the_control_at_the_cnns_own_learning_rate_is_the_cnn(tmp_path):
    """It sees the images that the CNN sees, in the same order."""
    found = run(tmp_path, split__at="0,1", split__lr=0.1, split__epochs=2, split__branches="control",
                train__momentum=0.5)  # fmt: skip
    ended, cnn = tensors(found, "control_0.1_0_2"), tensors(found, "cnn_2")
    for name in cnn:
        torch.testing.assert_close(ended[name], cnn[name], rtol=1e-4, atol=1e-5)
    again = run(tmp_path / "plain", split__at="1", split__lr=0.1, split__epochs=2, split__branches="control")
    for name, tensor in tensors(again, "cnn_3").items():
        torch.testing.assert_close(tensors(again, "control_0.1_1_2")[name], tensor, rtol=1e-4, atol=1e-5)


def test_branches_trained_side_by_side_are_those_trained_alone(tmp_path):
    options = {"split__branches": "control,elcn,efcn", "paths__methods": "none", "sharpness": 0, "train__momentum": 0.5}
    together, alone = (run(tmp_path / str(n), **options | more) for n, more in enumerate(({}, {"split__at_once": 1})))
    assert together.summary.keys() - alone.summary.keys() == set()
    for kind, split in itertools.product(("control", "elcn", "efcn"), (0, 1, 3)):
        one, other = (tensors(found, f"{kind}_0.05_{split}_2") for found in (together, alone))
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["elcn", "efcn"])
def test_a_learning_rate_times_the_sites_moves_the_tied_part_as_the_convolution(tmp_path, kind):
    found = run(
        tmp_path, split__at="1", split__epochs=1, split__branches=f"control,{kind}", split__multiplier="sites",
        train__batch_size=90, train__epochs=1, paths__methods="none", sharpness=0,
    )  # fmt: skip
    task = build(tmp_path, split__at="1", train__epochs=1)
    network = task.untied(kind, task.cnn)
    network.load_state_dict(tensors(found, f"{kind}_0.05_1_1"))
    control = tensors(found, "control_0.05_1_1")
    for name in ("1", "5"):
        layer = network.get_submodule(name)
        conv = (layer if kind == "elcn" else layer.to_local()).to_conv()
        inside = slice(None)
        if kind == "efcn":  # at the border a fully connected layer has no entries for the padding
            inside = (slice(None), slice(None), 1, 1)
        torch.testing.assert_close(conv.weight[inside], control[f"{name}.weight"][inside], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(conv.bias, control[f"{name}.bias"], rtol=1e-4, atol=1e-5)


def test_a_branch_that_diverges_leaves_the_others_alone(tmp_path):
    task = build(tmp_path, split__at="0,1", train__epochs=1)
    task.run.write_tensors("cnn_0", task.first)
    task.run.write_tensors("cnn_1", task.first)
    (group,) = groups(resolve(TINY | {"split.branches": "elcn", "run.dir": str(tmp_path)}).split, (0, 1))
    stack, batch = task.networks(group), task.batch((0, 1), 0)
    for tensor in stack.weights.values():
        tensor.requires_grad_()
    sound_sum(task.losses(stack, batch)).backward()
    healthy = {name: tensor.grad[1].clone() for name, tensor in stack.weights.items()}
    with torch.no_grad():
        stack.weights["1.weight"][0, 3] = math.inf
    for tensor in stack.weights.values():
        tensor.grad = None
    sound_sum(task.losses(stack, batch)).backward()
    assert all(torch.equal(stack.weights[name].grad[1], gradient) for name, gradient in healthy.items())


def test_branches_that_diverge_have_no_numbers_at_all(tmp_path):
    """Not even those that could be computed: an accuracy of NaNs, a sharpness or a loss of nothing."""
    found = run(tmp_path, split__lr=1e9, split__branches="control,elcn,efcn,lcn", split__at="0", split__epochs=2)
    rows = found.history()
    for name in ("control_1e+09/0", "elcn_1e+09/0", "efcn_1e+09/0", "lcn_1e+09"):
        stage = name.partition("/")[0]
        last = [row for row in rows if row["stage"] == stage][-1]
        mine = {key: value for row in (found.summary, last) for key, value in row.items() if key.startswith(name + "/")}
        assert len(mine) > 20
        settings = (f"{stage}/epoch", f"{stage}/lr")
        assert not {key: value for key, value in mine.items() if value is not None and key not in settings}
        assert last[f"{stage}/loss"] is None and found.summary[f"{stage}/loss"] is None
        assert f"{name} has diverged; a smaller split.lr may help" in found.path("log.txt").read_text()
    first = next(row for row in rows if row["stage"] == "elcn_1e+09")
    assert first["elcn_1e+09/0/test/accuracy"] is not None and found.summary["cnn/train/loss"] is not None
    assert np.isnan(found.arrays("path_linear_elcn_1e+09_0")["test_accuracy"][-1])
    assert "NaN" not in found.path("summary.json").read_text() + found.path("history.jsonl").read_text()


def test_the_loss_of_a_stage_is_a_number_while_all_its_networks_have_one():
    losses = torch.tensor([0.1, 0.7, 0.2], requires_grad=True)
    assert sound_sum(losses).item() == losses.sum().item()
    one = torch.tensor([1.0, math.nan, 3.0], requires_grad=True)
    total = sound_sum(one * 2)
    total.backward()
    assert math.isnan(total.item()) and one.grad.tolist() == [2, 0, 2]


@pytest.mark.parametrize("rates", [(0.01, 0.010000001), (0.1, 0.1 + 1e-16, 0.1 + 3e-17), (1e-10, 1.0000001e-10, 5.0)])
def test_no_two_learning_rates_have_one_name(rates):
    rates = sorted(set(rates))
    split = SplitOptions(lr=tuple(rates), branches=("control", "elcn", "lcn"), at_once=1)
    found = list(groups(split, (0, 3)))
    for names in ([group.key for group in found], [label for group in found for label in group.labels]):
        assert len(set(names)) == len(names) == len(rates) * 5
    assert [float(rate_name(rate)) for rate in rates] == rates and rate_name(0.01) == "0.01"


def test_energies_are_measured_over_time(finished):
    rows = [row for row in finished.history() if "efcn_0.05/epoch" in row]
    keys = [f"efcn_0.05/3/energy/{part}/total" for part in ("tied", "untied", "off_local")]
    values = [[row[key] for key in keys] for row in rows]
    assert values[0][1:] == pytest.approx([0, 0], abs=1e-9) and values[0][0] > 1, "at the split all is tied"
    assert 0 < values[1][1] < values[2][1] and 0 < values[1][2] < values[2][2]
    assert values[2] == [finished.summary[key] for key in keys]
    assert rows[1]["efcn_0.05/3/energy/tied/1"] < values[1][0], "of each layer too"


def test_margins_of_single_images_are_kept(finished):
    for label in ("cnn", "control_0.05/0", "elcn_0.1/3", "efcn_0.05/1", "lcn_0.1", "fcn_0.05"):
        found = finished.arrays(f"margins_{label.replace('/', '_')}")
        assert found["train"].shape == (90,) and found["test"].shape == (40,)
        assert found["test"].mean() == pytest.approx(finished.summary[f"{label}/margin/mean"], rel=1e-4, abs=1e-5)
        right = (found["train"] > 0).mean()
        assert right == pytest.approx(finished.summary[f"{label}/train/accuracy"], abs=1e-9)


def test_a_cnn_beside_a_fully_connected_network(tmp_path):
    rng = np.random.default_rng(0)
    images = {f"x_{part}": rng.integers(0, 256, (20, 1, 32, 32), np.uint8) for part in ("train", "test")}
    np.savez(tmp_path / "images.npz", **images, y_train=np.arange(20) % 2, y_test=np.arange(20) % 2)
    found = run(
        tmp_path / "runs", model="skinny_plus_fc", channels=2, data__name="digits", data__canvas="none", data__noise=0,
        data__file=tmp_path / "images.npz", data__train_size="none", data__test_size="none", split__at="1",
        train__epochs=1, split__epochs=1, split__branches="elcn", paths__methods="linear", sharpness=4,
        train__batch_size=8,
    )  # fmt: skip
    layers = {key.split("/")[-1] for key in found.summary if "/energy/tied/" in key}
    assert layers == {"cnn.1", "cnn.5", "cnn.9", "total"}, "of the convolutions alone"
    assert {"cnn/norm/squared/fcn.2", "cnn/norm/squared/cnn.1", "cnn/sharpness"} <= set(found.summary)
    before, after = tensors(found, "elcn_0.05_1_1"), tensors(found, "cnn_1")
    assert not torch.equal(before["fcn.2.weight"], after["fcn.2.weight"]), "both are trained"


def test_networks_from_scratch_are_untied_from_the_first(tmp_path):
    task = build(tmp_path)
    lcn, fcn = (
        task._begin(group)
        for group in groups(resolve(active(TINY | {"split.branches": "lcn,fcn", "run.dir": str(tmp_path)})).split, (0,))
    )
    sites = lcn.weights["1.weight"][0]
    assert sites.std(0).min() > 0.01 and sites.abs().max() <= 1 / 3
    assert (fcn.weights["1.linear.weight"] != 0).float().mean() > 0.99


def test_batches_follow_the_epochs_of_the_cnn(tmp_path):
    task = build(tmp_path)
    x, y = task.batch((0, 2), 3)  # the first step of the second epoch; and of the fourth, after two epochs
    assert len(y) == 80
    assert torch.equal(y[:40], task.batch((1,), 0)[1]) and torch.equal(y[40:], task.batch((3,), 0)[1])
    assert not torch.equal(y[:40], y[40:]) and len(task.batch((0,), 2)[1]) == 10
    seen = torch.cat([task.batch((0,), step)[0] for step in range(3)]).flatten(1)
    assert len(seen.unique(dim=0)) == 90
    fixed = build(tmp_path / "fixed", train__shuffle=False)
    assert torch.equal(fixed.batch((1,), 0)[1], fixed.sets["train"][1][:40])


def test_a_cnn_of_the_originals_is_branched_without_training(tmp_path):
    cnn = digits((1, 12, 12), 10, stream(9, "init"))
    weights = {f"features.{name}": parameter.detach() for name, parameter in cnn.named_parameters()}
    torch.save({"weights": weights, "optimizer": {}}, tmp_path / "skinnyprime_7.pyT")
    found = run(tmp_path / "runs", start=tmp_path / "skinnyprime_7.pyT", train__epochs=0, split__at="0",
                split__branches="elcn", split__epochs=1)  # fmt: skip
    assert torch.equal(tensors(found, "cnn_0")["1.weight"], cnn[1].weight)
    assert [row["stage"] for row in found.history() if "cnn/epoch" in row or "elcn_0.05/epoch" in row] == [
        "cnn",
        "elcn_0.05",
        "elcn_0.05",
    ]


def skinny_file(folder):
    path = folder / "skinny.npz"
    np.savez(path, **{n: p.detach().numpy() for n, p in skinny((3, 32, 32), 10, stream(0, "init")).named_parameters()})
    return path


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"start": "nowhere.pyT"}, "there is no file 'nowhere.pyT' with weights"),
        ({"start": skinny_file}, "skinny.npz is of another network: it has 4 layers with weights, not 3"),
        ({"data.canvas": 7}, "a canvas of 7x7 is too small for images of 8x8"),
        ({"model": "alexnet", "data.canvas": "none", "data.noise": 0}, "images of 1x8x8 are too small for this"),
        ({"data.name": "cifar10", "data.file": "nowhere.npz"}, "no image file 'nowhere.npz'"),
        ({"split.layers": "conv1"}, "split.layers=conv1 names no Conv2d; there are: 1, 5"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tmp_path, caplog, options, text):
    values = TINY | {k: v(tmp_path) if callable(v) else v for k, v in options.items()} | {"run.dir": str(tmp_path)}
    assert main.main([f"--{name}={value}" for name, value in values.items()]) == code.BAD_INPUT
    (failed,) = Run.query(tmp_path, state="failed")
    assert text in failed.status["error"] and "\n" not in failed.status["error"]


def test_a_wrong_layer_is_found_before_the_images_are_read(tmp_path):
    with pytest.raises(OptionError, match="split.layers=conv1 names no Conv2d"):
        build(tmp_path, split__layers="conv1")
    assert build(tmp_path, split__layers="conv1", split__branches="control"), "where nothing is untied it does nothing"
