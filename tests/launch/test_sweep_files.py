"""Every sweep that ships expands, and every point of it builds."""

from pathlib import Path

import pytest
import yaml

from launch.sweep import Sweep
from tasks.options import resolve
from tests.launch.pretend import ROOT

FILES = sorted((ROOT / "sweeps").rglob("*.yaml"))
PAPER_RUNS = {
    "addmul_ff": 20, "addmul_ff_big": 10, "addmul_ff_huge": 10, "addmul_ff_penalty": 500, "addmul_rnn": 10,
    "tuple_ff": 10, "tuple_ff_copyweight": 10, "tuple_ff_first_full_mask": 10, "tuple_ff_small_halfmask": 10,
    "tuple_rnn": 20, "tuple_rnn_first_full_mask": 20, "cnn_elcn": 10, "cnn_efcn": 20, "cnn_elcn_multiplier": 9,
    "edge_popup_fc": 100, "edge_popup_conv": 240, "edge_popup_dense": 12, "edge_popup_init": 30,
    "edge_popup_wide": 48, "edge_popup_wide_dense": 24, "edge_popup_dense_adam": 36, "edge_popup_resnet": 60,
    "edge_popup_resnet_dense": 3, "edge_popup_bernoulli": 240, "edge_popup_bernoulli_resnet": 6,
    "edge_popup_imagenet": 30, "edge_popup_imagenet_scaled": 24, "edge_popup_imagenet_dense": 9,
    "edge_popup_imagenet_bernoulli": 3, "supsup_gg": 60, "supsup_gg_batch_ensemble": 5, "supsup_gg_heads": 10,
    "supsup_gg_upper": 5, "supsup_gg_imagenet": 12, "supsup_gnu": 30, "supsup_gnu_fc": 10, "supsup_gnu_2500": 5,
    "supsup_batch_ensemble": 10, "supsup_rotation": 10, "supsup_rotated": 10, "supsup_rotated_batch_ensemble": 5,
    "supsup_rotated_rotation": 5, "supsup_nns": 5, "hopsupsup": 10, "scan": 10,
    "trafo_scan": 10, "scan_baseline": 60, "cifar10": 10, "cifar10_no_dropout": 10, "cifar10_mask_stability": 10,
    "cifar10_resnet": 10, "dm_math_add_or_sub": 5, "dm_math_diff": 5, "dm_math_lin1d": 5, "dm_math_polycollect": 5,
    "dm_math_sort": 5, "transfer_sharing": 10, "transfer_sharing_prefer_old": 10,
    "transfer_sharing_prefer_old_even_more": 10,
}  # fmt: skip


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
    assert f" {len(points)} runs" in path.read_text().split("program:")[0]  # what its header says
    assert len(points) == PAPER_RUNS.get(sweep.name, len(points))


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
    assert PAPER_RUNS.keys() <= {name_of(path) for path in FILES}
    names = {name_of(path) for path in FILES}
    small = {name.removeprefix("small/") for name in names if name.startswith("small/")}
    assert small == {name for name in names if "/" not in name}
