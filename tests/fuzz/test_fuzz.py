"""Odd option lists, sweep files, state files and data files: an answer of one line, or none needed; never a traceback.

The suite tries a few of each; `make fuzz` tries FUZZ times as many.
"""

import contextlib
import io
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import main
import run
from core import exit_codes as codes
from core.errors import SieveError
from core.history import History
from core.options import leaves
from core.store import Run
from data.images import images_from_file
from launch.console import Screen
from launch.points import Point, remarks, table
from launch.verify import repair, verify
from masks.algebra import Masks
from models.foreign_checkpoints import read_tensors
from tasks.options import options_class, resolve
from tasks.registry import OPTIONS
from tests.launch.test_verify import finished

TIMES = int(os.environ.get("FUZZ", "1"))
SECONDS = 10  # for one answer
CORPUS = sorted(Path(__file__).with_name("corpus").glob("*.yaml"))
BYTES = st.sampled_from(
    [
        b"",
        b"\0",
        b"\xff",
        b"{",
        b"}",
        b"[",
        b"]",
        b"-1",
        b"nan",
        b"1e999",
        b"\n",
        b": ",
        b"&a ",
        b"*a",
        b"!!python/name:os.system ",
        b"\t",
        b"'",
        b"${args}",
        b"null",
        b"9" * 400,
        b"\xe2\x98\x83",
        b"../..",
    ]
)
ODD = st.sampled_from(
    ["", "nan", "-inf", "1e400", "0", "-1", "9" * 400, "none", "true", "[", "]", "{}", "{'a': 1}", "{'lr': nan}",
     "[[1]]", "a,b", "..", "/", "\n", "\0", "\ud800", "--x", "=", "ü", "x" * 5000, "1,2,3", "['a'", "gumbel", "*", "(?",
     "${args}"]
) | st.text(max_size=8) | st.integers().map(str) | st.floats().map(str)  # fmt: skip
NAMES = sorted(
    {name for task in OPTIONS for name in leaves(options_class(task))} | {"signature", "revision", "mask", "run", ""}
)


def tries(number):
    return settings(
        max_examples=number * TIMES, deadline=SECONDS * 1000, derandomize=TIMES == 1, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def answer(action, *arguments):
    """Do something a person may ask for: it works, or is refused in one line that can be printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = action(*arguments)
        except SieveError as error:
            assert str(error).isprintable() and str(error), repr(error)
            return codes.BAD_INPUT
        except SystemExit as end:  # argparse
            code = end.code
    assert "Traceback" not in said.getvalue()
    if code == codes.BAD_INPUT:
        assert len(said.getvalue()) < 10_000, said.getvalue()
    return code


def damaged(data, original):
    """Return bytes with some of them changed, cut out or put in."""
    found = bytearray(original)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(found)))
        found[at : at + data.draw(st.integers(0, 12))] = data.draw(BYTES | st.binary(max_size=6))
    return bytes(found[: data.draw(st.integers(0, len(found)))] if data.draw(st.integers(0, 4)) == 0 else found)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing is trained, written through to the disk, or told to anybody."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("tasks.execute.execute", lambda *_: codes.DONE)
    monkeypatch.setattr(main, "Mirrors", lambda *_: type("None_", (), {"close": lambda *_: None})())
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)


@tries(60)
@given(data=st.data())
def test_option_lists(data, tmp_path):
    known = st.sampled_from(NAMES) | st.text(max_size=6)
    pairs = data.draw(st.lists(st.tuples(known, ODD), max_size=3))
    words = [data.draw(st.sampled_from([f"--{name}={value}", f"--{name}", value, f"-{name}"])) for name, value in pairs]
    task = data.draw(st.sampled_from([[f"--task={name}"] for name in OPTIONS] + [[], ["--task="], ["--task"]]))
    code = answer(main.main, [*task, *words, f"--run.dir={tmp_path}", "--log=none"])
    assert code in (codes.DONE, codes.BAD_INPUT)


@tries(40)
@given(data=st.data())
def test_sweep_files(data, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(damaged(data, data.draw(st.sampled_from(CORPUS)).read_bytes()))
    given_ = data.draw(st.lists(st.tuples(st.sampled_from(NAMES), ODD).map("=".join), max_size=1))
    code = answer(
        run.main, [str(path), "--list", "--dir", str(tmp_path / "r"), *(["--set", *given_] if given_ else [])]
    )
    assert code in (codes.DONE, codes.BAD_INPUT)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    options = resolve({"task": "tuple_ff", "run.dir": str(folder / "runs"), "run.sweep": "x"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        point = Point(1, {"seed": 0}, options, "", folder)
        done = finished(point)
    return Point(1, {"seed": 0}, options, done.signature, done.folder)


@tries(30)
@given(data=st.data())
def test_state_files(data, original, tmp_path):
    shutil.rmtree(tmp_path)
    shutil.copytree(original.folder, tmp_path)
    path = tmp_path / data.draw(st.sampled_from(sorted(p.name for p in tmp_path.iterdir() if p.is_file())))
    size = (tmp_path / "history.jsonl").stat().st_size
    path.write_bytes(damaged(data, path.read_bytes()))
    point = Point(1, original.values, original.options, original.signature, tmp_path)
    said = Screen(io.StringIO())
    for looking in (lambda: table([point]), lambda: remarks([point]), lambda: Run.query(tmp_path.parent, state=None)):
        looking()  # never stops, whatever is there
    found = verify([point], said)
    answer(lambda: History(tmp_path / "history.jsonl", size).file.close())
    if found:
        answer(repair, found, said)
        assert point.state in ("todo", "stopped")


@tries(30)
@given(data=st.data())
def test_data_files(data, tmp_path):
    path, rng = (
        tmp_path / data.draw(st.sampled_from(["x.npz", "x.pt", "x"])),
        random.Random(data.draw(st.integers(0, 9))),
    )
    kinds = [np.uint8, np.int64, np.float32, np.uint64, bool, "U3", complex]
    shapes = [(20, 3, 6, 6), (20, 6, 6, 3), (20,), (0, 3, 6, 6), (20, 1), (), (20, 6, 6)]
    arrays = {
        key: np.zeros(rng.choice(shapes), rng.choice(kinds))
        for key in ("x_train", "y_train", "x_test", "y_test") if rng.random() < 0.9
    }  # fmt: skip
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(damaged(data, buffer.getvalue()))
    answer(images_from_file, path)
    answer(Masks.load, path)
    answer(read_tensors, path)
