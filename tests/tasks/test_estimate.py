"""A run's hours are estimated from a few steps of every stage, and nothing is left behind."""

import pytest

from tasks.estimate import Estimate, estimate, lines
from tasks.options import resolve
from tests.tasks.tiny import TINY


def of(task, **more):
    return resolve({"task": task} | {name: str(value) for name, value in (TINY[task] | more).items()})


def test_every_stage_is_timed_with_its_own_steps_and_evaluations(tmp_path):
    found, untimed = estimate(
        of("tuple_ff", **{"run.dir": tmp_path, "train.steps": 10**6, "mask.steps": 1000}), steps=3
    )
    assert untimed == "" and list(tmp_path.iterdir()) == [], "the run's own folder is not touched"
    assert [(each.name, each.steps) for each in found] == [
        ("train", 10**6), ("control", 1000), ("pair1", 1000), ("pair2", 1000),
    ]  # fmt: skip
    assert found[0].evaluations == 10**6 // 5
    assert all(each.step > 0 and each.seconds >= each.steps * each.step for each in found)


def test_of_many_alike_stages_some_are_timed(tmp_path):
    found, _ = estimate(of("supsup", **{"run.dir": tmp_path, "tasks.count": 12, "tasks_at_once": 1}), steps=2)
    assert len(found) == 12 and len({each.step for each in found}) == 4, "three, and their mean"


def test_a_stage_that_needs_whole_earlier_ones_is_said(tmp_path):
    found, untimed = estimate(of("cnn_elcn", **{"run.dir": tmp_path}), steps=5)
    assert len(found) == 1 and "no tensors 'cnn_0'" in untimed
    assert lines(found, untimed, 2)[-2:] == [
        f"later stages are not timed: {untimed}", lines(found, untimed, 2)[-1],
    ] and "more than" in lines(found, untimed, 2)[-1]  # fmt: skip


def test_hours_are_those_of_all_stages():
    stages = [Estimate("train", 3600, 10, 1.0, 36.0, 0.0), Estimate("mask", 7200, 0, 0.5, 0.0, 3240.0)]
    assert sum(each.seconds for each in stages) == pytest.approx(3600 + 360 + 3600 + 3240)
    assert lines(stages, "", 5)[-1] == "one run: 3 hours; 5 like it: 15 hours, one at a time"
