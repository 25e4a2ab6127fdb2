"""The pool, with a program that pretends to run: deaths are records, and nothing outlives its launcher."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from filelock import FileLock

from core import exit_codes as codes
from core.errors import StoreError
from core.run_state import read_status, state_of
from launch.console import Screen
from launch.pool import Pool
from launch.select_points import select
from launch.sweep import Sweep
from tasks.options import resolve
from tests.launch.pretend import FAKE_MAIN, ROOT, tuple_sweep

SECONDS = 30  # nothing here takes more than a few; a hang must not be endless


@pytest.fixture
def points_of(sweep_file, tmp_path):
    def make(seeds):
        return select(Sweep.read(sweep_file(tuple_sweep(seeds))), {}, resolve, str(tmp_path / "runs"), None)

    return make


def run_pool(points, slots=(None, None), retry=False):
    said = io.StringIO()
    code = Pool(FAKE_MAIN, slots, Screen(said)).run(points, retry)
    return code, said.getvalue()


def starts(point):
    path = point.folder / "starts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"  # a zombie is dead
    except OSError:
        return False


@contextmanager
def run_script(path, runs, *more, fake="", **settings):
    """Run run.py on a sweep; it is dead when the block ends."""
    command = [sys.executable, str(ROOT / "run.py"), str(path), "--dir", str(runs), "--all", *more]
    process = subprocess.Popen(
        command,
        env=os.environ | {"FAKE": fake},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **settings,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_all_runs_are_done_once(points_of):
    points = points_of([1, 2, 3])
    code, said = run_pool(points)
    assert code == codes.DONE
    assert [point.state for point in points] == ["done"] * 3
    assert said.splitlines()[-1] == "3 done"
    assert run_pool(points)[0] == codes.DONE
    assert [len(starts(point)) for point in points] == [1, 1, 1]


def test_a_progress_line_in_a_file_is_plain(points_of):
    _, said = run_pool(points_of([1, 2]), slots=(None,))
    lines = said.splitlines()
    assert lines[0] == "[1/2] done 0 running 1 failed 0 | tuple_ff seed=1"
    assert "[2/2] done 1 running 1 failed 0 | tuple_ff seed=2" in lines
    assert "\r" not in said and "\033" not in said


def test_each_slot_has_its_gpus(points_of, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    points = points_of([1, 2, 3, 4])
    run_pool(points, slots=("0", "2,3"))
    seen = [starts(point)[0] for point in points]
    assert {one["CUDA_VISIBLE_DEVICES"] for one in seen} == {"0", "2,3"}
    assert {one["CUDA_DEVICE_ORDER"] for one in seen} == {"PCI_BUS_ID"}
    assert all(int(one["OMP_NUM_THREADS"]) >= 1 for one in seen)


def test_a_death_is_a_record_and_not_the_end(points_of, monkeypatch):
    monkeypatch.setenv("FAKE", "1=crash,2=kill,3=record,4=nothing")
    points = points_of([1, 2, 3, 4, 5])
    code, said = run_pool(points)
    assert code == codes.FAILED
    assert [point.state for point in points] == ["failed"] * 4 + ["done"]
    errors = [read_status(point.folder)["error"] for point in points[:4]]
    assert errors == [
        "ended with code 1: ValueError: the disk is made of cheese",
        "killed by SIGKILL (out of memory?)",
        "it said so itself",
        "ended without a result",
    ]
    crash = read_status(points[0].folder)
    assert crash["code"] == 1 and crash["output"][0] == "a first line"
    assert (points[0].folder / "output.txt").read_text().startswith("a first line\nTraceback")
    assert f"run 1 failed (tuple_ff seed=1): {errors[0]}; see {points[0].folder / 'output.txt'}\n" in said
    assert said.splitlines()[-1] == "1 done, 4 failed"


def test_failed_runs_wait_for_retry(points_of, monkeypatch):
    points = points_of([1, 2])
    monkeypatch.setenv("FAKE", "1=record")
    assert run_pool(points)[0] == codes.FAILED
    monkeypatch.setenv("FAKE", "")
    assert run_pool(points)[0] == codes.FAILED
    assert [len(starts(point)) for point in points] == [1, 1]
    assert run_pool(points, retry=True)[0] == codes.DONE
    assert [len(starts(point)) for point in points] == [2, 1]


def test_a_run_held_by_another_process_is_left_to_it(points_of):
    points = points_of([1, 2])
    points[0].folder.mkdir(parents=True)
    with FileLock(points[0].folder / "lock"):
        code, said = run_pool(points)
        assert code == codes.RESUME
        assert said.splitlines()[-1] == "1 done, 1 running elsewhere"
        assert not starts(points[0])
    assert run_pool(points)[0] == codes.DONE


def test_a_lock_held_for_an_instant_is_tried_again_but_not_for_ever(points_of, monkeypatch):
    monkeypatch.setenv("FAKE", "1=busy")
    code, said = run_pool(points_of([1]))
    assert code == codes.RESUME
    assert said.count("running 1") == 3
    assert said.splitlines()[-1] == "1 running elsewhere"


def test_two_pools_never_run_the_same_point(sweep_file, points_of, tmp_path):
    points = points_of([1, 2, 3, 4, 5, 6])
    path = sweep_file(tuple_sweep([1, 2, 3, 4, 5, 6]))
    with run_script(path, tmp_path / "runs", "--jobs", "2") as one, run_script(path, tmp_path / "runs") as two:
        assert {one.wait(SECONDS), two.wait(SECONDS)} <= {codes.DONE, codes.RESUME}
    assert [point.state for point in points] == ["done"] * 6
    assert [len(starts(point)) for point in points] == [1] * 6


def test_ctrl_c_saves_and_the_same_command_goes_on(sweep_file, points_of, tmp_path):
    points, path = points_of([1, 2, 3]), sweep_file(tuple_sweep([1, 2, 3]))
    with run_script(path, tmp_path / "runs", "--jobs", "2", fake="1=wait,2=wait") as launcher:
        until(lambda: [state_of(p.folder) for p in points[:2]] == ["running", "running"])
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(SECONDS) == codes.RESUME
        said = launcher.stdout.read()
    assert [point.state for point in points] == ["stopped", "stopped", "todo"]
    assert "2 stopped, 1 not started\nto go on: " in said and "--all" in said.splitlines()[-1]
    with run_script(path, tmp_path / "runs") as launcher:
        assert launcher.wait(SECONDS) == codes.DONE
    assert [len(starts(point)) for point in points] == [2, 2, 1]


def test_a_second_ctrl_c_does_not_wait(sweep_file, points_of, tmp_path):
    (point,) = points_of([1])
    with run_script(sweep_file(tuple_sweep([1])), tmp_path / "runs", fake="1=deaf") as launcher:
        until(lambda: point.state == "running")
        launcher.send_signal(signal.SIGINT)
        until(lambda: "stopping" in launcher.stdout.readline())
        assert alive(starts(point)[0]["pid"])
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(SECONDS) == codes.RESUME
    assert not alive(starts(point)[0]["pid"])
    assert point.state == "stopped"


def test_the_grace_time_ends(points_of, monkeypatch):
    (point,) = points_of([1])
    monkeypatch.setenv("FAKE", "1=deaf")
    pool = Pool(FAKE_MAIN, [None], Screen(io.StringIO()), grace=0.2)
    monkeypatch.setattr(pool, "_show", lambda: point.state == "running" and os.kill(os.getpid(), signal.SIGTERM))
    assert pool.run([point]) == codes.RESUME
    assert not alive(starts(point)[0]["pid"])


def test_what_a_run_leaves_behind_ends_with_it(points_of, monkeypatch):
    monkeypatch.setenv("FAKE", "1=litter")
    (point,) = points_of([1])
    assert run_pool([point])[0] == codes.DONE
    left = int((point.folder / "left").read_text())
    until(lambda: not alive(left))


def test_a_screen_that_goes_away_does_not_end_the_sweep(sweep_file, points_of, tmp_path):
    points = points_of([1, 2])
    with run_script(sweep_file(tuple_sweep([1, 2])), tmp_path / "runs") as launcher:
        launcher.stdout.close()
        assert launcher.wait(SECONDS) == codes.DONE
    assert [point.state for point in points] == ["done", "done"]


def test_a_folder_that_cannot_be_written_is_one_line(points_of, tmp_path):
    points = points_of([1])
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=r"^cannot write .*output.txt: Not a directory$"):
        run_pool(points)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_nothing_outlives_a_killed_pool(sweep_file, points_of, tmp_path):
    (point,) = points_of([1])
    with run_script(sweep_file(tuple_sweep([1])), tmp_path / "runs", fake="1=wait") as launcher:
        until(lambda: point.state == "running")
        launcher.kill()
        launcher.wait()
        until(lambda: not alive(starts(point)[0]["pid"]))
    assert point.state == "stopped"


def test_a_terminal_shows_one_line_that_moves(sweep_file, points_of, tmp_path):
    (point,) = points_of([1])
    ours, theirs = pty.openpty()
    command = [sys.executable, str(ROOT / "run.py"), str(sweep_file(tuple_sweep([1]))), "--all", "--dir"]
    launcher = subprocess.Popen(
        [*command, str(tmp_path / "runs")], env=os.environ | {"FAKE": "1=wait", "COLUMNS": "100"}, stdout=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while b"control 43%" not in shown:
            shown += os.read(ours, 1000)
        assert b"\r\033[K[1/1] done 0 running 1 failed 0 | tuple_ff control 43%" in shown
        assert b"\n" not in shown
    finally:
        launcher.terminate()
        assert launcher.wait(SECONDS) == codes.RESUME
        os.close(ours)
    assert point.state == "stopped"


def test_a_run_that_has_had_its_time_saves_or_is_killed(points_of, monkeypatch):
    monkeypatch.setenv("FAKE", "1=wait,2=deaf")
    points = points_of([1, 2, 3])
    said = io.StringIO()
    pool = Pool(FAKE_MAIN, [None] * 3, Screen(said), grace=0.5, deadline=90 * 60)

    def show():  # the time has come when both are at work
        if [point.state for point in points] == ["running", "running", "done"]:
            for active in pool.active:
                active.end = active.end if active.late else 0

    monkeypatch.setattr(pool, "_show", show)
    assert pool.run(points) == codes.FAILED
    assert [point.state for point in points] == ["stopped", "failed", "done"]
    assert read_status(points[1].folder)["error"] == "did not end within the 90 minutes it was given"
    assert not any(alive(start["pid"]) for point in points for start in starts(point))
    assert "run 1 did not end within the 90 minutes it was given (tuple_ff seed=1)" in said.getvalue()


def test_a_signal_of_slurm_stops_the_runs_as_ctrl_c_does_and_may_come_twice(points_of, monkeypatch):
    monkeypatch.setenv("FAKE", "1=wait")
    (point,) = points_of([1])
    pool = Pool(FAKE_MAIN, [None], Screen(io.StringIO()), patient=True)
    send = [signal.SIGUSR2, signal.SIGTERM, signal.SIGUSR2]
    monkeypatch.setattr(pool, "_show", lambda: point.state == "running" and send and os.kill(os.getpid(), send.pop()))
    assert pool.run([point]) == codes.RESUME
    assert point.state == "stopped" and signal.SIGUSR2 in pool.interrupts.received
