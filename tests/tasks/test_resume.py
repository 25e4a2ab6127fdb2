"""Killed at any moment and started again, a run ends with the same bits as one that was never interrupted."""

import random
import signal

import numpy as np
import pytest

from core import exit_codes as code
from core.store import Run
from tests.tasks import killing
from tests.tasks.test_contract import result as result_of

SMALL = [
    "--task=tuple_ff",
    "--layer_sizes=16,16",
    "--data.train_size=2000",
    "--data.eval_size=100",
    "--data.seen_size=50",
    "--train.steps=30",
    "--train.eval_every=8",
    "--mask.steps=25",
    "--train.batch_size=16",
    "--log=none",
    "--run.checkpoint_every=7",
    "--run.quiet=true",
    "--mask.init=0.3",
    "--mask.lr=0.05",
]


def arguments(folder, *more):
    return [*SMALL, f"--run.dir={folder}", *more]


def result(folder):
    (run,) = Run.query(folder)
    return result_of(run)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert killing.run(arguments(folder)) == code.DONE
    return result(folder)


def test_the_masks_that_are_compared_differ(uninterrupted):
    """All-kept masks would come out equal whatever resuming did to them."""
    files = [f"{subnet}.npz/layers.1.weight" for subnet in ("control", "pair1", "pair2")]
    masks = [np.unpackbits(np.frombuffer(uninterrupted[file], np.uint8)) for file in files]
    assert all(0.05 < mask.mean() < 0.95 for mask in masks)
    assert not np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[1], masks[2])


def test_twenty_random_deaths_change_no_bit(uninterrupted, tmp_path):
    """Kill runs at random moments until twenty have died, and compare what each gives in the end."""
    moments = random.Random(0)
    deaths = {kind: 0 for kind in killing.KINDS}
    for attempt in range(200):
        where = arguments(tmp_path / str(attempt))
        while sum(deaths.values()) < 20:
            kind = min(deaths, key=lambda k: (deaths[k], moments.random()))
            count = {"step": moments.randint(3, 30), "stage": 1}.get(kind, moments.randint(1, 4))
            ended = killing.run(where, kind, count)
            if ended == code.DONE:
                break
            assert ended == -signal.SIGKILL
            deaths[kind] += 1
        else:
            assert killing.run(where) == code.DONE
        assert result(tmp_path / str(attempt)) == uninterrupted
        if sum(deaths.values()) == 20:
            break
    assert min(deaths.values()) >= 3, deaths


<<<<<<< HEAD
=======
BRANCHES = [
    "--task=cnn_elcn",
    "--model=digits",
    "--data.name=digits",
    "--data.canvas=12",
    "--data.train_size=60",
    "--data.test_size=20",
    "--train.epochs=2",
    "--train.batch_size=20",
    "--train.momentum=0.5",
    "--split.at=0,2",
    "--split.epochs=2",
    "--paths.points=3",
    "--paths.epochs=1",
    "--sharpness=10",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=2",
]


RANDOM = [
    "--task=edge_popup",
    "--model=fc",
    "--layer_sizes=16,16",
    "--data.name=digits",
    "--data.train_size=60",
    "--data.test_size=20",
    "--train.epochs=12",
    "--train.batch_size=25",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=3",
]


MANY = [
    "--layer_sizes=16,16",
    "--data.name=digits",
    "--data.train_size=60",
    "--data.test_size=20",
    "--train.batch_size=10",
    "--infer.batch_size=20",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=4",
    "--train.steps=12",
    "--train.lr=0.01",
]
SUPSUP = [
    "--task=supsup",
    *MANY,
    "--outputs=20",
    "--tasks.count=5",
    "--tasks_at_once=2",
    "--evaluate_at=2",
    "--train.eval_every=6",
]
STREAM = ["--task=supsup_nns", *MANY, "--tasks.count=2", "--check_every=6", "--threshold=1.02"]


NORMALISED = [
    "--task=supsup",
    *(word for word in MANY if "infer" not in word and "train_size" not in word),
    "--data.train_size=120",
    "--model=gem_resnet18",
    "--width=0.1",
    "--tasks.kind=split",
    "--infer.strategy=none",
    "--tasks.count=4",
    "--tasks_at_once=2",
    "--train.eval_every=6",
    "--data.augment=true",
]
RECOVERED = [
    "--task=hopsupsup",
    "--layer_sizes=40,30",
    "--data.name=digits",
    "--data.train_size=100",
    "--train.batch_size=10",
    "--tasks.count=3",
    "--infer.batch_size=10",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=3",
]


LANGUAGE = [
    "--task=deepmind_math",
    "--dm_math.modules=toy__add",
    "--state_size=8",
    "--transformer.n_heads=2",
    "--transformer.encoder_n_layers=1",
    "--transformer.decoder_n_layers=1",
    "--train.batch_size=8",
    "--train.steps=14",
    "--train.buckets=3",
    "--mask.steps=10",
    "--mask.samples=4",
    "--mask.lr=0.1",
    "--train.eval_every=5",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=4",
]
CLASSES = [
    "--task=cifar10_class_removal",
    "--data.name=digits",
    "--data.train_size=100",
    "--data.test_size=40",
    "--data.augment=true",
    "--width=0.2",
    "--class_removal.classes=3",
    "--train.batch_size=8",
    "--train.steps=12",
    "--mask.steps=10",
    "--mask.lr=0.1",
    "--train.eval_every=5",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=4",
]
PERMUTED = [
    "--task=permuted_mnist",
    "--data.name=digits",
    "--data.train_size=100",
    "--data.test_size=40",
    "--layer_sizes=16,12",
    "--transfer.permutations=3",
    "--mask.steps=14",
    "--mask.batch_size=16",
    "--mask.lr=0.1",
    "--eval_every=5",
    "--transfer.mask_new_init=0.5",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=4",
]


ANNEALED = [*RANDOM, "--mask.method=continuous-sparsification", "--mask.unit=output", "--mask.penalty=0.01"]
NOISY = [*RANDOM, "--mask.method=hard-concrete", "--mask.unit=input", "--mask.init=0.2"]


INDUCTION = [
    "--task=induction_math",
    "--data.operands=9",
    "--layers=1",
    "--width=8",
    "--heads=2",
    "--dropout=0.1",
    "--train.steps=12",
    "--train.warmup=2",
    "--train.batch_size=8",
    "--mask.steps=10",
    "--mask.lr=0.05",
    "--mask.init=0",
    "--transfer.conditions=subnet,scratch",
    "--transfer.disambiguating=4",
    "--transfer.steps=8",
    "--transfer.evaluations=4",
    "--log=none",
    "--run.quiet=true",
    "--run.checkpoint_every=3",
]


OTHERS = {
    "cnn_elcn": (BRANCHES, 6, 100), "edge_popup": (RANDOM, 6, 8), "supsup": (SUPSUP, 6, 20),
    "supsup_nns": (STREAM, 4, 10), "normalised": (NORMALISED, 5, 60), "hopsupsup": (RECOVERED, 4, 10),
    "deepmind_math": (LANGUAGE, 4, 30), "cifar10_class_removal": (CLASSES, 4, 20), "permuted_mnist": (PERMUTED, 5, 15),
    "annealed": (ANNEALED, 4, 8), "relaxed": (NOISY, 4, 8),
    "induction_math": (INDUCTION, 4, 20),
}  # fmt: skip


@pytest.mark.parametrize(("line", "deaths", "files"), OTHERS.values(), ids=OTHERS)
def test_other_tasks_that_die_change_no_bit(tmp_path, line, deaths, files):
    if line is LANGUAGE:
        line = [*line, f"--dm_math.archive={tiny_math(tmp_path / 'math.tar.gz')}", f"--run.cache={tmp_path / 'cache'}"]
    assert killing.run([*line, f"--run.dir={tmp_path / 'whole'}"]) == code.DONE
    expected = result(tmp_path / "whole")
    assert len(expected) >= files
    assert die_often(line, tmp_path, deaths, 2, expected)["step"] >= 1


>>>>>>> e3933b5 (induction_math: resumed transfers tested, names of the original's options, README and changelog)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT])
def test_a_signal_saves_at_the_next_step_and_says_resume_me(uninterrupted, tmp_path, number):
    assert killing.run(arguments(tmp_path), "step", 12, number) == code.RESUME
    (run,) = Run.query(tmp_path, state=None)
    assert run.state == "stopped" and "start it again to go on" in run.path("log.txt").read_text()
    assert [path.name.split("-")[1] for path in run.path("checkpoints").glob("*.pt") if "00000012" in path.name]
    assert killing.run(arguments(tmp_path)) == code.DONE
    assert result(tmp_path) == uninterrupted
    assert "resuming in stage 0 at step 12" in run.path("log.txt").read_text()


def test_a_damaged_last_checkpoint_costs_only_time(uninterrupted, tmp_path):
    killing.run(arguments(tmp_path), "step", 24)
    (run,) = Run.query(tmp_path, state=None)
    last = sorted(run.path("checkpoints").glob("*.pt"))[-1]
    last.write_bytes(last.read_bytes()[:1000])
    assert killing.run(arguments(tmp_path)) == code.DONE
    assert result(tmp_path) == uninterrupted
    assert "is damaged; using the one before it" in run.path("log.txt").read_text()


def test_a_finished_run_is_not_run_again(tmp_path):
    assert killing.run(arguments(tmp_path)) == code.DONE
    (run,) = Run.query(tmp_path)
    before = run.path("history.jsonl").stat().st_mtime_ns
    assert killing.run(arguments(tmp_path)) == code.DONE
    assert run.path("history.jsonl").stat().st_mtime_ns == before
