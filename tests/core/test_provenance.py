"""What made a run is written beside it, once for each environment, and several commits are said."""

import json
import subprocess
from importlib.metadata import version

import pytest

from core import provenance
from core.provenance import code_version, commits, read_environment, record_environment


def record(folder, **changes):
    values = {"device": "a processor", "threads": 1, "command": ["main.py", "--task=tuple"]} | changes
    record_environment(folder, **values)


def test_an_entry_says_what_ran(tmp_path):
    record(tmp_path)
    (entry,) = read_environment(tmp_path)
    assert {name: entry[name] for name in ("torch", "numpy", "wandb")} == {
        name: version(name) for name in ("torch", "numpy", "wandb")
    }
    assert entry["device"] == "a processor" and entry["threads"] == 1
    assert entry["command"] == ["main.py", "--task=tuple"] and entry["python"].startswith("3.")


def test_the_same_environment_is_written_once_and_another_is_appended(tmp_path, monkeypatch):
    record(tmp_path)
    record(tmp_path, command=["main.py", "--task=tuple", "--log=none"])
    assert len(read_environment(tmp_path)) == 1, "a command line is no environment"
    record(tmp_path, threads=2)
    monkeypatch.setattr(provenance, "code_version", lambda: {"commit": "c" * 40, "dirty": True})
    record(tmp_path, threads=2)
    assert [entry["threads"] for entry in read_environment(tmp_path)] == [1, 2, 2]
    assert commits(tmp_path)[-1] == "ccccccc+"


@pytest.mark.parametrize("text", ["", "{", "[1, null]", '{"commit": 1}', "\0"])
def test_a_damaged_file_is_begun_anew(tmp_path, text):
    (tmp_path / "environment.json").write_text(text)
    assert commits(tmp_path) == ()
    record(tmp_path)
    assert len(read_environment(tmp_path)) == 1
    json.loads((tmp_path / "environment.json").read_text())


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_code_under_git_has_a_commit_and_knows_when_it_was_changed(tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    file = tmp_path / "core" / "provenance.py"
    file.write_text("")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(file))
    assert code_version() == {"commit": None, "dirty": None}
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "somebody else's")
    assert code_version() == {"commit": None, "dirty": None}, "it only lies in somebody's checkout"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "ours")
    first = code_version()
    assert len(first["commit"]) == 40 and first["dirty"] is False
    (tmp_path / "notes.txt").write_text("no code")
    assert code_version() == first
    (tmp_path / "mine.py").write_text("")
    assert code_version() == first | {"dirty": True}
