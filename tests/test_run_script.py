"""run.py as a person uses it, from another folder."""

import os
import subprocess
import sys

import pytest

from core import exit_codes as codes
from tests.launch.pretend import ROOT, tuple_sweep

RUN = ROOT / "run.py"


@pytest.fixture
def run(tmp_path):
    """Run run.py in an empty folder that holds one sweep file, toy.yaml."""
    (tmp_path / "toy.yaml").write_text(tuple_sweep([1, 2, 3]))

    def start(*arguments, stdin="", fake=""):
        return subprocess.run(
            [sys.executable, str(RUN), *arguments], input=stdin, cwd=tmp_path,
            env=os.environ | {"FAKE": fake},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return start


def test_list_then_one_then_the_rest(run):
    assert [line.split()[1] for line in run("toy.yaml", "--dir", "r", "--list").stdout.splitlines()[1:]] == ["todo"] * 3
    one = run("toy.yaml", "--dir", "r", stdin="2\n")
    assert one.returncode == codes.DONE
    assert one.stdout.startswith("seed\n  1  1\n  2  2\n  3  3\nseed [1-3]: tuple_ff")
    assert run("toy.yaml", "--dir", "r", "--all", fake="3=record").returncode == codes.FAILED
    states = [line.split()[1] for line in run("toy.yaml", "--dir", "r", "--list").stdout.splitlines()[1:]]
    assert states == ["done", "done", "failed"]
    again = run("toy.yaml", "--dir", "r", "--retry-failed")
    assert again.returncode == codes.DONE and "3 done" in again.stdout


def test_set_of_every_varying_parameter_asks_nothing(run):
    found = run("toy.yaml", "--dir", "r", "--set", "seed=2")
    assert found.returncode == codes.DONE
    assert found.stdout.startswith("tuple_ff -> r/pretend/") or found.stdout.startswith("tuple_ff seed=2 -> r/pretend/")


def test_only_runs_failed_ones_too(run):
    assert run("toy.yaml", "--dir", "r", "--only", "2-3", fake="3=record").returncode == codes.FAILED
    assert run("toy.yaml", "--dir", "r", "--only", "3").returncode == codes.DONE
    assert "there is no run 9" in run("toy.yaml", "--dir", "r", "--only", "9").stderr


def test_dry_run_and_check_run_nothing(run, tmp_path):
    lines = run("toy.yaml", "--dir", "a folder", "--dry-run").stdout.splitlines()
    assert len(lines) == 3
    program = ROOT / "tests" / "launch" / "fake_main.py"
    assert lines[1] == (
        f"{sys.executable} {program} --task=tuple_ff --log=none --seed=2 --run.sweep=pretend '--run.dir=a folder'"
    )
    checked = run("toy.yaml", "--check").stdout.splitlines()
    assert checked[0] == "toy.yaml: 3 runs; every option and value is valid" and len(checked) == 6
    assert checked[3] == f"run 2: /usr/bin/env python {program.relative_to(ROOT)} --task=tuple_ff --log=none --seed=2"
    assert "no --run.sweep=pretend" in checked[5]
    assert [path.name for path in tmp_path.iterdir()] == ["toy.yaml"]


def test_a_stopped_foreground_run_says_how_to_go_on(run):
    found = run("toy.yaml", "--dir", "r", stdin="2\n", fake="2=busy")
    assert found.returncode == codes.RESUME
    assert found.stdout.splitlines()[-1].endswith("toy.yaml --dir r --set seed=2")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "the following arguments are required: FILE; run.py --help lists the options"),
        (["toy.yam"], "no file 'toy.yam'; did you mean 'toy.yaml'?"),
        (["toy.yaml", "--jobbs", "2"], "unrecognized arguments: --jobbs 2; did you mean '--jobs'?"),
        (["toy.yaml", "--jobs", "0"],
         "argument --jobs: '0' is not a whole number above 0; run.py --help lists the options"),
        (["toy.yaml", "--gpus", "0,1|"],
         "--gpus '0,1|': a GPU number is missing in group 2; write it like '0|1|2,3'"),
        (["toy.yaml", "--set", "mask.penalt=3"],
         "--set: unknown option 'mask.penalt'; did you mean 'mask.penalty'?"),
        (["toy.yaml"], "no answer for seed: the input ended; use --set seed=... or --all"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(run, arguments, expected):
    found = run(*arguments)
    assert found.returncode == codes.BAD_INPUT
    assert found.stderr == f"run.py: {expected}\n"


def test_a_program_that_is_not_there_is_named(run, tmp_path):
    (tmp_path / "toy.yaml").write_text(tuple_sweep([1], program="mian.py"))
    assert run("toy.yaml", "--list").stderr == f"run.py: toy.yaml:1: program: there is no mian.py in {ROOT}\n"


@pytest.mark.parametrize("arguments", [["--help"], [str(ROOT / "sweeps/tuple_rnn.yaml"), "--list"]])
def test_help_and_list_need_no_torch(arguments):
    code = (
        f"import runpy, sys; sys.argv = ['run.py', *{arguments!r}]\n"
        f"try: runpy.run_path({str(RUN)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'launch.pool' in sys.modules and not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
