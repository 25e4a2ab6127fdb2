"""Copies of the code: one for every content, named in what a run writes, and nothing that is no code."""

import json
import os
import subprocess
import sys

from core.provenance import SNAPSHOT
from launch.snapshot import snapshot
from tests.launch.pretend import ROOT


def tree(root):
    for name in ("main.py", "core/a.py", "sweeps/s.yaml", "runs/x/main.py", ".venv/b.py", "notes.md", "cache/c.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_a_copy_for_every_content(tmp_path):
    root = tree(tmp_path / "code")
    first = snapshot(root, tmp_path / "runs")
    assert snapshot(root, tmp_path / "runs") == first
    assert {str(path.relative_to(first)) for path in first.rglob("*") if path.is_file()} == {
        "main.py", "core/a.py", "sweeps/s.yaml", "snapshot.json", "snapshot.diff"
    }  # fmt: skip
    (root / "notes.md").write_text("no code")
    assert snapshot(root, tmp_path / "runs") == first
    (root / "core" / "a.py").write_text("edited")
    second = snapshot(root, tmp_path / "runs")
    assert second != first and (first / "core" / "a.py").read_text() == "core/a.py"
    assert sorted(path.name for path in (tmp_path / "runs" / ".code").iterdir()) == sorted([first.name, second.name])
    (root / "core" / "a.py").rename(root / "core" / "b.py")
    assert snapshot(root, tmp_path / "runs") not in (first, second)


def test_the_copy_says_what_it_is_of(tmp_path):
    copy = snapshot(ROOT, tmp_path)
    assert json.loads((copy / SNAPSHOT).read_text())["snapshot"] == copy.name
    code = "import core, json; from core.provenance import code_version as v; print(json.dumps([core.__file__, v()]))"
    command = [sys.executable, "-P", "-c", code]
    said = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, check=True).stdout
    file, version = json.loads(said)
    assert file == str(copy / "core" / "__init__.py") and version["snapshot"] == copy.name
    assert {"commit", "dirty"} <= version.keys()
