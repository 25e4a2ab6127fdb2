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
