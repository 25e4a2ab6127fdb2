"""An experiment in a file of one's own: it runs, resumes, is swept and drawn like any task; mistakes name its line."""

import shutil
from pathlib import Path

import pytest

import main
import run as runner
from core import exit_codes as code
from core.errors import SieveError
from core.options import signature
from core.store import Run
from paper.run_all import main as run_all
from tasks.check import Checked
from tasks.options import options_class, resolve
from tasks.own import own_file

FILE = '''"""Parities."""
import random
import numpy as np
import torch
from sieve import Experiment

class Parity(Experiment):
    subtasks = {"low": lambda x, y: x[:, 0] > 0, "high": lambda x, y: x[:, 0] <= 0, "few": lambda x, y: y == 0}

    def model(self):
        return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 2))

    def data(self):
        x = torch.randn(200, 6) + random.random() - np.random.rand()
        return x, (x.sum(1) > 0).long()
'''
FAST = {"train.steps": 12, "mask.steps": 6, "train.batch_size": 8, "log": "none", "run.quiet": True}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def arguments(file, runs, **more):
    values = {"task": file, "run.dir": runs, **FAST, **more}
    return [f"--{name}={value}" for name, value in values.items()]


def test_a_stopped_run_goes_on_with_the_same_bits(file, tmp_path, monkeypatch):
    assert main.main(arguments(file, tmp_path / "whole")) == code.DONE
    (whole,) = Run.query(tmp_path / "whole")
    assert {"kept/few/total", "half/early/test/accuracy/low", "final/high/valid/accuracy/few"} <= whole.summary.keys()
    monkeypatch.setattr("tasks.own.own.Own.finish_mask", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main.main(arguments(file, tmp_path / "cut")) == code.RESUME
    monkeypatch.undo()
    moved = shutil.copy(file, tmp_path / "cut")  # the same file elsewhere is the same run
    assert main.main(arguments(moved, tmp_path / "cut")) == code.DONE
    (cut,) = Run.query(tmp_path / "cut")
    assert cut.summary == whole.summary and cut.signature == whole.signature


def test_a_sweep_is_done_and_drawn(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = tmp_path / "mine.yaml"
    lines = [f"  {name}: {{value: {str(value).lower()}}}" for name, value in FAST.items() if name != "run.quiet"]
    sweep.write_text(
        "\n".join(
            ["program: main.py", "method: grid", "name: mine", "parameters:", *lines, "  task: {value: mine.py}", ""]
        )
    )
    assert runner.main([str(sweep), "--check", "--dir", "runs"]) == code.DONE
    assert main.main([*arguments("mine.py", "runs"), "--run.sweep=mine"]) == code.DONE
    names = ("performance", "iou", "sharing_vs_size")
    assert run_all(["--runs", "runs", "--sweep", "mine", "--out", "out", "--only", ",".join(names)]) == code.DONE
    drawn = {path.parent.name for path in Path("out").rglob("*.png")}
    assert drawn == {"performance", "sharing_vs_size"}  # an overlap is one of two subtasks
    file.write_text(FILE.replace("x[:, 0] > 0", "x[:, 1].mean()"))
    for remembered in (own_file._read, own_file.digest_of, own_file.experiment_of, options_class):
        remembered.cache_clear()
    with pytest.raises(SieveError, match=r"mine.py:8: subtask low gave \[\]; it must be a bool for each example"):
        runner.main([str(sweep), "--check", "--dir", "runs"])


def test_the_content_of_the_file_is_part_of_the_signature(tmp_path):
    names = set()
    for i, text in enumerate((FILE, FILE + "# a comment\n")):
        (tmp_path / str(i)).mkdir()
        (tmp_path / str(i) / "mine.py").write_text(text)
        options = resolve({"task": str(tmp_path / str(i) / "mine.py")})
        assert signature(resolve({"task": options.task, "digest": options.digest})) == signature(options)
        names.add(signature(options))
    assert len(names) == 2
    with pytest.raises(SieveError, match=r"digest=0123456789, but .*mine.py is .*: it was changed since"):
        resolve({"task": options.task, "digest": "0123456789"})


MISTAKES = {
    "nothing": (FILE, "x = 1\n", "1: defines no class that extends sieve.Experiment"),
    "syntax": ("def data(self)", "def data(self", "13: SyntaxError: "),
    "raises": ("import random", "import nowhere", "2: ModuleNotFoundError: No module named 'nowhere'"),
    "no data": ("def data", "def date", "7: Parity has no data()"),
    "data raises": ("torch.randn(200, 6)", "torch.randn('6')", "14: TypeError: "),
    "no tensors": ("return x, ", "return x.numpy(), ", "13: data() returned tuple for all; it must be two tensors"),
    "lengths": ("return x, ", "return x[1:], ", "13: data() returned x [199, 6] and y [200] for all; axis 0"),
    "wrong shape": ("Linear(6, 8)", "Linear(5, 8)", "10: RuntimeError: "),
    "no network": ("torch.nn.Sequential(", "list((", "10: model() returned list; it must be a torch.nn.Module"),
    "no example": ("y == 0", "y == 3", "8: subtask few has no example in train (160 examples)"),
    "no subtasks": ("subtasks = {", "subtask = {", '7: Parity needs subtasks = {"name"'),
    "name": ('"few"', '"a/b"', "7: 'a/b' cannot be the name of a subtask"),
    "options": ("    subtasks", "    Options = dict\n    subtasks", "Parity.Options must be a @dataclass(frozen=True)"),
}


@pytest.mark.parametrize(("old", "new", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_the_line_of_the_file(old, new, text, file):
    broken = FILE.replace(old, new)
    file.write_text(broken.replace("(8, 2))", "(8, 2)))") if "list((" in new else broken)
    with pytest.raises(SieveError) as error:
        Checked()({"task": str(file), **FAST})
    assert str(error.value).startswith(f"{file}:") and text in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main.main([f"--task={tmp_path}/none.py"]) == code.BAD_INPUT
    assert "none.py: cannot read this file: No such file" in capsys.readouterr().err
