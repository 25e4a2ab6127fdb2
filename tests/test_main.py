"""What a person sees when they mistype: one line on stderr, exit code 2, no traceback, nothing left behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import main
from core import exit_codes as code
from core.store import Run
from tasks.options import resolve

ROOT = Path(main.__file__).parent
MISTAKES = [
    (["--task=tuple_f"], "unknown task 'tuple_f'; allowed: tuple, tuple_ff, .*; did you mean 'tuple_ff'?"),
    (["--seed=1"], "no task given: --task=... is one of tuple, tuple_ff"),
    (["--task=tuple", "--train.stesp=3"], "unknown option 'train.stesp'; did you mean 'train.steps'?"),
    (["--task=tuple", "--train.steps=soon"], "train.steps=soon is not a whole number"),
    (["--task=tuple", "--train.steps=0"], "train.steps=0 is outside [1, 1e9]"),
    (["--task=tuple", "--mask.samples=3"], "train.batch_size=128 is not divisible by mask.samples=3; .*: 126 and 129"),
    (["--task=tuple_ff", "--n_digits=7"], "n_digits=7 is outside [1, 4]"),
    (["--task=tuple_ff", "--data.held_out=0.6"], "data.held_out=0.6 is outside (0, 0.5)"),
    (["--task=tuple_ff", "--mask.include=layer.*"], "mask.include=layer.* matches no parameter; there are: layers.0"),
    (["--task=tuple_ff", "--mask.method=magnitude", "--mask.keep=2"], "mask.keep=2.0 is outside (0, 1]"),
    (["--task=tuple_ff", "--run.device=gpu"], "run.device=gpu is not"),
    (["--task=tuple_ff", "--run.keep_checkpoints=frist"], "run.keep_checkpoints=frist is not one of first, best, last"),
    (["tuple_ff"], "'tuple_ff' is not an option; options look like --train.steps=2000"),
]
FAST = ["--data.train_size=100", "--data.eval_size=10", "--layer_sizes=4", "--run.quiet=true", "--log=none"]


@pytest.mark.parametrize(("arguments", "text"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_one_line(arguments, text, tmp_path, capsys):
    fast = FAST if "--task=tuple_ff" in arguments else []
    assert main.main([*arguments, *fast, f"--run.dir={tmp_path}"]) == code.BAD_INPUT
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("main.py: "), error
    parts = [re.escape(part) for part in text.split(".*")]
    assert re.search(".*".join(parts), error), error


def test_an_unwritable_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main.main(["--task=tuple", f"--run.dir={tmp_path}/file"]) == code.BAD_INPUT
    assert "cannot write" in capsys.readouterr().err


def test_a_folder_of_another_version(tmp_path, capsys):
    run = Run.create(resolve({"task": "tuple", "run.dir": str(tmp_path)}))
    path = run.path("options.yaml")
    path.write_text(path.read_text().replace("format: 1", "format: 2"))
    assert main.main(["--task=tuple", f"--run.dir={tmp_path}"]) == code.BAD_INPUT
    assert "is of run format 2; this program reads and writes format 1" in capsys.readouterr().err


def test_a_run_that_another_process_does(tmp_path, capsys):
    run = Run.create(resolve({"task": "tuple", "run.dir": str(tmp_path)}))
    with run.locked():
        assert main.main(["--task=tuple", f"--run.dir={tmp_path}"]) == code.BUSY
    assert "is being run by another process" in capsys.readouterr().err


def test_a_crash_is_recorded_with_its_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tasks.modularity.arithmetic.Arithmetic.finish_training", lambda self: 1 / 0)
    arguments = ["--task=tuple_ff", *FAST, "--train.steps=1", f"--run.dir={tmp_path}"]
    assert main.main(arguments) == code.FAILED
    (run,) = Run.query(tmp_path, state="failed")
    assert run.status["error"] == "ZeroDivisionError: division by zero"
    assert "Traceback" in run.path("log.txt").read_text()


def test_help_shows_tasks_and_options(capsys):
    assert main.main(["--help"]) == code.DONE == main.main(["--task=tuple", "--help"])
    shown = capsys.readouterr().out
    assert "tuple_ff_copyweight" in shown and "--tuple.mode" in shown and "--mask.temperature" in shown
    assert main.main(["--task=tuple", "--mask.method=magnitude", "--help"]) == code.DONE
    assert "--mask.keep" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--_wandb={}"], ["--task=tuple", "--help"]])
def test_an_agent_that_gives_nothing_to_train_is_told_so(arguments, monkeypatch, capsys):
    told = []
    monkeypatch.setattr("core.wandb.refused", told.append)
    monkeypatch.setenv("WANDB_SWEEP_ID", "x")
    assert main.main(arguments) == code.BAD_INPUT
    assert "gave no options of a run; command: of the sweep needs ${args}" in capsys.readouterr().err and told


def test_no_account_key_reaches_a_run_folder(tmp_path):
    secret = "0123456789abcdef0123456789abcdef01234567"
    command = [
        sys.executable,
        "main.py",
        "--task=tuple_ff",
        *FAST,
        "--train.steps=1",
        "--mask.steps=1",
        "--mask.method=threshold",
        f"--run.dir={tmp_path}",
    ]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "WANDB_API_KEY": secret})
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
