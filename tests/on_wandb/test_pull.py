"""Figures from W&B and figures from runs/ are the same figures."""

import json
import re

import pytest

from core import exit_codes as code
from core.errors import OptionError
from core.store import Run
from paper.pull import read_config
from paper.results import load
from paper.run_all import discover
from tests.on_wandb.conftest import wait_for

DRAW = """
import sys
from pathlib import Path
from paper import run_all
run_all.CONFIG = Path("config.json")
sys.exit(run_all.main(sys.argv[1:]))
"""


@pytest.fixture
def drawing(machine, tmp_path):
    """Draw in a folder whose config.json names the project."""
    (tmp_path / "config.json").write_text('{"wandb_project": "lab/sieve"}')

    def draw(*arguments, **env):
        script = f"import os; os.chdir({str(tmp_path)!r}){DRAW}"
        return machine.run("-c", script, *arguments, PYTHONPATH=".", **env)

    return draw


def content(root):
    """What figures read, by run."""
    return {
        run.signature: (run.sweep, run.task, {k: v for k, v in run.options.items() if not k.startswith("run.")},
                        run.summary, run.history())
        for run in load(root)
    }  # fmt: skip


def test_the_same_runs_give_the_same_tables(server, machine, drawing, tmp_path):
    sweep = "--run.sweep=small/tuple_ff"
    runs = [machine.start(*machine.main(tmp_path / "runs", sweep, f"--seed={seed}")) for seed in (1, 2)]
    assert [run.wait(100) for run in runs] == [code.DONE] * 2
    killed = machine.start(*machine.main(tmp_path / "runs", sweep, "--seed=3", "--train.steps=100000"))
    wait_for(lambda: Run.query(tmp_path / "runs", state="running"), "the run that will not finish")
    wait_for(lambda: len(server.state.runs) == 3, "it on W&B")

    ended, text = drawing("--only", "iou", "--sweep", "small/tuple_ff")
    assert ended == code.DONE, text
    assert "2 runs, a trial" in text and "small/tuple_ff: 1 running; drawn are the finished runs" in text
    cache = tmp_path / "cache/wandb/lab/sieve"
    assert content(cache) == content(tmp_path / "runs") and len(content(cache)) == 2
    for plot in discover():
        assert plot.table(load(cache)) == plot.table(load(tmp_path / "runs"))
    for run in Run.query(tmp_path / "runs"):
        for file in run.path("masks").glob("*.npz"):
            assert cache.joinpath(run.sweep, run.signature, "masks", file.name).read_bytes() == file.read_bytes()
    killed.kill()

    # read again only what has changed
    asked = len(server.requests)
    marks = {path: path.stat().st_mtime_ns for path in cache.rglob("summary.json")}
    ended, text = drawing("--only", "iou", "--sweep", "small/tuple_ff")
    assert ended == code.DONE and marks == {path: path.stat().st_mtime_ns for path in cache.rglob("summary.json")}
    assert not [request for request in server.requests[asked:] if "RunFiles" in request or "HistoryPage" in request]
    first = next(run for run in server.state.runs.values() if run.state == "finished")
    summary = json.loads(first.files["summary.json"]) | {"final/control/valid/accuracy/total": 0.125}
    first.files["summary.json"] = json.dumps(summary).encode()
    first.beat()
    ended, text = drawing("--only", "iou", "--sweep", "small/tuple_ff")
    assert [run.summary["final/control/valid/accuracy/total"] for run in load(cache)].count(0.125) == 1

    # a run that is gone from W&B is not drawn, and without W&B what was read before is
    del server.state.runs[first.id]
    ended, text = drawing("--only", "iou", "--sweep", "small/tuple_ff")
    assert ended == code.DONE and len(load(cache)) == 1
    server.stop()
    try:
        ended, text = drawing("--only", "iou", "--sweep", "small/tuple_ff", WANDB_HTTP_TIMEOUT="3")
    finally:
        server.start()
    assert ended == code.DONE and "drawing what was read before" in text and "drawn  iou" in text, text


@pytest.mark.parametrize(
    ("content", "text"),
    [("{", "it is no JSON mapping"), ("{}", "no wandb_project in it"), ("[]", "it is no JSON mapping"),
     *((json.dumps({"wandb_project": name}), re.escape(repr(name)) + " is not of the form entity/project")
       for name in ("sieve", "../..", "./x", "a/..", "a/.", "/x", "a/b/c", "a/b c?"))],
)  # fmt: skip
def test_a_config_that_is_none(tmp_path, content, text):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(OptionError, match=text):
        read_config(tmp_path / "config.json")


def test_without_a_config_runs_are_read_from_the_folder(tmp_path):
    assert read_config(tmp_path / "config.json") is None


def test_a_project_that_does_not_exist(drawing, tmp_path):
    (tmp_path / "config.json").write_text('{"wandb_project": "lab/siev"}')
    ended, text = drawing("--only", "iou")
    assert ended == code.BAD_INPUT and "lab/siev cannot be read from W&B" in text and "Traceback" not in text, text


def test_rows_of_one_step_and_numbers_that_are_none_survive_the_way(server, machine, drawing, tmp_path):
    """A branch's first row has the step of the CNN's last; a network that knows nothing has no norm by its margin."""
    tiny = {
        "model": "digits", "data.name": "digits", "data.canvas": 12, "data.train_size": 40, "data.test_size": 20,
        "train.epochs": 1, "train.batch_size": 20, "split.at": 0, "split.epochs": 1, "split.lr": 0.05, "sharpness": 0,
        "split.branches": "control,elcn", "paths.points": 3, "paths.epochs": 1, "run.sweep": "small/cnn_elcn",
    }  # fmt: skip
    arguments = [f"--{name}={value}" for name, value in tiny.items()]
    ended, text = machine.run("main.py", "--task=cnn_elcn", "--log=wandb", f"--run.dir={tmp_path / 'runs'}", *arguments)
    assert ended == code.DONE, text
    ended, text = drawing("--only", "untying", "--sweep", "small/cnn_elcn")
    assert ended == code.DONE, text
    (run,), (pulled,) = load(tmp_path / "runs"), load(tmp_path / "cache/wandb/lab/sieve")
    rows = run.history()
    assert len({row["step"] for row in rows}) < len(rows) and None in {v for row in rows for v in row.values()}
    assert pulled.history() == [{k: v for k, v in row.items() if v is not None} for row in rows]
    assert pulled.summary == run.summary
    mine = [plot for plot in discover() if "cnn_elcn" in plot.sweeps]
    assert len(mine) == 5 and all(plot.table([pulled]) == plot.table([run]) for plot in mine)
