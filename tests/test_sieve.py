"""`import sieve` from any folder, next to modules of the program's own that have the names of Sieve's folders."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import sieve.core.registry

import sieve
from core.registry import Registry
from masks.model import MaskedModel
from sieve._folders import FOLDERS

ROOT = Path(__file__).parent.parent
PROGRAM = """
import sys
import sieve
assert "torch" not in sys.modules
import core, data.mine, models
import masks
from sieve import Gumbel, Hard, MaskedModel, Masks, Run, Sample, SieveError
import torch

network = torch.nn.Linear(3, 2)
masked = MaskedModel(network, Gumbel())
masked.add_scores("a", 2.0, seed=0)
assert masked(torch.ones(4, 3), Sample("a", k=2, seed=1)).shape == (4, 2)
masked.finalize("a").save("a.npz")
assert list(Masks.load("a.npz")) == ["weight"] and masked(torch.ones(1, 3), Hard("a")).shape == (1, 2)
try:
    MaskedModel(network, Gumbel(), "wieght")
except SieveError as error:
    assert type(error).__module__ == "sieve.core.errors"
try:
    Run.load("nowhere")
except SieveError as error:
    assert "nowhere" in str(error)
from sieve.tasks.options import resolve
assert resolve({"task": "tuple_ff"}).task == "tuple_ff"  # through the tables
assert core.mine == data.mine.mine == models.mine == masks.mine == 1
assert [name for name in sys.modules if name.partition(".")[0] in ("layers", "tasks", "analysis")] == []
print("done")
"""


def test_a_program_keeps_its_own_modules(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sieve").symlink_to(ROOT / "sieve")  # all that an installation shows of a clone
    place = tmp_path / "empty"
    for name in ("core.py", "data/mine.py", "models/__init__.py", "masks.py"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("mine = 1")
    (place / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, "program.py"], cwd=place, env=environment, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "done\n"), found.stderr


def test_beside_main_the_modules_are_not_loaded_twice():
    assert sieve.MaskedModel is MaskedModel and sieve.core.registry.Registry is Registry
    with pytest.raises(AttributeError, match="sieve has no 'Mask'; it has Bernoulli, "):
        sieve.Mask  # noqa: B018


def test_every_public_name_is_there():
    source = ast.parse((ROOT / "sieve" / "__init__.py").read_text())
    typed = {alias.name for node in ast.walk(source) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed - {"annotations", "TYPE_CHECKING", "Any", "_folders"} == set(sieve.__all__)
    assert all(getattr(sieve, name).__name__ == name for name in sieve.__all__)


def test_every_folder_is_in_the_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    there = {
        ".".join(path.parent.relative_to(ROOT).parts) for name in FOLDERS for path in (ROOT / name).rglob("__init__.py")
    }
    assert {name.removeprefix("sieve.") for name in listed["packages"]} == there | {"sieve"}
    assert listed["package-dir"] == {f"sieve.{name}": name for name in FOLDERS}
