"""The state of a run is what its folder, the queue and the accounts say together."""

import time

import pytest

from core.files import write_json
from core.options import signature
from launch.points import Point
from launch.slurm import queue
from launch.slurm.queue import Queue
from launch.slurm.records import Submission
from tests.launch.pretend import fake_resolve

RECENT, OLD = {"updated": time.time() + 3600}, {"updated": 0}


@pytest.mark.parametrize(
    ("status", "squeue", "sacct", "expected"),
    [
        ({}, ("PENDING", "Priority"), [], "queued"),
        ({}, ("PENDING", "JobHeldUser"), [], "held"),
        ({}, ("RUNNING", "None"), [], "running"),
        ({}, ("COMPLETING", "None"), [], "running"),
        ({"state": "stopped"}, ("PENDING", "BeginTime"), [], "queued"),
        ({"state": "failed"} | OLD, ("PENDING", "Priority"), [], "queued"),
        ({"state": "failed"} | RECENT, ("RUNNING", "None"), [], "failed"),
        ({"state": "done"}, ("RUNNING", "None"), [], "done"),
        ({"state": "done"}, (), [], "done"),
        ({"state": "running"}, ("NODE_FAIL", "None"), [], "stopped"),
        ({"state": "stopped"}, ("CANCELLED", "None"), [], "stopped"),
        ({"state": "stopped"}, (), [["_0", "TIMEOUT"]], "stopped"),
        ({}, (), [["_0", "CANCELLED by 1000"]], "todo"),
        ({}, (), [["_0", "FAILED"]], "failed"),
        ({"state": "running"}, (), [["_0", "OUT_OF_MEMORY"]], "failed"),
        ({}, (), [], "unknown"),
        ({}, (), [["", "COMPLETED"]], "unknown"),  # what sacct says of an array in its first seconds
        ({}, (), [["_[0-5%2]", "COMPLETED"]], "unknown"),
        ({}, (), [["_1", "COMPLETED"]], "unknown"),
        ({}, (), [["_0", "SOMETHING_NEW"]], "unknown"),
        ({}, ("PENDING", "Priority"), [["", "COMPLETED"]], "queued"),
    ],
)
def test_the_state_of_a_run(tmp_path, monkeypatch, status, squeue, sacct, expected):
    options = fake_resolve({"task": "toy", "run.dir": str(tmp_path)})
    point = Point(1, {}, options, signature(options), tmp_path / "single" / signature(options))
    if status:
        write_json(point.folder / "status.json", status)
        (point.folder / "options.yaml").touch()
    run = {"index": 1, "signature": point.signature}
    one = Submission(tmp_path / "1.json", "toy-1", "runs", "c", "me", "here", time.time() - 100, [[run]], job="7")
    answers = {
        "squeue": "".join([f"7|0|toy-1|{'|'.join(squeue)}\n"] if squeue else []) + "8|0|toy-1|RUNNING|None\n",
        "sacct": "".join(f"7{task}|toy-1|{state}|0:0\n" for task, state in sacct),
    }
    monkeypatch.setattr(queue, "configuration", lambda: {"ClusterName": "c"})
    monkeypatch.setattr(queue, "call", lambda program, *_: answers[program])
    states = Queue([one]).states([point])
    assert states[point.signature][0] == expected
    advice = queue.remarks(states, [point])
    assert (len(advice) == 1) == (expected == "unknown")
    assert all("--only 1" in line and "sacct -j 7_0" in line for line in advice)
