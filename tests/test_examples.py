"""The examples run, print what they promise, and stay short; so does the page on networks of one's own."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGE = ROOT / "docs" / "any-network.md"
NEEDS = {"gpt2": "transformers"}  # of requirements-optional.txt


def check_edge_popup(out):
    whole, subnet = map(float, re.search(r"weights: (0\.\d+); half of them: (0\.\d+)", out).groups())
    assert whole < 0.3 < 0.8 < subnet


def check_many_tasks(out):
    found, accuracy = re.search(r"tasks found: (\[.*\]); accuracy: (0\.\d+); \d+ bytes", out).groups()
    assert found == str(list(range(10))) and float(accuracy) > 0.7


def check_resnet(out):
    kept = [tuple(map(int, pair)) for pair in re.findall(r": (\d+) of (\d+) channels kept", out)]
    assert len(kept) == 16 and all(0 <= some <= every for some, every in kept) and any(a < b for a, b in kept)
    assert "16 tensors with" in out and "baked and masked agree: True" in out


def check_gpt2(out):
    density = float(re.search(r"(0\.\d+) of the weights", out)[1])
    assert 0 < density < 0.5 and "\nmask [[3, 4, 5, 6, 7, 8, 9, 10, 11]]" in out
    assert "its inverse [[3, 4, 5, 6, 7, 8, 9, 10, 11]]" not in out


def check_own_experiment(folder):
    (path,) = folder.glob("runs/single/*/summary.json")
    found = json.loads(path.read_text())
    for own, other in (("small", "large"), ("large", "small")):
        through, without = (found[f"{way}/test/accuracy/{own}"] for way in (f"final/{own}", f"inverse/{own}/none"))
        assert through > 0.8 and without < 0.2 and found[f"final/{own}/test/accuracy/{other}"] < 0.2
    assert {"iou/total", "sharing/small/total"} <= found.keys()


def check_pandas_runs(out):
    for width in (10, 60):
        network, through, without = map(float, re.search(rf"\n{width} +(.+)", out)[1].split())
        assert network > 0.3 and through > 0.5 and without < through - 0.3


def run(code, folder):
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "OMP_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, *code], cwd=folder, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    return "\n" + found.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_from_anywhere_and_is_short(path, tmp_path):
    text = path.read_text()
    assert text.count("\n") < 40 and f"python examples/{path.name}" in text.splitlines()[0]
    needed = NEEDS.get(path.stem)
    if needed and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    out = run([str(path)], tmp_path)
    globals()[f"check_{path.stem}"](tmp_path if path.stem == "own_experiment" else out)


def test_the_readme_links_the_examples():
    text = (ROOT / "README.md").read_text()
    assert all(f"(examples/{path.name})" in text for path in EXAMPLES) and "(docs/any-network.md)" in text


def test_the_blocks_of_the_page_are_a_program(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    assert len(blocks) == PAGE.read_text().count("\n```\n")
    program = tmp_path / "page.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + "\n".join(blocks))
    out = run([str(program)], tmp_path)
    for subnet in ("small", "large"):
        pattern = rf"{subnet} (\S+) of .* kept; its half (\S+), the other half (\S+); without it: its half (\S+)"
        density, own, other, without = map(float, re.search(pattern, out).groups())
        assert density < 0.9 and own > 0.8 and other < own - 0.2 and without < own - 0.2
    shared, chance = map(float, re.search(r"shared: (\S+); by chance: (\S+)", out).groups())
    assert 0 < shared < 1 and 0 < chance < 1
    assert (tmp_path / "small.pt").is_file() and (tmp_path / "small.safetensors").is_file()
