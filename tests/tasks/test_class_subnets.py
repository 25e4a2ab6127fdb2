"""Masks of classes of images: what they are learned from, what they have in common, how stable they are."""

import numpy as np
import pytest
import torch

import main
from analysis.gradients import cosine
from core import exit_codes as code
from core.errors import OptionError
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from layers.batch_norm_stats import statistics_of
from masks.algebra import Masks
from models.cifar import conv_net, layer_groups, resnet110
from tasks.options import resolve
from tasks.registry import TASKS
from tests.active import active
from tests.tasks.pages import documented

TINY = {
    "data.name": "digits", "data.train_size": 300, "data.test_size": 100, "seen_size": 50, "width": 0.25, "log": "none",
    "train.steps": 4, "train.batch_size": 8, "mask.steps": 12, "mask.batch_size": 8, "mask.init": 1.0, "mask.lr": 0.1,
    "mask.penalty": 1e-4,
    "run.quiet": True,
}  # fmt: skip
REMOVAL = {"task": "cifar10_class_removal", "class_removal.classes": "2,7", **TINY}
RESNET = {
    "task": "cifar10_resnet_hp_class_removal", "class_removal.classes": "2", **TINY, "train.decay_at": "2",
    "mask.steps": 2,
}  # fmt: skip
STABILITY = {"task": "cifar10_mask_stability", "mask_stability.pairs": 2, **TINY}
GRADIENTS = {"task": "cifar10_grad_cos_distance", **TINY}
CONDITIONS = {
    "removal": REMOVAL, "resnet": RESNET, "pairs": STABILITY, "gradients": GRADIENTS,
    "without": STABILITY | {"mask_stability.measure_on": "all", "keep_last_layer": False, "mask.steps": 2},
    "nothing held out": REMOVAL | {"data.hold_out": False, "only_control": True},
}  # fmt: skip


def build(folder, **condition):
    options = resolve(active(condition | {"run.dir": str(folder)}))
    run = Run.create(options)
    return TASKS[options.task](options, run, Mirrors((), run))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the runs of all conditions by name."""
    found = {}
    for name, condition in CONDITIONS.items():
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        assert main.main([f"--{k}={v}" for k, v in active(condition | {"run.dir": str(folder)}).items()]) == code.DONE
        (found[name],) = Run.query(folder)
    return found


def masks_of(run):
    return {path.stem: Masks.load(path) for path in sorted(run.path("masks").glob("*.npz"))}


@pytest.mark.parametrize("name", CONDITIONS)
def test_logged_keys_are_documented_and_finite(finished, name):
    run = finished[name]
    keys = set(run.summary) | {key for row in run.history() for key in row}
    assert not {key for key in keys if not documented(key, "modularity_language_images.md")}
    assert all(np.isfinite(value) for value in run.summary.values())


def test_masks_that_are_learned(finished):
    names = {name: list(masks_of(run)) for name, run in finished.items()}
    assert names["removal"] == ["control", "without_2", "without_7"] and names["resnet"] == ["control", "without_2"]
    assert names["gradients"] == ["control", "without_0"] and names["nothing held out"] == ["control"]
    assert len(names["pairs"]) == 5 and len(names["without"]) == 21
    assert {name.rpartition(".")[2] for name in names["pairs"][1:]} == {"first", "second"}


@pytest.mark.parametrize("name", ["removal", "resnet", "pairs"])
def test_every_mask_has_the_control_s_scores_in_the_last_layer_alone(finished, name):
    run = finished[name]
    control, *others = (run.tensors(f"scores_{subnet}") for subnet in masks_of(run))
    last = list(control)[-2:]
    for scores in others:
        same = [name for name in control if np.array_equal(scores[name], control[name])]
        assert same == last
    assert any(not np.array_equal(control[name], np.full_like(control[name], 1.0)) for name in last)


def test_without_a_layer_in_common_every_layer_is_learned(finished):
    run = finished["without"]
    control, *others = (run.tensors(f"scores_{subnet}") for subnet in masks_of(run))
    assert not any(np.array_equal(scores[name], control[name]) for scores in others for name in control)


def test_a_mask_sees_its_own_classes_alone(tmp_path):
    task = build(tmp_path, **REMOVAL)
    for subtask, expected in (("without_2", {*range(10)} - {2}), (None, {*range(10)})):
        drawn = [task.draw(stream(step, "draw"), 32, subtask) for step in range(10)]
        assert {*torch.cat([y for _, y in drawn]).tolist()} == expected
        x, y = task.images["train"]
        place = (x.flatten(1) == drawn[0][0][0].flatten()).all(1).nonzero()[0, 0]
        assert y[place] == drawn[0][1][0]
    task = build(tmp_path, **STABILITY)
    for subtask in task.subtasks:
        a, b = map(int, subtask.removeprefix("pair_").rpartition(".")[0].split("_"))
        assert {*task.draw(stream(0, "draw"), 64, subtask)[1].tolist()} == {a, b}


def test_confusion_agrees_with_the_accuracies(finished):
    run = finished["removal"]
    for subnet in masks_of(run):
        counts = run.arrays(f"confusion_{subnet}")["counts"]
        assert counts.sum() == 100
        each = [run.summary[f"final/{subnet}/test/accuracy/{i}"] for i in range(10)]
        np.testing.assert_allclose(each, counts.diagonal() / counts.sum(1))
        assert run.summary[f"final/{subnet}/test/accuracy/total"] == pytest.approx(counts.trace() / 100)


def test_stability_is_that_of_the_saved_masks(finished):
    run = finished["pairs"]
    masks, summary = masks_of(run), run.summary
    pairs = sorted({name.rpartition(".")[0] for name in masks if name != "control"})
    found = []
    for pair in pairs:
        a, b = masks[f"{pair}.first"], masks[f"{pair}.second"]
        learned = [name for name in a if not name.startswith("15.")]
        assert len(learned) == len(a) - 2, "all but the last layer"
        both = sum(int((a[name] & b[name]).sum()) for name in learned)
        either = sum(int((a[name] | b[name]).sum()) for name in learned)
        found.append(both / either)
        assert summary[f"stability/{pair}/iou/total"] == pytest.approx(found[-1])
        assert summary[f"stability/{pair}/iou_published/total"] == pytest.approx(a.iou(b))
    assert summary["stability/mean/iou/total"] == pytest.approx(np.mean(found)) and 0 < np.mean(found) < 1


def test_pairs_follow_the_seed_and_do_not_repeat(tmp_path):
    tasks = [build(tmp_path, **STABILITY | {"mask_stability.pairs": 45, "seed": seed}) for seed in (0, 1, 0)]
    names = [list(task.sets_of_classes) for task in tasks]
    assert names[0] == names[2] != names[1] and len(set(names[0])) == 45 and {*names[0]} == {*names[1]}


def test_gradients_of_networks_with_masked_ends(finished, tmp_path):
    summary = finished["gradients"].summary
    found = [summary[f"cosine/without_0/{count}/total"] for count in range(6)]
    assert found[0] == pytest.approx(1) and found[5] < found[1] < 1
    assert "cosine/without_0/6/total" not in summary and "cosine/control/0/total" not in summary


def test_cosine_leaves_out_what_the_mask_does():
    rng = stream(0, "cosine")
    a, b = ({name: torch.randn(3, 4, generator=rng) for name in "xy"} for _ in range(2))
    where = Masks({"x": torch.rand(3, 4, generator=rng) < 0.5, "y": torch.zeros(3, 4, dtype=torch.bool)})
    u, v = a["x"][where["x"]].numpy(), b["x"][where["x"]].numpy()
    expected = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    assert cosine(a, b, where) == pytest.approx({"x": expected, "y": 0.0, "total": expected}, rel=1e-5)


def test_gradient_is_that_of_the_mean_loss(tmp_path):
    task = build(tmp_path, **GRADIENTS | {"train.eval_batch_size": 7})
    everything = Masks({name: torch.ones(shape, dtype=torch.bool) for name, shape in task.masked.shapes.items()})
    task.model.eval().requires_grad_(True)
    x, y = task.images["valid"]
    torch.nn.functional.cross_entropy(task.model(x), y).backward()
    for name, gradient in task.gradient(everything).items():
        torch.testing.assert_close(gradient, task.model.get_parameter(name).grad, rtol=1e-4, atol=1e-6)


def test_masks_leave_the_statistics_of_the_trained_network_alone(tmp_path):
    task = build(tmp_path, **RESNET)
    _, control, _ = task.stages()
    before = {name: tensor.clone() for name, tensor in statistics_of(task.model).items()}
    control.parameters()
    control.loss(control.batch(stream(0, "data"), 0), control.masking(0, 0.0)).backward()
    control.evaluate()
    assert before and all(torch.equal(before[name], found) for name, found in statistics_of(task.model).items())


def test_layers_of_the_half_mask_test():
    """The published halves: the first three convolutions; ResNet-110's stem and two stages, 222 of 335 tensors."""
    groups = layer_groups(conv_net(3, 10, stream(0, "init")))
    assert groups[:3] == [["0.weight", "0.bias"], ["3.weight", "3.bias"], ["6.weight", "6.bias"]] and len(groups) == 5
    groups = layer_groups(resnet110(3, 10, stream(0, "init")))
    assert len(groups) == 5 and sum(map(len, groups[:3])) == 222 and sum(map(len, groups)) == 335


@pytest.mark.parametrize(("options", "text"), [
    ({"class_removal.classes": "3,12"}, "class_removal.classes=3,12 must name classes of 0 to 9, each once"),
    ({"class_removal.classes": "3,3"}, "class_removal.classes=3,3 names 3 twice"),
    ({"mask.exclude": "15.*"}, "keep_last_layer=true, but 15.weight and 15.bias are not masked; see mask.exclude"),
])  # fmt: skip
def test_mistakes(tmp_path, options, text):
    with pytest.raises(OptionError, match=text):
        build(tmp_path, **REMOVAL | options)
