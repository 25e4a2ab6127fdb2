"""Sweeps on a real Slurm of two nodes: submitted, killed, cancelled, preempted, timed out, and gone on with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core import exit_codes as codes
from core.provenance import read_environment
from core.run_state import read_status
from launch.snapshot import _code
from tests.cluster.conftest import real_sweep
from tests.launch.pretend import ROOT, tuple_sweep
from tests.launch.test_pool import alive
from tests.on_wandb.conftest import wait_for

ONE_A_NODE = "cpus_per_task=3"  # of four


def starts(folder):
    path = folder / "starts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def same_results(one, two):
    for name in ("history.jsonl", "summary.json", "masks/pair1.npz", "masks/pair2.npz"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_six_runs_on_two_nodes(make):
    sweep = make(real_sweep("[1, 2, 3, 4, 5, 6]"))
    said = sweep.run("--slurm", f"partition=main,time=10,{ONE_A_NODE},comment=six", "--jobs", "2")
    assert said.startswith("6 submitted\n") and "--list" in said.splitlines()[-1]
    assert len(sweep.records()) == 2, "more than the cluster's largest array"
    assert {*sweep.states()} <= {"queued", "running"}
    assert "0 submitted" not in (again := sweep.run("--slurm")) and "submitted" not in again
    assert int(sweep.slurm("squeue", "-h", "-r", "-t", "running", "-o", "%A").count("\n")) <= 2
    assert "Comment=six" in sweep.slurm("scontrol", "show", "job", sweep.records()[0]["job"])
    sweep.all_done()
    assert {*re.findall(r"on (node\d), start 1", sweep.said())} == {"node1", "node2"}
    assert sweep.run("--slurm") == "6 done\n"
    (entry,) = read_environment(sweep.folders()[0])
    assert (sweep.runs / ".code" / entry["snapshot"] / "main.py").exists() and entry["threads"] == 1


def test_time_limit_and_preemption_cost_nothing(make, tmp_path):
    """The job of a run reaches its limit, and is then pushed out by another partition's; its numbers stay the same."""
    steps = {"train.steps": "2000", "train.eval_every": "100", "run.checkpoint_every": "500"}
    sweep = make(real_sweep("[1]", **steps).replace("main.py", "tests/cluster/slow_main.py"))
    sweep.run("--slurm", "time=2,signal=@60,exclusive=true,nodelist=node1")
    (folder,) = sweep.folders()
    once = ROOT / "main.py", "--task=tuple_ff", f"--run.dir={tmp_path / 'once'}"
    values = {k: v for k, v in sweep.records()[0]["tasks"][0][0]["values"].items() if k != "task"}
    reference = subprocess.Popen(
        [sys.executable, *map(str, once), *(f"--{name}={value}" for name, value in values.items())], env=sweep.env
    )
    try:
        wait_for(lambda: "start 2" in sweep.said(), "the job to be put back before its limit", 150)
        assert "saved, and back in the queue" in sweep.said()
        sweep.slurm("scontrol", "update", f"job={sweep.records()[0]['job']}_0", "TimeLimit=30")  # once is enough
        wait_for(lambda: read_status(folder).get("state") == "running", "the run to go on", 60)
        urgent = ["sbatch", "-p", "urgent", "-w", "node1", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 5"]
        sweep.slurm(*urgent)
        wait_for(lambda: "start 3" in sweep.said(), "the run to go on when the urgent job has ended", 90)
        sweep.all_done()
        assert reference.wait(180) == codes.DONE
    finally:
        reference.kill()
        reference.wait()
    log = (folder / "log.txt").read_text()
    assert "stopped by SIG" in log and re.search(r"resuming in stage \d at step [1-9]", log)
    same_results(folder, tmp_path / "once" / "single" / folder.name)


def test_a_killed_run_is_a_record_and_only_it_is_submitted_again(make):
    sweep = make(tuple_sweep("[1, 2, 3]"), FAKE="2=kill,3=wait")
    sweep.run("--slurm", "time=5")
    sweep.until(lambda states: states == ["done", "failed", "running"], "one done, one failed, one at work")
    said = sweep.run("--failures")
    assert "run 2 (tuple_ff seed=2): killed by SIGKILL (out of memory?)" in said
    said = sweep.run("--slurm", "time=5", code=codes.FAILED)
    assert said.startswith("1 done, 1 failed, 1 running\n") and "--retry-failed" in said
    assert len(sweep.records()) == 1
    said = sweep.run("--slurm", "time=5", "--retry-failed", FAKE="")
    assert said.startswith("1 submitted, 1 done, 1 running\n")
    sweep.until(lambda states: states == ["done", "done", "running"], "the failed one to be done")
    assert [len(starts(folder)) for folder in sweep.folders()] == [1, 2, 1]


def test_a_killed_job_is_a_failure_although_nobody_was_left_to_write_it_down(make):
    sweep = make(tuple_sweep("[1]"), FAKE="1=wait")
    sweep.run("--slurm", "time=5")
    (folder,) = sweep.folders()
    wait_for(lambda: starts(folder), "the run to begin")
    run = starts(folder)[0]["pid"]
    task = int(Path(f"/proc/{run}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(task, signal.SIGKILL)
    sweep.until(lambda states: states == ["failed"], "the job to fail")
    assert not alive(run)
    said = sweep.run("--failures")
    assert "its job" in said and "FAILED" in said and "start 1" in said
    assert sweep.run("--slurm", "time=5", code=codes.FAILED).startswith("1 failed\n")
    sweep.run("--slurm", "time=5", "--only", "1", FAKE="")
    sweep.all_done()


def test_hold_release_and_cancel_touch_nothing_of_others(make):
    sweep = make(tuple_sweep("[1, 2, 3, 4]"), FAKE="1=wait,2=wait,3=wait,4=wait")
    theirs = ["sbatch", "--parsable", "-n1", "-t5", "-D", "/tmp", "-o", "/dev/null", "--wrap", "sleep 300"]
    other = sweep.slurm("runuser", "-u", "nobody", "--", *theirs).strip()
    mine = sweep.slurm(*theirs).strip()
    sweep.run("--slurm", "time=5", "--jobs", "2")
    sweep.until(lambda states: states[:2] == ["running", "running"], "two to run")
    sweep.run("--hold")
    sweep.until(lambda states: states == ["running", "running", "held", "held"], "the others to be held")
    assert sweep.run("--cancel", "--only", "1").startswith("cancel: 1 jobs")
    sweep.until(lambda states: states[0] == "stopped", "the first to be stopped")
    assert sweep.states() == ["stopped", "running", "held", "held"]
    sweep.run("--release", "--only", "3")
    sweep.until(lambda states: states[2] == "running", "the third to run")
    said = sweep.run("--slurm", "time=5", FAKE="")
    assert said.startswith("1 submitted, ")
    sweep.until(lambda states: states[0] == "done", "the first to be done")
    assert sweep.run("--cancel").startswith("cancel: 3 jobs")
    sweep.until(lambda states: {*states} <= {"done", "stopped", "todo"}, "all to end")
    assert [len(starts(folder)) for folder in sweep.folders()] == [2, 1, 1, 0]
    assert sweep.slurm("squeue", "-h", "-j", f"{other},{mine}", "-o", "%T").split() == ["RUNNING", "RUNNING"]
    sweep.slurm("scancel", other, mine)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_launcher_that_was_killed_at_sbatch_finds_its_jobs_again(make, cluster, when):
    sweep = make(tuple_sweep("[1, 2, 3]"))
    real = shutil.which("sbatch")
    script = sweep.place / "bin" / "sbatch"
    script.parent.mkdir()
    lines = {"before": "kill -9 $PPID", "after": f'{real} "$@" > /dev/null; kill -9 $PPID'}
    script.write_text(f"#!/bin/sh\n{lines[when]}\n")
    script.chmod(0o755)
    sweep.run("--slurm", "time=5", code=-9, PATH=f"{script.parent}:{cluster['PATH']}")
    (record,) = sweep.records()
    assert record["job"] is None
    if when == "after":
        assert "submitted" not in sweep.run("--slurm", "time=5")
        sweep.all_done()
        assert [len(starts(folder)) for folder in sweep.folders()] == [1, 1, 1]
        return
    said = sweep.run("--slurm", "time=5", code=codes.RESUME)
    assert said.startswith("3 unknown\n") and "look again in a minute" in said
    path = next(sweep.runs.glob("*/.slurm/*.json"))
    path.write_text(json.dumps(record | {"time": record["time"] - 90}))  # a minute and a half later
    assert sweep.run("--slurm", "time=5").startswith("3 submitted\n")
    sweep.all_done()


def test_the_run_of_a_node_that_goes_down_begins_again_in_the_same_job(make):
    sweep = make(tuple_sweep("[1]"), FAKE="1=wait")
    sweep.run("--slurm", "time=5")
    (folder,) = sweep.folders()
    wait_for(lambda: starts(folder), "the run to begin")
    node = sweep.slurm("squeue", "-h", "-o", "%N", "--name", sweep.records()[0]["name"]).strip()
    sweep.slurm(
        "scontrol", "update", f"nodename={node}", "state=down", "reason=test"
    )  # it registers again, and is back
    wait_for(lambda: len(starts(folder)) == 2, "the run to begin again", 120)
    assert "start 2" in sweep.said() and sweep.states() == ["running"] and len(sweep.records()) == 1
    assert not alive(starts(folder)[0]["pid"])
    sweep.run("--cancel")
    sweep.until(lambda states: states == ["stopped"], "the run to stop")
    assert not alive(starts(folder)[1]["pid"])
    wait_for(
        lambda: sweep.slurm("sinfo", "-h", "-N", "-p", "main", "-t", "idle,mix,alloc").count("node") >= 2, "both nodes"
    )


def test_editing_the_code_does_not_change_what_waits(make, tmp_path):
    tree = tmp_path / "tree"
    for path in _code(ROOT):
        (tree / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tree / path.relative_to(ROOT))
    sweep = make(tuple_sweep("[1, 2]"), root=tree)
    sweep.run("--slurm", "time=5,hold=true", "--per-job", "2")
    assert sweep.states() == ["held", "held"] and len(sweep.records()[0]["tasks"]) == 1
    for name in ("tests/launch/fake_main.py", "launch/slurm/task.py"):
        (tree / name).write_text("raise SystemExit('edited')\n")
    sweep.run("--release")
    sweep.all_done()
    assert len([*(sweep.runs / ".code").iterdir()]) == 1


def test_what_slurm_refuses_is_one_line_in_its_words(make):
    sweep = make(tuple_sweep("[1]"))
    for wrong, words in (
        ("partition=nope", "invalid partition specified: nope; .*; there are main, urgent"),
        ("tme=3", "unrecognized option '--tme=3'"),
        ("constraint=nope", "Invalid feature specification"),
        ("time=soon", "Invalid --time specification"),
    ):
        said = sweep.run("--slurm", wrong, code=codes.BAD_INPUT)
        assert said.count("\n") == 1 and re.search(f"^run.py: sbatch: .*{words}", said), said
    assert not sweep.records() and sweep.states() == ["todo"]
