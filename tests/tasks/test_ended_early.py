"""A run that the search of its sweep has told to end: it saves, counts as finished, and is not gone on with."""

import pytest
import torch

import main
from core import exit_codes as codes
from core.fit import Stopped
from core.run_state import EARLY
from core.signals import Signals
from core.store import Run
from core.trackers import Mirrors
from tasks.execute import execute
from tasks.options import resolve


@pytest.mark.parametrize("told", [True, False])
def test_the_signal_of_a_run_told_to_end_is_its_end(tmp_path, monkeypatch, capsys, told):
    values = {"task": "tuple_ff", "log": "none", "run.dir": str(tmp_path), "run.device": "cpu"}
    options = resolve(values)
    run = Run.create(options)
    if told:
        run.path(EARLY).write_text("{}")

    def stopped(*_):
        raise Stopped("SIGTERM")

    monkeypatch.setattr("tasks.execute.fit", stopped)
    monkeypatch.setattr(
        "tasks.execute.TASKS", {"tuple_ff": lambda *_: type("Task", (), {"device": torch.device("cpu")})()}
    )
    code = execute(run, options, Mirrors((), run), Signals())
    assert code == (codes.DONE if told else codes.RESUME)
    assert run.status["state"] == run.state == ("ended early" if told else "stopped")
    if told:
        capsys.readouterr()
        assert main.main([f"--{name}={value}" for name, value in values.items()]) == codes.DONE
        assert capsys.readouterr().out == f"already ended early: {run.folder}\n"
