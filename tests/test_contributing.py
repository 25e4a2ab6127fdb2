"""CONTRIBUTING.md, followed literally in a copy of the repository: what it adds passes the tests of its kind."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^(?:`(\w+)` of )?`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", flags=re.M | re.S)
PARTS = (
    "core", "layers", "masks", "models", "data", "analysis", "tasks", "launch", "paper", "sweeps", "tests", "docs",
    "examples",
)  # fmt: skip
SHARED = {  # the tests that are shared by everything of a kind, as far as they concern what is new
    "tests/masks/test_contract.py": "foo or has_a_row",
    "tests/masks/test_units.py": "foo",
    "tests/core/test_options.py": "survive and foo",
    "tests/core/test_every_option.py": "foo or every_number",
    "tests/tasks/test_check.py": "foo",
    "tests/tasks/test_contract.py": "foo or every_task",
    "tests/test_docs.py": "foo.md",
    "tests/test_house.py": "foo",
    "tests/models/test_models.py": "foo",
    "tests/layers/functional/test_batching.py": "foo",
    "tests/paper/test_seeds.py": "foo",
    "tests/paper/test_run_all.py": "says_what_it_is or figure_reads",
}


def put(root, table, path, text):
    """Write a block of the page to its place: a new file, or rows at the beginning of a table."""
    file = root / path
    if not table:
        assert not file.exists(), f"{path} is not new"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return
    lines, new = file.read_text().splitlines(keepends=True), text.splitlines(keepends=True)
    imports = [line for line in new if line.startswith("from ")]
    rows = [line for line in new if line.strip() and line not in imports]
    start = next(i for i, line in enumerate(lines) if re.match(rf"{table}(: .*)? = ", line))
    opened = next(i for i in range(start, len(lines)) if lines[i].rstrip().endswith(("{", "[")))
    lines[opened + 1 : opened + 1] = rows
    first = next(i for i, line in enumerate(lines) if line.startswith("from "))
    lines[first:first] = imports
    file.write_text("".join(lines))
    ast.parse(file.read_text())


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("copy")
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "out", "config.json"))
    for path in ROOT.glob("*.*"):
        if path.suffix in (".py", ".md", ".toml"):
            shutil.copy(path, root)
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())
    assert len(blocks) == (ROOT / "CONTRIBUTING.md").read_text().count("```") / 2, "a block without a place"
    for table, path, text in blocks:
        put(root, table, path, text)
    return root


def test_everything_that_the_page_adds_passes_the_tests_of_its_kind(copy):
    names = " or ".join(f"({Path(file).name} and ({which}))" for file, which in SHARED.items())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-k", names, *SHARED],
        cwd=copy, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    for file in SHARED:
        assert f"PASSED {file}::" in done.stdout, f"nothing of {file} ran"
