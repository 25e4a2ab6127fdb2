"""What is larger than the data is refused before anything is trained, or said where it is only the default."""

import pytest

import main
from core import exit_codes as code
from core.store import Run

DIGITS = {"data.name": "digits", "data.train_size": 60, "data.test_size": 30, "log": "none", "run.quiet": True}
CLASSES = {"task": "cifar10_class_removal", **DIGITS, "width": 0.1, "train.batch_size": 8}
MANY = {"task": "supsup", **DIGITS, "layer_sizes": "8", "train.batch_size": 20, "infer.batch_size": 10}
CNN = {"task": "cnn_elcn", "model": "digits", **DIGITS, "data.canvas": 12, "train.batch_size": 20, "sharpness": 0}


@pytest.mark.parametrize(("options", "text"), [
    (CNN | {"train.batch_size": 61}, "train.batch_size=61 is more than the 60 training images there are"),
    (CNN | {"sharpness": 61}, "sharpness=61 is more than the 60 training images there are"),
    (CNN | {"data.train_size": 2000}, "data.train_size=2000 is more than the 782 train images there are"),
    (CNN | {"data.test_size": 798}, "data.test_size=798 is more than the 797 test images there are"),
    (MANY | {"train.batch_size": 61}, "train.batch_size=61 is more than the 60 training images of a task there are"),
    (MANY | {"infer.batch_size": 31}, "infer.batch_size=31 is more than the 30 test images of a task there are"),
    (MANY | {"infer.batches": 4}, "infer.batches=4 is more than the 3 batches of test images of a task there are"),
    (CLASSES | {"seen_size": 61}, "seen_size=61 is more than the 60 training images there are"),
    (CLASSES | {"task": "cifar10_mask_stability", "mask_stability.pairs": 46},
     "mask_stability.pairs=46 is more than the 45 pairs of classes there are"),
])  # fmt: skip
def test_more_than_there_is_is_refused_before_training(options, text, tmp_path):
    assert main.main([f"--{k}={v}" for k, v in (options | {"run.dir": str(tmp_path)}).items()]) == code.BAD_INPUT
    (failed,) = Run.query(tmp_path, state="failed")
    assert text in failed.status["error"] and not failed.history() and not failed.path("checkpoints").exists()


def test_a_default_that_is_more_is_said(tmp_path):
    options = CLASSES | {"only_control": True, "train.steps": 1, "mask.steps": 1, "run.dir": str(tmp_path)}
    assert main.main([f"--{k}={v}" for k, v in options.items()]) == code.DONE
    (run,) = Run.query(tmp_path)
    said = run.path("log.txt").read_text()
    assert "seen_size=1000, its default, is more than the 60 training images there are" in said
