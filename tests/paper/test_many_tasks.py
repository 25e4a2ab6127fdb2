"""Figures of many tasks in one network, and of wider random networks: their tables say what the runs measured."""

import numpy as np
import pytest

from paper.edge_popup import plot_width
from paper.results import load
from paper.supsup import plot_rotated, plot_stream, plot_task_bytes, plot_task_inference


def test_inference_against_the_number_of_tasks(make_run, tmp_path):
    for seed, value in ((1, 0.8), (2, 0.9)):
        numbers = {f"gg/{n}": 0.95 for n in (1, 2)} | {f"gnu/{n}": value - n / 10 for n in (1, 2)}
        numbers |= {f"inferred/{n}": value for n in (1, 2)}
        make_run(tmp_path, "small/supsup_gnu", "supsup", numbers, seed=seed, outputs=50, infer__images=3)
        told = {"learner": "rotation", "train_weights_for": "none", "infer__strategy": "none"}
        make_run(tmp_path, "small/supsup_rotation", "supsup", {"gg/2": 0.5}, seed=seed, **told)
        make_run(tmp_path, "small/supsup_rotated", "supsup", numbers, seed=seed, tasks__kind="rotated")
    runs = load(tmp_path)
    rows = plot_task_inference.table(runs)
    assert [(row["learned by"], row["tasks"]) for row in rows] == [
        ("50 outputs, H, 3 images", 1),
        ("50 outputs, H, 3 images", 2),
        ("PSP, task given", 1),
        ("PSP, task given", 2),
    ]
    assert {row["network"] for row in rows} == {"16x2, 2 tasks, digits"}
    assert rows[1]["accuracy"].mean == pytest.approx(0.65) and rows[1]["task inferred"].mean == pytest.approx(0.85)
    assert rows[3]["accuracy"].mean == pytest.approx(0.5) and rows[3]["task inferred"].n == 0
    plot_task_inference.draw(rows)
    rotated = plot_rotated.table(runs)
    assert {row["learned by"] for row in rotated} == {"no superfluous outputs, H, 1 image"} and len(rotated) == 2
    plot_rotated.draw(rotated)


def test_accuracy_against_bytes(make_run, tmp_path):
    def add(sweep, own, network, **options):
        numbers = {"final/gg": 0.7, "final/after": 0.9, "final/bytes/own": own, "final/bytes/network": network}
        numbers |= {"final/bytes/statistics": 5.0}
        split = {"tasks__kind": "split", "infer__strategy": "none"}
        make_run(tmp_path, f"small/{sweep}", "supsup", numbers, seed=1, **split, **options)

    for scale in (4, 1):
        add("supsup_gg", 10.0 * scale, 0.0, mask__method="edge-popup", mask__er_scale=scale)
    add("supsup_gg_heads", 7.0, 100.0, learner="heads", train_weights_for=1)
    add("supsup_gg_upper", 7.0, 100.0, learner="heads", train_weights_for="none")
    rows = plot_task_bytes.table(load(tmp_path))
    found = {(row["learner"], row["budget"]): (row["bytes"].mean, row["accuracy"].mean) for row in rows}
    assert found == {
        ("SupSup", 1.0): (15.0, 0.7), ("SupSup", 4.0): (45.0, 0.7),
        ("heads, trunk of the first task", 0.0): (112.0, 0.7), ("upper bound", 0.0): (212.0, 0.9),
    }  # fmt: skip
    plot_task_bytes.draw(rows)


def test_the_stream(make_run, tmp_path):
    stretches = {"task": np.array([0, 0, 1]), "mask": np.array([0, 0, 1]), "familiarity": np.array([1.0, 1.5, 1.05])}
    for seed, masks in ((2, 4.0), (1, 2.0)):
        make_run(tmp_path, "small/supsup_nns", "supsup_nns", {"final/masks": masks, "final/gns": 0.8}, seed=seed,
                 arrays={"stretches": stretches})  # fmt: skip
    rows = plot_stream.table(load(tmp_path))
    assert rows[0]["masks"].mean == 3 and rows[0]["accuracy"].n == 2 and rows[0]["threshold"] == 1.125
    assert [(row["steps"], row["task"], row["mask"], row["familiarity"]) for row in rows[1:]] == [
        (0, 0, 0, 1.0),
        (2, 0, 0, 1.5),
        (4, 1, 1, 1.05),
    ]
    plot_stream.draw(rows)


def test_width(make_run, tmp_path):
    for width in (0.5, 1.0):
        of = {"seed": 1, "width": width, "model": "conv2"}
        found, dense = {"final/test/accuracy": width / 2}, {"final/test/accuracy": 0.9}
        make_run(tmp_path, "small/edge_popup_wide", "edge_popup", found, **of, init="kaiming_normal")
        make_run(tmp_path, "small/edge_popup_wide_dense", "edge_popup", dense, **of, trained="weights")
    rows = plot_width.table(load(tmp_path))
    assert [(row["weights"], row["width"], row["accuracy"].mean) for row in rows] == [
        ("kaiming normal", 0.5, 0.25), ("kaiming normal", 1.0, 0.5),
        ("trained weights, no mask", 0.5, 0.9), ("trained weights, no mask", 1.0, 0.9),
    ]  # fmt: skip
    assert {row["network"] for row in rows} == {"Conv-2, digits"}
    plot_width.draw(rows)
