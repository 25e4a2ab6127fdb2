"""SCAN and mathematics: what is held out, drawn, taught and called right; stages, baselines, weights of another run."""

import re

import numpy as np
import pytest
import torch

import main
from core import exit_codes as code
from core.errors import OptionError
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.sequences import encode
from tasks.options import resolve
from tasks.registry import TASKS
from tests.active import active
from tests.tasks.pages import documented
from tests.tiny_data import tiny_math, tiny_scan

TINY = {
    "train.steps": 3,
    "mask.steps": 3,
    "train.batch_size": 8,
    "seen_size": 12,
    "log": "none",
    "run.quiet": True,
    "hold_out": 0.1,
}
LSTM = {"task": "scan", "state_size": 8, "n_layers": 1, **TINY}
TRAFO = {
    "state_size": 8, "transformer.n_heads": 2, "transformer.encoder_n_layers": 1, "transformer.decoder_n_layers": 1,
    **TINY,
}  # fmt: skip
MATH = {"task": "deepmind_math", "dm_math.modules": "toy__add", "mask.samples": 4, **TRAFO}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        tiny_scan(folder, patch)
        tiny_math(folder / "math.tar.gz")
        yield folder


def settings(cache, folder, condition):
    more = {"run.cache": str(cache), "run.dir": str(folder)}
    archive = {"dm_math.archive": str(cache / "math.tar.gz")} if "math" in condition["task"] else {}
    return active(condition | more | archive)


def build(cache, folder, **condition):
    options = resolve(settings(cache, folder, condition))
    run = Run.create(options)
    task = TASKS[options.task](options, run, Mirrors((), run))
    task.prepare()
    return task


def run_of(cache, folder, **condition):
    arguments = [f"--{k}={v}" for k, v in settings(cache, folder, condition).items()]
    assert main.main(arguments) == code.DONE
    return next(run for run in Run.query(folder) if run.options["task"] == condition["task"])


CONDITIONS = [
    LSTM | {"train.buckets": 4}, {"task": "trafo_scan", **TRAFO, "scan.analyze_splits": "jump"}, MATH,
    MATH | {"dm_math.modules": "toy__add,toy__less", "hold_out": 0, "dm_math.mask_splits": "easy,medium"},
    LSTM | {"train_baseline": True, "scan.analyze_splits": "length"}, LSTM | {"only_control": True},
]  # fmt: skip


def said(condition):
    return ",".join(str(value) for name, value in condition.items() if name not in TINY)


@pytest.fixture(scope="module", params=CONDITIONS, ids=said)
def finished(request, cache, tmp_path_factory):
    return run_of(cache, tmp_path_factory.mktemp("runs"), **request.param)


def test_logged_keys_are_documented_and_finite(finished):
    rows = finished.history()
    keys = set(finished.summary) | {key for row in rows for key in row}
    assert not {key for key in keys if not documented(key, "modularity_language_images.md")}
    assert all(np.isfinite(value) for value in finished.summary.values())


def test_stages_and_masks(finished):
    options, stages = finished.options, list(dict.fromkeys(row["stage"] for row in finished.history()))
    parts = list(options.get("scan.analyze_splits", ())) or ["_".join(options["dm_math.mask_splits"])]
    expected = [] if options["train_baseline"] else ["control"] if options["only_control"] else ["control", *parts]
    assert stages == ["train", *expected]
    assert {path.stem for path in finished.path("masks").glob("*.npz")} == set(expected)
    for stage in expected:
        assert finished.summary[f"kept/{stage}/total"] <= finished.summary["size/total"]
    masked = {key.split("/")[1] for key in finished.summary if key.startswith("size/")} - {"total"}
    assert not any("embedding" in name or "bias" in name for name in masked)
    tests = {"simple", "length", "jump", "turn_left"} if "scan" in finished.task else {"easy", "medium", "hard"}
    assert all(f"final/network/{name}/accuracy/total" in finished.summary for name in tests)


def pairs_of(sequences):
    batch = sequences.batch(torch.arange(len(sequences)))
    return [tuple(map(tuple, row)) for row in zip(batch.source.tolist(), batch.target.tolist(), strict=True)]


def test_held_out_pairs_are_never_trained_on_and_copies_stay(cache, tmp_path):
    task = build(cache, tmp_path, **LSTM)
    training, valid = (pairs_of(found) for found in (task.training[None], task.measured[None, "valid"]))
    assert len(training) + len(valid) == 15 + 144 and len(valid) == round(0.1 * 159)
    assert not {*training} & {*valid}
    copied = max(training, key=training.count)
    assert training.count(copied) == 4, "the command that is there four times"
    assert {*pairs_of(task.measured[None, "seen"])} <= {*training}


def test_what_is_held_out_of_easy_questions_is_so_for_the_network_too(cache, tmp_path):
    task = build(cache, tmp_path, **MATH)
    valid = pairs_of(task.measured["easy", "valid"])
    both = (valid, pairs_of(task.training[None]))
    valid, trained = ({tuple(x for x in question if x < 95) for question, _ in pairs} for pairs in both)
    assert valid and not valid & trained


def test_nothing_is_held_out_if_asked(cache, tmp_path):
    task = build(cache, tmp_path, **LSTM | {"hold_out": 0})
    assert len(task.training[None]) == 159 and (None, "valid") not in task.measured and task.best == ""


@pytest.mark.parametrize("buckets", [1, 7])
def test_every_pair_is_drawn_as_often_and_buckets_hold_similar_lengths(cache, tmp_path, buckets):
    task = build(cache, tmp_path, **LSTM | {"train.buckets": buckets, "teacher_forcing": 0.25})
    drawn, ranges, taught = [], [], []
    numbered = task.training[None]
    for step in range(400):
        task.training[None] = type("Numbers", (), {"batch": staticmethod(drawn.append)})
        taught.append(task.draw(stream(step, "draw"), 32, None)[1])
        lengths = numbered.target.length[drawn[-1]]
        ranges.append(int(lengths.max() - lengths.min()))
    counts = torch.bincount(torch.cat(drawn), minlength=len(numbered)).double() / (400 * 32 / len(numbered))
    assert counts.min() > 0.4 and counts.max() < 1.8
    assert max(ranges) <= 2 if buckets > 1 else max(ranges) >= 4
    assert 0.15 < np.mean(taught) < 0.35


def test_the_loss_is_summed_over_words_and_the_end(cache, tmp_path):
    task = build(cache, tmp_path, **LSTM | {"dropout": 0})
    batch = encode([(b"\x08", b"\x02"), (b"\x09\x03", b"\x03\x03\x03")], (13, 6)).batch(torch.arange(2))
    outputs = task.model(batch.source, batch.source_length, batch.target)
    logs = outputs.log_softmax(-1)
    expected = -(logs[0, 0, 2] + logs[0, 1, 6] + logs[1, :3, 3].sum() + logs[1, 3, 6]) / 2
    torch.testing.assert_close(task.loss((batch, True), None, None), expected)
    own = task.loss((batch, False), None, None)
    free = task.model(batch.source, batch.source_length, batch.target, taught=False).log_softmax(-1)
    expected = -(free[0, 0, 2] + free[0, 1, 6] + free[1, :3, 3].sum() + free[1, 3, 6]) / 2
    torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_right_is_every_word_and_the_length(cache, tmp_path, size):
    task = build(cache, tmp_path, **LSTM | {"train.eval_batch_size": size})
    answers = {1: b"\x00\x01", 2: b"\x00\x01\x01", 3: b"\x00", 4: b"\x01\x01"}
    pairs = encode([(bytes([source]), b"\x00\x01") for source in answers] + [(b"\x05", b"\x02" * 4)], (13, 6))

    def says(source, rows, length, most):
        found = torch.full((len(source), most), 6)
        for row, (word,) in zip(found, source.tolist(), strict=True):
            said = answers.get(word, b"\x02" * 4)[:most]
            row[: len(said)] = torch.tensor(list(said))
        return found

    task.masked = says
    assert task.right(None, pairs).tolist() == [True, False, False, False, True]


def test_measuring_leaves_the_mode_alone_and_nothing_to_chance(cache, tmp_path):
    task = build(cache, tmp_path, **LSTM | {"dropout": 0.9})
    task.model.train()
    assert task.measure(None, None) == task.measure(None, None) and task.model.training


def test_accuracy_of_parts(cache, tmp_path):
    task = build(cache, tmp_path, **MATH | {"dm_math.modules": "toy__add,toy__less"})
    task.right = lambda rows, pairs: torch.arange(len(pairs)) < (1 if pairs is task.at_end["hard"]["toy__add"] else 3)
    found = task.accuracy(None, "hard")
    each = [len(task.at_end["hard"][name]) for name in ("toy__add", "toy__less")]
    assert found == pytest.approx({
        "accuracy/total": 4 / sum(each), "accuracy/toy__add": 1 / each[0], "accuracy/toy__less": 3 / each[1]
    })  # fmt: skip


def test_weights_of_another_run(cache, tmp_path):
    first = run_of(cache, tmp_path / "a", **LSTM | {"seed": 3, "scan.analyze_splits": "jump"})
    second = run_of(cache, tmp_path / "b", **LSTM | {
        "seed": 3, "scan.analyze_splits": "length", "restore_pretrained": str(tmp_path / "a"), "mask.lr": 0.1
    })  # fmt: skip
    keys = [key for key in first.summary if key.startswith("final/network")]
    assert keys and all(first.summary[key] == second.summary[key] for key in keys)
    for name, array in first.tensors("weights").items():
        assert np.array_equal(array, second.tensors("weights")[name])
    assert not any(row["stage"] == "train" for row in second.history())
    assert f"weights of {first.folder}" in second.path("log.txt").read_text()

    def refused(**more):
        with pytest.raises(OptionError) as found:
            build(cache, tmp_path / "c", **LSTM | {"seed": 3} | more)
        return str(found.value)

    alone = str(first.folder)
    build(cache, tmp_path / "c", **LSTM | {"seed": 4, "restore_pretrained": alone})
    assert "no folder 'runs/nothing'; restore_pretrained is" in refused(restore_pretrained="runs/nothing")
    assert "no finished run of seed 4" in refused(seed=4, restore_pretrained=str(tmp_path / "a"))
    assert re.search(r"of another network: \S+ is \[\d.*\], here \[", refused(state_size=12, restore_pretrained=alone))
    run_of(cache, tmp_path / "a", **LSTM | {"seed": 3, "scan.analyze_splits": "length"})
    assert "holds 2 runs of seed 3" in refused(restore_pretrained=str(tmp_path / "a"))


@pytest.mark.parametrize(("options", "text"), [
    ({"scan.train_split": "jumps"}, "scan.train_split=jumps is not one of simple, length, jump, turn_left; did"),
    ({"scan.analyze_splits": "jump,lenght"}, "is not one of simple, length, jump, turn_left; did you mean 'length'?"),
    ({"scan.analyze_splits": "none"}, "scan.analyze_splits=none must name at least one"),
    ({"scan.analyze_splits": "jump,jump"}, "scan.analyze_splits=jump,jump names jump twice"),
    ({"train_baseline": True}, "train_baseline=true trains on one split; scan.analyze_splits=jump,length,turn_left"),
    ({"train_baseline": True, "only_control": True}, "learns no mask; only_control contradicts it"),
    ({"train_baseline": True, "restore_pretrained": "x"}, "learns no mask; restore_pretrained contradicts it"),
    ({"hold_out": 0.5}, "hold_out=0.5 is outside \\[0, 0.5\\)"),
    ({"train.decay_at": "5"}, "train.decay_at=5 is used only with train.schedule=step"),
    ({"task": "trafo_scan", "state_size": 50, "transformer.n_heads": 4}, "state_size=50 is not a multiple of "),
    ({"task": "deepmind_math", "dm_math.task": "toy"}, "unknown option 'dm_math.task'; here it is dm_math.modules"),
    ({"task": "deepmind_math", "dm_math.archive": "a", "dm_math.generate": 20}, "contradict each other; give one"),
    ({"task": "deepmind_math", "dm_math.train_splits": "esay"}, "is not one of easy, medium, hard; did you mean"),
    ({"transformer.use_paper_lr_schedule": 1}, "here it is train.schedule"),
])  # fmt: skip
def test_mistakes_in_options(options, text):
    with pytest.raises(OptionError, match=text):
        resolve({"task": "scan"} | options)


def test_a_module_that_is_not_there(cache, tmp_path):
    with pytest.raises(OptionError, match="toy__ad.*toy__add, toy__less.*did you mean 'toy__add'"):
        build(cache, tmp_path, **MATH | {"dm_math.modules": "toy__ad"})
