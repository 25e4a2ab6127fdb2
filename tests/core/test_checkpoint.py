"""Checkpoints: damaged ones are recognised and stepped over, a full disk loses nothing, keeping rules hold."""

import logging
import os

import pytest
import torch

from core import files
from core.checkpoint import Checkpoints, read_checkpoint
from core.errors import CheckpointError


def state(number):
    return {"weights": torch.full((100,), float(number)), "step": number}


def saved(folder, steps, keep=("last",)):
    checkpoints = Checkpoints(folder, keep)
    for step in steps:
        checkpoints.save(0, step, state(step))
    return checkpoints


def steps_of(checkpoints):
    return [int(path.name.split("-")[1]) for path in checkpoints.files()]


@pytest.mark.parametrize(
    ("keep", "left"), [(("last",), [3, 4]), (("first", "last"), [1, 3, 4]), (("all",), [1, 2, 3, 4])]
)
def test_keeping(tmp_path, keep, left):
    assert steps_of(saved(tmp_path, [1, 2, 3, 4], keep)) == left


def test_best_is_kept_beside_the_others(tmp_path):
    checkpoints = Checkpoints(tmp_path, ("best",))
    for step in (1, 2, 3):
        checkpoints.save(0, step, state(step), best=step == 2)
    assert read_checkpoint(tmp_path / "best.pt")["step"] == 2
    assert checkpoints.load()["step"] == 3, "resuming goes on from the newest, not from the best"


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "garbage"])
def test_a_damaged_last_checkpoint_falls_back_and_the_log_says_so(tmp_path, damage, caplog):
    checkpoints = saved(tmp_path, [1, 2])
    last = checkpoints.files()[-1]
    data = last.read_bytes()
    middle = len(data) // 2
    last.write_bytes(
        {
            "truncate": data[:middle],
            "empty": b"",
            "garbage": b"not a checkpoint",
            "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        assert checkpoints.load()["step"] == 1
    assert "is damaged; using the one before it" in caplog.text and last.name in caplog.text


def test_nothing_readable_is_a_fresh_start(tmp_path):
    assert Checkpoints(tmp_path).load() is None
    checkpoints = saved(tmp_path, [1])
    checkpoints.files()[0].write_bytes(b"x")
    assert checkpoints.load() is None


def test_a_full_disk_keeps_the_older_ones(tmp_path, monkeypatch):
    checkpoints = saved(tmp_path, [1, 2])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        checkpoints.save(0, 3, state(3))
    assert steps_of(checkpoints) == [1, 2] and len(os.listdir(tmp_path)) == 2
    assert checkpoints.load()["step"] == 2


def test_no_code_is_run_from_a_checkpoint(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save({"x": Trap()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "executed").exists()


def test_the_newest_is_the_newest_after_a_hundred_stages(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for stage in (8, 9, 98, 99, 100, 101):
        checkpoints.save(stage, 10 * stage, state(stage))
    assert [path.name.split("-")[0] for path in checkpoints.files()] == ["100", "101"]
    assert checkpoints.load()["step"] == 101
