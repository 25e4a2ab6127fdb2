"""Many tasks in one network: none changes another, and side by side is one after the other."""

from pathlib import Path

import numpy as np
import pytest
import torch

import main
from core import exit_codes as code
from core.rng import stream
from core.store import Run
from masks.algebra import Masks
from masks.mask_files import fingerprint, read_statistics
from models.random_nets import random_net
from tests.active import active
from tests.tasks.pages import documented

TINY = {
    "task": "supsup", "layer_sizes": "24,24", "data.name": "digits", "data.train_size": 200, "data.test_size": 90,
    "tasks.count": 4, "train.steps": 20, "train.batch_size": 20, "train.eval_every": 10, "train.lr": 0.01,
    "outputs": 20, "infer.batch_size": 30, "log": "none", "run.quiet": True,
}  # fmt: skip
SPLIT = {"tasks.kind": "split", "outputs": "none", "infer.strategy": "none"}
CONDITIONS = [
    {"evaluate_at": "2,3"}, {"infer.strategy": "binary", "infer.objective": "G", "data.hold_out": False},
    {"infer.strategy": "gradient", "tasks.kind": "rotated", "tasks.angle": 30, "infer.images": 30},
    {"infer.strategy": "exhaustive", "infer.batches": 1, "mask.method": "gumbel", "mask.init": 0.0,
     "mask.penalty": 1e-4},
    SPLIT | {"mask.method": "edge-popup", "mask.er_scale": 2, "transfer": "scores", "tasks.count": 3},
    SPLIT | {"model": "gem_resnet18", "width": 0.1, "mask.method": "edge-popup", "tasks.count": 2, "train.steps": 4,
             "train.eval_every": 4, "train.optimizer": "adam", "train.warmup": 1, "train.schedule": "cosine"},
    SPLIT | {"learner": "batch_ensemble", "train_weights_for": 1, "train.weights_lr": 0.001},
    SPLIT | {"learner": "heads", "train_weights_for": 0, "train.optimizer": "adam"},
    SPLIT | {"learner": "heads", "train_weights_for": "none"},
    {"learner": "rotation", "train_weights_for": "none", "infer.strategy": "none"},
]  # fmt: skip
NNS = TINY | {"task": "supsup_nns", "tasks.count": 3, "check_every": 5, "threshold": 1.05}
NNS.pop("train.eval_every")
HOP = {name: value for name, value in TINY.items() if name in ("data.name", "data.train_size", "log", "run.quiet")} | {
    "task": "hopsupsup", "layer_sizes": "40,30", "train.batch_size": 10, "infer.batch_size": 10, "train.epochs": 3,
}  # fmt: skip


def name_of(options):
    return ",".join(str(value) for name, value in options.items() if TINY.get(name) != value) or "plain"


@pytest.fixture(scope="module", params=[TINY | c for c in CONDITIONS] + [NNS, HOP], ids=name_of)
def finished(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs"), request.param)


def run(folder, options):
    assert main.main([f"--{k}={v}" for k, v in active(options | {"run.dir": str(folder)}).items()]) == code.DONE
    (found,) = Run.query(folder)
    return found


def test_logged_keys_are_documented(finished):
    keys = set(finished.summary) | {key for row in finished.history() for key in row}
    assert keys and not {key for key in keys if not documented(key, "supsup.md")}
    assert all(np.isfinite(value) for value in finished.summary.values())


def test_what_is_trained_is_exported(finished):
    if finished.task != "supsup":
        return
    learner, count = finished.options["learner"], finished.options["tasks.count"]
    if learner in ("batch_ensemble", "heads"):
        assert {int(name.split("/")[0]) for name in finished.tensors("tasks")} == set(range(count))
    assert finished.path("tensors", "weights.npz").exists() == (finished.options["train_weights_for"] != 0)
    assert len(list(finished.path("masks").glob("*.npz"))) == (count if learner == "masks" else 0)


def test_no_task_changes_another(finished):
    if finished.task != "supsup":
        return
    options, final = finished.options, finished.summary
    found = finished.arrays(f"tasks_{options['tasks.count']:04d}")
    if options["train_weights_for"] is None:
        assert options["learner"] == "heads" or final["final/changed"] > 0, "weights that go on training are no masks"
        assert final["final/bytes/network"] > 0
    else:
        assert final["final/changed"] == 0 and np.array_equal(found["gg"], found["after"])


@pytest.mark.parametrize("more", [{}, SPLIT | {"model": "gem_resnet18", "width": 0.1, "train.steps": 4}], ids=str)
def test_outputs_of_old_tasks_do_not_change_by_a_bit(tmp_path, monkeypatch, more):
    from tasks.supsup.supsup import SupSup

    rounds, settle = [], SupSup.finish

    def finish(self, tasks):
        results = settle(self, tasks)
        learned = range(len(self.after))
        rounds.append([self.logits(self.learner.network(t), self.tasks.examples(t, "test")[0]) for t in learned])
        return results

    monkeypatch.setattr(SupSup, "finish", finish)
    run(tmp_path, TINY | {"tasks.count": 3} | more)
    assert [len(logits) for logits in rounds] == [1, 2, 3]
    for earlier, later in zip(rounds, rounds[1:], strict=False):
        assert all(torch.equal(a, b) for a, b in zip(earlier, later, strict=False))
    assert not torch.equal(rounds[-1][0], rounds[-1][1])


def test_a_mask_file_and_the_seed_are_the_task(finished):
    """The accuracy of the last and of the first task, from nothing but masks/ and the options."""
    options = finished.options
    if finished.task != "supsup" or options["learner"] != "masks":
        return
    from data.image_sets import standardised_images
    from data.task_sequence import TaskSequence
    from tasks.image_options import ImageOptions

    sets = standardised_images(ImageOptions("digits", train_size=200, test_size=90, hold_out=options["data.hold_out"]))
    tasks = TaskSequence(
        sets, options["tasks.kind"], options["tasks.count"], 20, 0, options["tasks.angle"], options["tasks.classes"]
    )
    outputs = tasks.classes if options["outputs"] is None else options["outputs"]
    gg = finished.arrays(f"tasks_{options['tasks.count']:04d}")["gg"]
    for task in (0, options["tasks.count"] - 1):
        network = random_net(
            options["model"], (1, 8, 8), outputs, stream(0, "init"), hidden=(24, 24), width=options["width"]
        ).eval()
        name = fingerprint({n: p for n, p in network.named_parameters() if p.dim() > 1})
        path = finished.path("masks", f"task_{task:04d}.npz")
        masks, buffers = Masks.load(path, network=name), dict(network.named_buffers())
        statistics = read_statistics(path)
        assert bool(statistics) == ("resnet" in options["model"])
        with torch.no_grad():
            for parameter, mask in zip(network.parameters(), masks.values(), strict=True):
                parameter.mul_(mask)
        for buffer, tensor in statistics.items():
            buffers[buffer].copy_(tensor)
        x, y = tasks.examples(task, "test")
        assert (network(x).argmax(1) == y).double().mean().item() == pytest.approx(gg[task])


@pytest.mark.parametrize("more", [
    {}, {"train.optimizer": "sgd", "mask.method": "edge-popup"}, SPLIT | {"mask.method": "bernoulli"},
    SPLIT | {"learner": "heads"}, SPLIT | {"learner": "batch_ensemble", "train.optimizer": "adam"},
    SPLIT | {"model": "gem_resnet18", "width": 0.1, "train.steps": 3, "tasks.count": 3},
], ids=str)  # fmt: skip
def test_side_by_side_is_one_after_the_other(tmp_path, more):
    found = {}
    for together in (1, 3):
        found[together] = run(tmp_path / str(together), TINY | more | {"tasks_at_once": together})
    one, three = (found[n].arrays(f"tasks_{found[n].options['tasks.count']:04d}") for n in (1, 3))
    assert one.keys() == three.keys()
    exact = "resnet" not in str(more)  # grouped convolutions add in another order
    for name in one:
        np.testing.assert_allclose(one[name], three[name], rtol=0, atol=0 if exact else 0.1, err_msg=name)
    for path in found[1].path("masks").glob("*.npz"):
        with np.load(path) as a, np.load(found[3].path("masks", path.name)) as b:
            assert all(np.array_equal(a[n], b[n]) for n in a.files) or not exact


def test_enough_superfluous_outputs_tell_tasks_apart(tmp_path):
    digits = {"data.train_size": "none", "data.test_size": 320, "data.hold_out": False, "layer_sizes": "128,128",
              "train.steps": 150, "train.batch_size": 50, "train.eval_every": 150, "tasks.count": 5, "tasks_at_once": 5,
              "infer.batch_size": 32, "train.lr": 2e-3}  # fmt: skip
    found = {n: run(tmp_path / str(n), TINY | digits | {"outputs": n}).summary for n in (10, 150)}
    assert all(summary["final/gg"] > 0.9 for summary in found.values())
    assert found[150]["final/inferred"] > 0.9 and found[150]["final/gnu"] > 0.85
    assert found[10]["final/inferred"] < found[150]["final/inferred"] - 0.2
    assert found[150]["final/gns"] >= found[150]["final/gnu"]


def test_a_stream_is_divided_where_tasks_change(tmp_path, monkeypatch):
    """With a judge that knows the tasks, masks are begun at borders alone, and an old task finds its mask again."""
    from tasks.supsup.supsup_nns import NNs

    order = [0, 0, 1, 1, 0, 2]

    def place(self, stretch):
        return order[stretch], 5 * (stretch % 2)

    def fitting(self, x):
        task = order[len(self.chosen)]
        known = [order[stretch] for stretch in range(len(self.chosen))]
        return (list(dict.fromkeys(known)).index(task) if task in known else None), 1.5

    monkeypatch.setattr(NNs, "place", place)
    monkeypatch.setattr(NNs, "fitting", fitting)
    found = run(tmp_path, NNS | {"tasks.count": 3, "train.steps": 10, "budget": 2})
    stretches = found.arrays("stretches")
    assert stretches["mask"].tolist() == [0, 0, 1, 1, 0, -1]
    summary = found.summary
    assert summary["final/masks"] == 2 and summary["final/skipped"] == 1
    assert found.arrays("tasks")["gg"][2] == 0, "a task without a mask of its own gets nothing right"


def test_the_optimiser_lives_as_long_as_its_mask(tmp_path, monkeypatch):
    """It goes on over questions that are answered by the same mask, and begins anew where another one is trained."""
    from tasks.supsup.supsup_nns import NNs

    answers = iter([None, 0, 0, None, 1, 0])
    monkeypatch.setattr(NNs, "fitting", lambda self, x: (next(answers), 1.5))
    steps, real = {}, torch.optim.RMSprop.step

    def step(self, *a, **k):
        state = list(self.state.values())
        steps.setdefault(id(self), []).append(int(state[0]["step"]) if state else 0)
        kept.append(self)  # or its id would be used again
        return real(self, *a, **k)

    kept = []
    monkeypatch.setattr(torch.optim.RMSprop, "step", step)
    found = run(tmp_path, NNS | {"tasks.count": 3, "train.steps": 10})
    assert found.arrays("stretches")["mask"].tolist() == [0, 0, 0, 1, 1, 0]
    assert [counted[0] for counted in steps.values()] == [0, 5, 10, 0, 5, 0]
    assert all(counted == list(range(counted[0], counted[0] + 5)) for counted in steps.values())


def test_borders_of_a_stream_of_permuted_mnist_are_found(tmp_path):
    cache = Path(__file__).parents[2] / "cache"
    if not (cache / "MNIST" / "raw").is_dir():
        pytest.skip("MNIST is not in cache/")
    found = run(tmp_path, {
        "task": "supsup_nns", "data.hold_out": False, "data.train_size": 25600, "data.test_size": 640, "tasks.count": 4,
        "train.steps": 150, "check_every": 50, "outputs": 500, "log": "none", "run.quiet": True, "run.cache": cache,
    }).summary  # fmt: skip
    assert found["final/masks"] == 4 and found["final/new_masks/at_boundary"] == 4 and found["final/gns"] > 0.8


def test_a_mask_taken_up_again_is_the_mask_that_was_put_down(tmp_path):
    from tasks.options import resolve
    from tasks.supsup.learners.masks import MaskLearner

    options = resolve({"task": "supsup", "run.dir": str(tmp_path)})
    network = random_net("fc", (1, 4, 4), 3, stream(0, "init"), hidden=(8,))
    learner = MaskLearner(network, options, Run.create(options))
    learner.begin([0])
    with torch.no_grad():
        for scores in learner.own(0).values():
            scores.mul_(torch.randn(scores.shape, generator=stream(0, "x")))
    before = learner.masks(0)
    learner.finalize(0)
    assert learner.masked.subnets == [], "scores live only while their task is trained"
    learner.recall(0)
    assert all(torch.equal(before[name], mask) for name, mask in learner.masked.masks("0").items())
    assert any(not torch.equal(before[name], mask) for name, mask in learner.first_mask(0).items())


def test_masks_are_found_again(tmp_path):
    found = run(tmp_path, HOP | {
        "data.train_size": "none", "data.hold_out": False, "layer_sizes": "256,256", "train.epochs": 8,
        "infer.strength": 3e-3, "tasks.count": 3, "infer.passes": 2,
    })  # fmt: skip
    summary = found.summary
    assert summary["final/gg"] > 0.9 and summary["final/nearest"] >= 2 / 3
    assert summary["final/units"] == 512 and summary["final/bytes/masks"] == 3 * 512 / 8
    assert summary["final/bytes/hopfield"] == 4 * 2 * 256**2


def test_mistakes_are_one_line(tmp_path, capsys):
    for options, text in {
        ("tasks_at_once=2", "train_weights_for=1", "infer.strategy=none"): "tasks_at_once=2 would train one set of",
        ("tasks_at_once=2", "transfer=scores"): "transfer=scores takes the tasks one after the other",
        ("learner=rotation",): "learner=rotation has nothing to train but the weights",
        ("learner=heads",): "infer.strategy=one-shot needs masks on weights that stay",
        ("learner=heads", "transfer=scores"): "transfer=scores is of masks",
        ("evaluate_at=3,11",): "evaluate_at=11: there are 10 tasks",
        ("outputs=9",): "outputs=9 is fewer than the 10 classes",
        ("infer.objective=G",): "infer.objective=G needs superfluous outputs: outputs above 10",
        ("tasks.kind=split",): "tasks.count=10 tasks of tasks.classes=2 classes need 20; there are 10",
        ("mask.keep=2", "mask.method=edge-popup"): "mask.keep=2.0 is outside (0, 1]",
        ("infer.images=200",): "infer.images=200 is more than infer.batch_size=128",
        ("model=conv2", "learner=rotation", "train_weights_for=none", "infer.strategy=none"): "model=conv2 has others",
        ("task=supsup_nns", "check_every=7"): "train.steps=1000 is not a multiple of check_every=7",
        ("task=supsup_nns", "mask.method=gumbel"): "which only threshold masks allow", ("model=gem_resnet18",):
        "infer.strategy=one-shot needs a network without batch normalisation",
    }.items():  # fmt: skip
        common = ("task=supsup", "data.name=digits", "log=none", f"run.dir={tmp_path}")
        words = [f"--{option}" for option in (*common, *options)]
        if options[0].startswith("task="):
            words.pop(0)
        assert main.main(words) == code.BAD_INPUT, options
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("main.py:")]
        assert len(said) == 1 and text in said[0], said


def test_masks_of_another_network_are_refused(tmp_path):
    one, two = (run(tmp_path / str(seed), TINY | {"tasks.count": 1, "seed": seed}) for seed in (0, 1))
    from core.errors import MaskError

    network = random_net("fc", (1, 8, 8), 20, stream(0, "init"), hidden=(24, 24))
    name = fingerprint(dict(network.named_parameters()))
    Masks.load(one.path("masks", "task_0000.npz"), network=name)
    with pytest.raises(MaskError, match=r"task_0000.npz holds masks of other weights: of network \w+, this is \w+"):
        Masks.load(two.path("masks", "task_0000.npz"), network=name)
