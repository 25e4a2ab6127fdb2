"""A sweep with early_terminate: which runs end early, what their folders say, and --best."""

import json
import os
import signal
import subprocess
import sys

import pytest

from core import exit_codes as codes
from core.errors import SweepError
from core.history import History
from core.run_state import EARLY, clear, read_status, state_of
from core.store import Run
from launch.points import table
from launch.search.trials import Trials, best, early_remarks
from launch.select_points import select
from launch.sweep import Sweep
from tasks.options import resolve
from tests.launch.pretend import ROOT, tuple_sweep
from tests.launch.test_pool import alive, run_pool, run_script, starts, until

KEY = "control/valid/accuracy/total"
SEARCH = f"metric: {{name: {KEY}, goal: maximize}}\nearly_terminate: {{type: hyperband, min_iter: 3}}\n"
SUMMARISED = SEARCH.replace("control/", "final/control/")
VALUES = {1: [0.1, 0.5, 0.6], 2: [0.2, 0.3, 0.4], 3: [0.15, 0.45, 0.45], 4: [0.05, 0.2, 0.35, 0.36], 5: [0.3, 0.55]}


@pytest.fixture
def swept(sweep_file, tmp_path):
    def make(seeds, search=SEARCH):
        path = sweep_file(tuple_sweep(seeds) + search)
        sweep = Sweep.read(path)
        return path, sweep, select(sweep, {}, resolve, str(tmp_path / "runs"), None)

    return make


def measured(point, values, state="running"):
    run = Run.create(point.options)
    history = History(run.path("history.jsonl"))
    for number, value in enumerate(values, 1):
        history.append({"step": 10 * number, "stage": "control", KEY: value})
        history.append({"step": 10 * number + 5, "stage": "control", KEY: None})
        history.append({"step": 10 * number + 6, "stage": "control", "control/loss": 1.0})
    run.write_status(state)
    return run


def script(path, runs, *more):
    command = [sys.executable, str(ROOT / "run.py"), str(path), "--dir", str(runs), *more]
    return subprocess.run(command, capture_output=True, text=True)


def test_rows_without_the_metric_do_not_count_and_the_folder_says_why(swept):
    _, sweep, points = swept([1, 2, 3, 4, 5])
    for point, values in zip(points, VALUES.values(), strict=True):
        measured(point, values)
    trials = Trials(sweep, points[0].folder.parent)
    ended = trials.end_early([point.folder for point in points])
    # Four have reached band 3; of the sorted .60 .45 .40 .35, the second is the threshold.
    assert list(ended) == [points[1].folder, points[3].folder]
    record = json.loads((points[1].folder / EARLY).read_text())
    assert record == {
        "rule": "hyperband", "metric": KEY, "band": 3, "step": 30, "iterations": 3, "value": 0.4, "threshold": 0.45,
        "runs": 4,
    }  # fmt: skip
    assert [point.state for point in points] == ["stopped", "ended early", "stopped", "ended early", "stopped"]
    assert early_remarks(points)[0] == (
        f"run 2 ended early: {KEY} 0.4 is worse than 0.45, the threshold of band 3 (step 30, 4 runs)"
    )
    assert "ended early" in table(points)[2]


@pytest.mark.parametrize("state", ["running", "stopped", "failed", "ended early", "done", "todo"])
def test_however_it_came_to_its_end_a_run_told_to_end_has_ended_early(swept, state):
    _, _, (point,) = swept([1])
    run = measured(point, [0.5], state)
    run.path(EARLY).write_text("{")
    assert point.state == (state if state in ("done", "todo") else "ended early")
    if point.state == "ended early":
        assert early_remarks([point]) == [f"run 1 ended early; {run.path(EARLY)} cannot be read"]
    clear(point.folder)
    assert point.state == "todo" and not run.path(EARLY).exists()


def test_best_takes_history_and_summary_in_the_direction_of_the_goal(swept):
    _, sweep, points = swept([1, 2, 3])
    measured(points[0], [0.1, 0.7, 0.6], "done")
    measured(points[1], [0.2], "done").write_summary({KEY: 0.9})
    lines = best(sweep, points, 10)
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert lines[2].split()[1:5] == ["done", "0.7", "0.6", "1"]
    assert len(best(sweep, points, 1)) == 2
    _, sweep, points = swept([1, 2, 3], SEARCH.replace("maximize", "minimize"))
    assert best(sweep, points, 1)[1].split()[:4] == ["1", "done", "0.1", "0.6"]
    assert best(sweep, points[2:], 1) == [f"no run has measured {KEY} yet"]


@pytest.mark.parametrize(
    ("search", "text"),
    [
        (
            "early_terminate: {type: hyperband, min_iter: 3}\n",
            ":8: early_terminate: needs metric: {name: ..., goal: ...}",
        ),
        (SEARCH.replace("min_iter: 3", "min_iter: 3, max_iter: 9"), ":9: early_terminate: max_iter: needs s:"),
        (SEARCH.replace("min_iter: 3", "max_iter: 2, s: 3"), ":9: early_terminate: has no band"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(swept, search, text):
    _, sweep, points = swept([1], search)
    with pytest.raises(SweepError) as refused:
        Trials(sweep, points[0].folder.parent)
    assert text in str(refused.value)


def test_a_metric_that_only_the_summary_has_is_refused_before_anything_runs(swept, tmp_path):
    path, _, _ = swept([1, 2], SUMMARISED)  # --check calls the same function
    ended = script(path, tmp_path / "runs", "--all")
    assert ended.returncode == 2 and not (tmp_path / "runs").exists()
    assert ended.stderr == (
        f"run.py: {path}:8: metric: name: early_terminate: would end no run: tuple_ff measures 'final/{KEY}' once, "
        f"at the end; did you mean {KEY!r}?\n"
    )


def test_best_without_a_metric_is_refused(swept, tmp_path):
    path, _, _ = swept([1], "")
    ended = script(path, tmp_path / "runs", "--best")
    assert ended.returncode == 2 and "--best needs metric: {name: ..., goal: ...}" in ended.stderr


def test_two_launchers_one_killed_end_the_worst_early_and_run_every_point_once(swept, tmp_path):
    path, sweep, points = swept([1, 2, 3, 4, 5, 6])
    fake = ",".join(f"{seed}=measure:3:0.{seed}" for seed in range(1, 7))
    with run_script(path, tmp_path / "runs", "--jobs", "2", fake=fake) as first:
        until(lambda: sum(bool(starts(point)) for point in points) >= 2)
        with run_script(path, tmp_path / "runs", "--jobs", "2", fake=fake) as second:
            until(lambda: sum(bool(starts(point)) for point in points) >= 3)
            os.kill(first.pid, signal.SIGKILL)
            second.communicate(timeout=30)
    with run_script(path, tmp_path / "runs", "--jobs", "4", fake=fake) as last:
        said = last.communicate(timeout=30)[0]
        assert last.returncode == 0, said
    states = [point.state for point in points]
    assert set(states) == {"done", "ended early"} and states[5] == "done", said
    early = [point for point in points if point.state == "ended early"]
    assert early, said
    for point in early:
        record = json.loads((point.folder / EARLY).read_text())
        assert record["band"] == 3 and record["value"] < record["threshold"]
        assert read_status(point.folder)["state"] in ("ended early", "stopped", "running")
    pids = [start["pid"] for point in points for start in starts(point)]
    assert not any(alive(pid) for pid in pids)
    assert run_pool(points)[0] == codes.DONE  # nothing is run again
    assert pids == [start["pid"] for point in points for start in starts(point)]
    assert [state_of(point.folder) for point in points] == states
    assert best(sweep, points, 1)[1].split()[:3] == ["6", "done", "0.6"]
