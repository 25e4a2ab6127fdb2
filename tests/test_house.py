"""The plan of the house: a file imports lower floors and its own folder only, and no file is too long to read."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "core": 0,
    "layers": 1,
    "masks": 2,
    "models": 2,
    "data": 2,
    "analysis": 3,
    "tasks": 4,
    "launch": 4,
    "paper": 5,
    "sieve": 6,
}
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
MOST_LINES = 300
# Same floor, other folder: a launcher checks a sweep against the tasks' options; they know nothing of it.
BESIDE = {("launch", "tasks")}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_lower_floors_and_its_own_folder(path):
    own = path.relative_to(ROOT).parts[0]
    for module in imports(path):
        other = module.split(".")[0]
        if other in FLOORS and other != own and (own, other) not in BESIDE:
            assert FLOORS[other] < FLOORS[own], f"{own} (floor {FLOORS[own]}) imports {module} (floor {FLOORS[other]})"


def test_the_tasks_of_a_system_import_none_of_another_system():
    """What several systems need lies at the top of tasks/."""
    systems = {path.name for path in (ROOT / "tasks").iterdir() if (path / "__init__.py").is_file()}
    for path in (path for path in FILES if path.parent.parent == ROOT / "tasks" or ROOT / "tasks" in path.parents[2:]):
        own = path.relative_to(ROOT).parts[1]
        others = {module.split(".")[1] for module in imports(path) if module.startswith("tasks.")} & systems
        assert others <= {own}, path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_what_it_is_for_and_stays_short(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert text.count("\n") <= MOST_LINES


def test_options_are_read_without_torch():
    import subprocess
    import sys

    code = (
        "import sys, main, launch.sweep; from tasks.options import resolve; resolve({'task': 'tuple_ff'}); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
