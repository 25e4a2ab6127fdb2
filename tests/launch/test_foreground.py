"""One run in the foreground, with TensorBoard beside it."""

import io
import json
import os
import signal
import socket
import sys

import pytest

from core import exit_codes as codes
from launch import foreground
from launch.console import Screen
from launch.foreground import free_port, run_here
from launch.select_points import select
from launch.sweep import Sweep
from tasks.options import resolve
from tests.launch.pretend import FAKE_MAIN, tuple_sweep
from tests.launch.test_pool import alive, starts


@pytest.fixture
def point_of(sweep_file, tmp_path):
    def make(log="none"):
        path = sweep_file(tuple_sweep([1]).replace("log: {value: none}", f"log: {{value: {log}}}"))
        return select(Sweep.read(path), {}, resolve, str(tmp_path / "runs"), None)[0]

    return make


def test_the_exit_code_says_how_it_ended(point_of, monkeypatch):
    point = point_of()
    for behaviour, expected in (("crash", codes.FAILED), ("busy", codes.RESUME), ("", codes.DONE)):
        monkeypatch.setenv("FAKE", f"1={behaviour}" if behaviour else "")
        assert run_here(point, FAKE_MAIN, Screen(io.StringIO())) == expected


def test_ctrl_c_reaches_the_run_once_and_it_saves(point_of, monkeypatch):
    point = point_of()
    monkeypatch.setenv("FAKE", "1=wait")
    # time.sleep is where run_here waits: Ctrl-C comes as soon as the run is on its way
    sent = []

    def sleep(_):
        if point.state == "running" and not sent:
            sent.append(1)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(foreground.time, "sleep", sleep)
    assert run_here(point, FAKE_MAIN, Screen(io.StringIO())) == codes.RESUME
    assert point.state == "stopped"
    assert not alive(starts(point)[0]["pid"])


def test_tensorboard_runs_beside_it_and_ends_with_it(point_of, monkeypatch, tmp_path):
    marks = tmp_path / "board.json"
    program = """import json, os, socket, sys, time
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
listener.listen()
json.dump([os.getpid(), *sys.argv], open(sys.argv[1], "w"))
time.sleep(60)"""
    monkeypatch.setattr(foreground, "TENSORBOARD", [sys.executable, "-c", program, str(marks)])
    monkeypatch.setenv("FAKE", "1=wait")
    point = point_of("tb")

    said = io.StringIO()

    def sleep(_):
        if "TensorBoard" in said.getvalue() and point.state == "running":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(foreground.time, "sleep", sleep)
    run_here(point, FAKE_MAIN, Screen(said), grace=60)
    pid, *arguments = json.loads(marks.read_text())
    port = arguments[arguments.index("--port") + 1]
    assert f"TensorBoard: http://localhost:{port}\n" in said.getvalue()
    assert arguments[arguments.index("--logdir") + 1] == str(point.folder)
    assert not alive(pid)


QUICKER = """import pathlib, socket, sys, time
first = pathlib.Path(sys.argv[1])
if not first.exists():
    first.touch()
    sys.exit(1)
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[-1])))
listener.listen()
time.sleep(60)"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who listens")
def test_the_address_is_that_of_our_own_process(tmp_path, monkeypatch):
    monkeypatch.setattr(foreground, "TENSORBOARD", [sys.executable, "-c", QUICKER, str(tmp_path / "first")])
    with socket.socket() as theirs:  # somebody who takes the port between our look and our start
        theirs.bind(("127.0.0.1", 0))
        theirs.listen()
        port = theirs.getsockname()[1]
        monkeypatch.setattr(foreground, "free_port", lambda first=port: port if first == port else free_port(first))
        board = foreground._Board(tmp_path, Screen(said := io.StringIO()))
        try:
            assert not foreground.listens(board.child.pid, port)
            while "TensorBoard" not in said.getvalue():
                board.look()
            assert f"http://localhost:{port}\n" not in said.getvalue()
            assert said.getvalue() == f"TensorBoard: http://localhost:{board.port}\n" and board.port > port
        finally:
            board.end()


def test_a_tensorboard_that_never_starts_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(foreground, "TENSORBOARD", [sys.executable, "-c", "raise SystemExit(3)"])
    board = foreground._Board(tmp_path, Screen(said := io.StringIO()))
    while not said.getvalue():
        board.look()
    assert said.getvalue() == "TensorBoard ended with code 3; the run goes on without it\n"
    board.end()


def test_no_tensorboard_without_its_log(point_of):
    said = io.StringIO()
    run_here(point_of("none"), FAKE_MAIN, Screen(said))
    assert "TensorBoard" not in said.getvalue()


def test_the_next_free_port_is_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) > port
    assert free_port(port) == port
