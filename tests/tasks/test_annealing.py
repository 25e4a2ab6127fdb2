"""Every task that trains masks anneals them by the step alone, logs the value, and masks units where it is asked to."""

import numpy as np
import pytest

import main
from core import exit_codes as code
from core.store import Run
from masks.algebra import Masks
from tests.tasks.pages import undocumented
from tests.tasks.tiny import TINY, line

MORE = {"supsup": {"train.eval_every": 5}, "hopsupsup": {"train.epochs": 3}, "tuple_ff": {"mask.steps": 25}}
TASKS = ["tuple_ff", "edge_popup", "supsup", "hopsupsup", "permuted_mnist", "cifar10_class_removal"]
ANNEALED = {
    "mask.method": "continuous-sparsification", "mask.final_temperature": 50, "mask.unit": "output",
}  # fmt: skip


@pytest.fixture(scope="module", params=TASKS)
def finished(request, tmp_path_factory):
    task, folder = request.param, tmp_path_factory.mktemp("runs")
    setting = {"task": task, **TINY[task], **MORE.get(task, {}), **ANNEALED, "run.dir": folder}
    assert main.main(line(setting)) == code.DONE
    (run,) = Run.query(folder)
    return run


def test_the_temperature_is_logged_with_every_evaluation_and_ends_exactly(finished):
    run = finished
    stages, before = [[]], 0  # of each, the steps it had at its evaluations, and the temperatures
    for row in run.history():
        key = f"{row['stage']}/temperature"
        assert not undocumented(row, run.task)
        evaluated = len(row) > 4  # step, stage, loss, learning rate
        assert (key in row) == (evaluated and row["stage"] != "train"), row
        if row["stage"] == "train":
            before = row["step"]
        elif evaluated:
            stages[-1].append((row["step"] - before, row[key]))
            if row[key] == 50.0:
                stages.append([])
                before = row["step"]
    assert stages.pop() == [] and stages, "every stage ends at the last temperature exactly"
    assert any(len(stage) > 1 for stage in stages)
    for stage in stages:
        steps = stage[-1][0]
        for step, temperature in stage:
            assert temperature == pytest.approx(50 ** (max(0, step - 1) / (steps - 1)), rel=1e-12)


def test_masks_are_of_units(finished):
    run = finished
    files = sorted(run.path("masks").glob("*.npz"))
    assert files
    for file in files:
        masks = Masks.load(file)
        assert masks.units.keys() == masks.keys() and all(unit.kind == "output" for unit in masks.units.values())
    scores = [n for path in run.path("tensors").glob("scores*.npz") for n in np.load(path).values()]
    assert all(tensor.size <= 128 for tensor in scores)
