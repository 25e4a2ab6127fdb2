"""Agents that end early, agents that do not want to end, and how the outcome is read."""

import io
import os
import signal
import sys
import threading
import time

import pytest

from core import exit_codes as codes
from core.errors import SweepError
from launch import agents
from launch.console import Screen

FAIL_ONCE = """
import pathlib, sys
mark = pathlib.Path(sys.argv[-1].replace("/", "-"))
if mark.exists():
    sys.exit(0)
mark.touch()
sys.exit(1)
"""
STUBBORN = """
import pathlib, signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
pathlib.Path(sys.argv[-1].replace("/", "-")).touch()
while len(asked) < 3:
    time.sleep(0.02)
sys.exit(0)
"""


def standing(state="RUNNING", expected=2, **runs):
    return {"path": "e/p/i", "state": state, "runs": runs, "expected": expected}


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Run agents that are pretended by a script; return exit code and what was said."""
    monkeypatch.setattr(agents, "ROOT", tmp_path)

    def run(script, answers, slots=(None,)):
        given = iter(answers)

        def look(path):
            answer = next(given)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(agents, "CLIENT", [sys.executable, "-c", script])
        monkeypatch.setattr(agents, "look", look)
        stream = io.StringIO()
        crew = agents.Agents("e/p/i", slots, tmp_path / "sweep", Screen(stream), grace=60, pause=0.2)
        return crew.run(), stream.getvalue(), crew

    return run


def test_an_agent_that_ended_early_is_started_again_while_there_is_work(start):
    code, said, crew = start(FAIL_ONCE, [standing(), standing("FINISHED", finished=2)])
    assert code == codes.DONE and crew.agents[0].starts == 2
    assert "an agent ended with code 1 although there is work left; the next one starts in 0 s" in said
    assert "e/p/i is finished; its runs of 2: 2 finished" in said


def test_each_agent_sees_its_gpus_and_the_python_that_started_it(start, tmp_path):
    script = (
        "import os, sys, pathlib; "
        "pathlib.Path(os.environ['CUDA_VISIBLE_DEVICES']).write_text("
        "os.environ['PATH'] + '|' + os.environ['WANDB_DIR'] + '|' + ' '.join(sys.argv[1:]))"
    )
    code, _, crew = start(script, [standing("FINISHED", finished=2)], slots=("0", "1,2"))
    assert code == codes.DONE
    for slot in ("0", "1,2"):
        path, folder, command = (tmp_path / slot).read_text().split("|")
        assert path.split(":")[0] == os.path.dirname(sys.executable) and folder == str(tmp_path / "sweep")
        assert command == "agent --forward-signals --term-timeout 60 e/p/i"
    assert [agent.output.name.rpartition("-")[2] for agent in crew.agents] == ["0.txt", "1.txt"]


def test_not_when_the_sweep_is_over(start):
    code, said, crew = start(FAIL_ONCE, [standing("CANCELED"), standing("CANCELED", finished=1, failed=1)])
    assert code == codes.FAILED and crew.agents[0].starts == 1 and "next one" not in said


def test_a_server_that_does_not_answer_is_asked_again_later(start):
    code, _, crew = start(FAIL_ONCE, [SweepError("W&B: gone"), standing("FINISHED", finished=2)])
    assert code == codes.DONE and crew.agents[0].starts == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (standing("FINISHED", finished=2), codes.DONE),
        (standing("FINISHED", expected=None, finished=7), codes.DONE),
        (standing("FINISHED", finished=1, crashed=1), codes.FAILED),
        (standing("RUNNING", finished=1, running=1), codes.RESUME),
        (standing("RUNNING", finished=1), codes.RESUME),
        (standing("RUNNING", finished=1, preempted=1), codes.RESUME),
        (SweepError("W&B: gone"), codes.RESUME),
    ],
)
def test_what_the_runs_say_counts_and_not_the_agents(start, answer, expected):
    code, said, _ = start("", [answer])
    assert code == expected
    assert "is not known: W&B: gone" in said if isinstance(answer, Exception) else "e/p/i is " in said


def test_asked_twice_an_agent_is_told_until_it_kills_its_run(start, tmp_path):
    def interrupt():
        while not (tmp_path / "e-p-i").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code, said, crew = start(STUBBORN, [standing("RUNNING", preempted=1)])
    thread.join(10)
    assert code == codes.RESUME and "stopping: the runs save and end" in said and not crew.agents[0].running
