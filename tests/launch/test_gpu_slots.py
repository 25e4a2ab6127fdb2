"""Places for runs: groups of GPUs, shares of the cores."""

import os

import pytest

from core.errors import SweepError
from launch.gpu_slots import environment, jobs_here, read_slots


def test_groups_of_gpus():
    assert read_slots("0|1|2,3", 1) == ["0", "1", "2,3"]
    assert read_slots(" 0 , 1 ", 1) == ["0,1"]
    assert read_slots("0|1", 2) == ["0", "1", "0", "1"]
    assert read_slots("GPU-5a-b|MIG-77", 1) == ["GPU-5a-b", "MIG-77"]
    assert read_slots(None, 3) == [None, None, None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,1|", "--gpus '0,1|': a GPU number is missing in group 2; write it like '0|1|2,3'"),
        ("", "--gpus '': a GPU number is missing in group 1; write it like '0|1|2,3'"),
        ("0,,1", "--gpus '0,,1': a GPU number is missing in group 1; write it like '0|1|2,3'"),
        ("0|x", "--gpus '0|x': 'x' is no GPU number in group 2; write it like '0|1|2,3'"),
        ("-1", "--gpus '-1': '-1' is no GPU number in group 1; write it like '0|1|2,3'"),
        ("0;1", "--gpus '0;1': '0;1' is no GPU number in group 1; write it like '0|1|2,3'"),
        ("0|1,1", "--gpus '0|1,1': group 2 names a GPU twice"),
    ],
)
def test_other_forms_are_refused(text, expected):
    with pytest.raises(SweepError) as caught:
        read_slots(text, 1)
    assert str(caught.value) == expected


def test_a_run_sees_its_gpus_and_its_share_of_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    found = environment("2,3", 3)
    assert (found["CUDA_VISIBLE_DEVICES"], found["OMP_NUM_THREADS"]) == ("2,3", "2")
    assert found["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert environment("0", 100)["OMP_NUM_THREADS"] == "1"


def test_what_the_user_set_is_left_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    found = environment(None, 4)
    assert (found["OMP_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == ("5", "7")


def test_jobs_auto_is_a_run_for_each_core_and_no_more_than_there_are(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert [jobs_here(None), jobs_here(None, 3), jobs_here(None, 99), jobs_here(None, 0)] == [8, 3, 8, 8]
    assert jobs_here("0|1", 5) == 1, "on each group"
