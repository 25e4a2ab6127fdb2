"""Every sweep that ships expands, and every point of it builds; what the points are is in tests/published."""

import re
from pathlib import Path

import pytest
import yaml

from core.errors import SweepError
from launch.as_agents_do import agent_lines
from launch.metric import check_metrics
from launch.sweep import Sweep
from tasks.options import resolve
from tests.launch.pretend import ROOT

FILES = sorted((ROOT / "sweeps").rglob("*.yaml"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "sweeps").with_suffix(""))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_expands_and_is_named_after_its_file(path):
    sweep = Sweep.read(path)
    assert sweep.name == name_of(path)
    assert sweep.program_in(ROOT) == ROOT / "main.py"
    points = sweep.points(resolve, "runs")
    assert {point.folder.parent for point in points} == {Path("runs") / sweep.name}
    assert points[0].varying[-1] == "seed"
    agent_lines(sweep, points, resolve)
    check_metrics(sweep, points)
    assert f" {len(points)} runs" in path.read_text().split("program:")[0]  # what its header says


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_wandb_starts_the_same_run(path):
    found = yaml.safe_load(path.read_text())
    assert found["command"] == [
        "${env}", "${interpreter}", "${program}", f"--run.sweep={name_of(path)}", "${args}"
    ]  # fmt: skip
    assert set(found["metric"]) == {"name", "goal"}
    for parameter in found["parameters"].values():
        values = parameter.get("values", [parameter.get("value")])
        assert all(isinstance(value, (bool, int, float, str)) for value in values)  # survive --name=value


def test_each_has_a_small_twin():
    names = {name_of(path) for path in FILES}
    small = {name.removeprefix("small/") for name in names if name.startswith("small/")}
    assert small == {name for name in names if "/" not in name}


@pytest.mark.parametrize(("name", "nearest"), [
    ("final/control/valid/acuracy/total", "'final/control/valid/accuracy/total'"), ("loss", "nothing"),
])  # fmt: skip
def test_a_metric_that_the_task_never_logs_is_named(name, nearest, tmp_path):
    text = (ROOT / "sweeps/small/tuple_ff.yaml").read_text()
    (tmp_path / "tuple_ff.yaml").write_text(re.sub(r"metric: .*", f"metric: {{name: {name}, goal: maximize}}", text))
    sweep = Sweep.read(tmp_path / "tuple_ff.yaml")
    with pytest.raises(SweepError, match=rf":\d+: metric: name: tuple_ff never logs '{name}'.*modularity.md") as caught:
        check_metrics(sweep, sweep.points(resolve, "runs"))
    assert nearest == "nothing" or f"did you mean {nearest}" in str(caught.value)
