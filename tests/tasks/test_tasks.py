"""Every task with masks runs, logs the keys its page documents, and means by each number what it says."""

import json
import re

import numpy as np
import pytest
import torch

import main
from core import exit_codes as code
from core.errors import MaskError
from core.options import leaves
from core.store import Run
from core.trackers import Mirrors
from masks.algebra import Masks
from masks.masking import Given
from tasks.modularity.arithmetic_options import ArithmeticOptions
from tasks.modularity.tuple import MODES
from tasks.options import options_class, resolve
from tasks.registry import OPTIONS, TASKS
from tests.tasks.pages import documented

TINY = {
    "data.train_size": 500,
    "data.eval_size": 60,
    "data.seen_size": 40,
    "train.steps": 3,
    "mask.steps": 3,
    "train.batch_size": 8,
    "log": "none",
    "run.quiet": True,
    "layer_sizes": "12,12",
    "state_size": 8,
    "n_layers": 1,
}
CONDITIONS = [
    *({"task": task} for task in TASKS if issubclass(options_class(task), ArithmeticOptions)),
    *({"task": "tuple", "tuple.mode": mode} for mode in MODES if mode != "together"),
    {"task": "tuple", "tuple.delay": 2, "n_layers": 2},
    {"task": "tuple_ff", "data.split": "seen", "n_digits": 1, "inverse_io": "ones"},
    {"task": "addmul_ff", "mask.bias": False, "mask.method": "magnitude", "mask.keep": 0.5},
    {"task": "addmul_ff", "mask.include": "layers.1.*", "train.optimizer": "sgd", "train.schedule": "cosine"},
]


def settings(condition, folder):
    known = leaves(options_class(condition["task"], condition.get("mask.method", "gumbel")))
    return {k: v for k, v in (TINY | condition).items() if k in known} | {"run.dir": str(folder)}


def build(condition, folder):
    options = resolve(settings(condition, folder))
    run = Run.create(options)
    return TASKS[options.task](options, run, Mirrors((), run))


@pytest.fixture(scope="module", params=CONDITIONS, ids=lambda c: ",".join(map(str, c.values())))
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    arguments = [f"--{k}={v}" for k, v in settings(request.param, folder).items()]
    assert main.main(arguments) == code.DONE
    (run,) = Run.query(folder)
    return run


def test_logged_keys_are_documented(finished):
    keys = set(finished.summary) | {key for row in finished.history() for key in row}
    assert keys and not {key for key in keys if not documented(key, "modularity.md")}


def test_numbers_are_finite_and_fractions_are_fractions(finished):
    for key, value in finished.summary.items():
        assert np.isfinite(value), key
        if any(word in key for word in ("accuracy", "sharing", "remaining", "iou", "iomin")):
            assert 0 <= value <= 1, key


def test_every_stage_takes_exactly_its_steps(finished):
    last = {row["stage"]: row["step"] for row in finished.history()}
    subnets = ["control", "pair1", "pair2"] if finished.task.startswith("tuple") else ["control", "add", "mul"]
    assert list(last.items()) == [(name, 3 * (i + 1)) for i, name in enumerate(["train", *subnets])]


def test_masks_and_arrays_are_there_and_agree_with_the_summary(finished):
    for path in finished.path("masks").glob("*.npz"):
        masks = Masks.load(path)
        assert masks.count() == finished.summary[f"kept/{path.stem}/total"]
        scores = finished.tensors(f"scores_{path.stem}")
        assert {name: s.shape for name, s in scores.items()} == {name: tuple(m.shape) for name, m in masks.items()}
        assert finished.arrays(f"histogram_{path.stem}")["counts"].sum() == masks.size()
    assert set(finished.tensors("weights")) >= set(masks)


def test_sharing_follows_from_the_saved_masks(finished):
    a, b = (
        Masks.load(finished.path("masks", f"{name}.npz"))
        for name in (("pair1", "pair2") if finished.task.startswith("tuple") else ("add", "mul"))
    )
    found = [value for key, value in finished.summary.items() if re.fullmatch("sharing/.*/total", key)]
    assert found == [(a & b).count() / max(1, a.count()), (a & b).count() / max(1, b.count())]
    assert finished.summary["iou/total"] == a.iou(b)


def test_status_and_options_tell_how_it_went(finished):
    assert finished.status["state"] == "done" and finished.status["seconds"] > 0
    assert finished.options["train.steps"] == 3
    assert json.loads(finished.path("status.json").read_text())["error"] is None


@pytest.mark.parametrize("task", ["tuple_ff", "tuple"])
def test_what_a_pair_is_shown_decides_only_its_own_answer(tmp_path, task):
    """In a restricted pass the other pair must not be seen: changing it changes nothing."""
    built = build({"task": task}, tmp_path)
    examples = {"pairs": torch.tensor([[[12, 34], [56, 78]], [[12, 34], [1, 2]]])}
    cases = built.cases(examples, "pair1")
    logits = built.logits(cases, None, "pair1")
    torch.testing.assert_close(logits[0], logits[1])
    assert built.results(cases, "pair1").tolist() == [[46], [46]]
    assert built.results(built.cases(examples, "pair2"), "pair2").tolist() == [[34], [3]]


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_shows_and_reads_what_the_paper_says(tmp_path, mode):
    built = build({"task": "tuple", "tuple.mode": mode}, tmp_path)
    seen = {}
    built.masked = lambda x, rows: seen.setdefault("x", x) @ torch.zeros(x.shape[-1], built.model.output.out_features)
    built.logits({"pairs": torch.tensor([[[12, 34], [56, 78]]])}, None, None)
    x = seen["x"][0]
    shared, windowed = MODES[mode].shared_input, MODES[mode].windowed_input
    assert x.shape == (6, 40 if shared else 80)
    if shared:
        assert (x.sum(1) == 4).all() and not torch.equal(x[0], x[3])
    else:
        assert x.view(6, 2, 40).sum(2).tolist() == ([[4, 0]] * 3 + [[0, 4]] * 3 if windowed else [[4, 4]] * 6)


def test_copied_weights_make_both_pairs_one_function(tmp_path):
    built = build({"task": "tuple_ff_copyweight"}, tmp_path)
    built.before_masks()
    pairs = torch.tensor([[12, 34]] * 2)
    logits = built.logits({"slot": torch.tensor([0, 1]), "pairs": pairs}, None, None)
    torch.testing.assert_close(logits[0], logits[1])


def test_an_empty_network_answers_by_its_biases_alone(tmp_path):
    """Masks do reach the network: with everything removed, every question gets the same answer."""
    built = build({"task": "addmul_ff"}, tmp_path)
    nothing = Masks({name: torch.zeros(shape, dtype=torch.bool) for name, shape in built.masked.shapes.items()})
    _, answers = built.answers(Given(nothing), built.eval_sets["test"])
    assert len(answers.unique()) == 1


def test_measuring_leaves_the_mode_of_the_network_alone(tmp_path):
    built = build({"task": "addmul"}, tmp_path)
    built.model.train()
    built.measure(None, None)
    assert built.model.training


def test_masks_of_another_network_are_refused(tmp_path):
    built = build({"task": "tuple_ff"}, tmp_path)
    other = build({"task": "tuple_ff", "layer_sizes": "13,12"}, tmp_path)
    masks = Masks({name: torch.ones(shape, dtype=torch.bool) for name, shape in other.masked.shapes.items()})
    with pytest.raises(MaskError, match="mask 'layers.0.weight' has shape"):
        built.masked.add("pair1", masks)


def test_all_tasks_have_options():
    assert list(TASKS) == list(OPTIONS)
