"""Run folders: what is written is what is read, versions are checked, writes are atomic, locks hold."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from core import files
from core.errors import OptionError, StoreError
from core.files import write_atomic
from core.history import History
from core.registry import Registry, nearest
from core.store import Run, is_locked, state_of
from tasks.options import resolve


@pytest.fixture
def options(tmp_path):
    return resolve({"task": "tuple_ff", "seed": 3, "layer_sizes": "8,8", "run.dir": str(tmp_path), "run.sweep": "a/b"})


def test_a_run_is_read_back_as_it_was_written(options, tmp_path):
    run = Run.create(options)
    run.write_summary({"final/x": 0.5})
    run.write_arrays("confusion", counts=np.eye(3))
    run.write_status("done", stage="control", step=7)
    again = Run.load(run.folder)
    assert (again.task, again.sweep, again.options["layer_sizes"]) == ("tuple_ff", "a/b", (8, 8))
    assert again.summary == {"final/x": 0.5} and again.state == "done" and again.status["step"] == 7
    assert (again.arrays("confusion")["counts"] == np.eye(3)).all()
    with pytest.raises(StoreError, match="no arrays 'confusoin'; there are: confusion"):
        again.arrays("confusoin")


def test_query_finds_runs_by_sweep_task_state_and_option(options, tmp_path):
    run = Run.create(options)
    assert Run.query(tmp_path) == []
    run.write_status("done")
    assert [r.signature for r in Run.query(tmp_path, sweep="a/b", layer_sizes=[8, 8], seed=3)] == [run.signature]
    assert Run.query(tmp_path, sweep="a") == [] == Run.query(tmp_path, task="tuple") == Run.query(tmp_path, seed=4)


def test_a_folder_of_another_version_is_refused(options):
    run = Run.create(options)
    path = run.path("options.yaml")
    path.write_text(path.read_text().replace("format: 1", "format: 9"))
    with pytest.raises(StoreError, match="is of run format 9; this program reads and writes format 1"):
        Run.create(options)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "\x00"])
def test_a_damaged_description_is_one_line(options, text):
    run = Run.create(options)
    run.path("options.yaml").write_text(text)
    with pytest.raises(StoreError) as error:
        Run.load(run.folder)
    assert str(run.folder) in str(error.value) and "\n" not in str(error.value)


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write .*runs/single/"):
        Run.create(resolve({"task": "tuple", "run.dir": str(tmp_path / "runs")}))


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_atomic(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; what was there before is intact"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["summary.json"]


def test_history_is_cut_back_to_the_checkpoint_and_a_half_row_is_not_read(options):
    run = Run.create(options)
    history = History(run.path("history.jsonl"))
    history.append({"step": 1})
    size = history.sync()
    history.append({"step": 2})
    with open(run.path("history.jsonl"), "a") as file:
        file.write('{"step": 3')
    assert run.history() == [{"step": 1}, {"step": 2}]
    History(run.path("history.jsonl"), size).append({"step": 20})
    assert run.history() == [{"step": 1}, {"step": 20}]


def test_a_running_run_without_a_process_is_stopped(options):
    run = Run.create(options)
    assert state_of(run.folder) == "todo"
    with run.locked() as mine:
        assert mine
        run.write_status("running")
        code = "import sys; from core.store import *; print(state_of(sys.argv[1]), is_locked(sys.argv[1]))"
        seen = subprocess.run([sys.executable, "-c", code, run.folder], capture_output=True, text=True, check=True)
        assert seen.stdout.split() == ["running", "True"]
    assert state_of(run.folder) == "stopped" and not is_locked(run.folder)


def test_status_keeps_what_is_not_replaced(options):
    run = Run.create(options)
    run.write_status("running", stage="train", step=4)
    run.write_status("failed", error="x")
    status = json.loads(run.path("status.json").read_text())
    assert (status["state"], status["stage"], status["step"], status["error"]) == ("failed", "train", 4, "x")


def test_registry_imports_late_and_names_the_nearest():
    table = Registry("thing", {"join": "os.path:join", "lost": "no_such_module:x"})
    assert table["join"] is os.path.join and list(table) == ["join", "lost"] and "lost" in table
    with pytest.raises(OptionError, match="unknown thing 'joni'; allowed: join, lost; did you mean 'join'?"):
        table["joni"]
    assert nearest("zzz", ["join"]) == ""
