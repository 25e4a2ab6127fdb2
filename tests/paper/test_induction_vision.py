"""The figures of subtask induction on images: which transfers and which measurements their numbers come from."""

import json

import pytest

from paper.induction import plot_shape_bias, plot_vision_curves
from paper.results import load


def test_shape_bias(two):
    numbers = {
        "final/subnet/0/shape_bias": (0.5, 0.7), "final/subnet/0/shape_rate": (0.4, 0.4),
        "final/scratch/0/shape_bias": (None, 0.2), "final/subnet/0/pooled_accuracy": (0.9, 0.8),
    }  # fmt: skip
    rows = {row["begins with"]: row for row in plot_shape_bias.table(two("induction_vision", numbers))}
    assert list(rows) == ["subnet", "random, same size", "from scratch", "whole base, pooled images too"]
    subnet, scratch = rows["subnet"], rows["from scratch"]
    assert (subnet["shape bias"].n, subnet["shape bias"].mean) == (2, pytest.approx(0.6))
    assert subnet["by shape"].mean == pytest.approx(0.4) and subnet["mean-pooled images"].mean == pytest.approx(0.85)
    assert scratch["shape bias"].values == (0.2,), "a network without answers by either cue has no bias"


def test_several_numbers_of_images_and_a_trained_part_are_told_apart(two):
    numbers = {"final/random_trained/5/shape_bias": (0.3, 0.5), "final/scratch/5/shape_bias": (0.1, 0.1)}
    options = {"transfer__donor": "frozen,trained", "transfer__disambiguating": "0,5"}
    rows = {row["begins with"]: row for row in plot_shape_bias.table(two("induction_vision", numbers, **options))}
    assert rows["random, same size, trained, n = 5"]["shape bias"].mean == pytest.approx(0.4)
    assert rows["from scratch, n = 5"]["shape bias"].mean == pytest.approx(0.1) and "from scratch, n = 0" in rows


def test_curves_count_the_steps_of_the_transfer(make_run, tmp_path):
    for seed in (0, 1):
        run = make_run(tmp_path, "small/x", "induction_vision", seed=seed)
        rows = [json.loads(line) for line in run.path("history.jsonl").read_text().splitlines()]
        for row in rows:
            if row["stage"] == "random/0" and "random/0/accuracy" in row:
                row["random/0/accuracy"] = (row["step"] + seed) / 100
        run.path("history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [row for row in plot_vision_curves.table(load(tmp_path)) if row["condition"] == "random"]
    assert [row["steps"] for row in rows] == [2, 4], "base, mask and subnet took 1 + 3 + 4 steps before"
    assert [row["right on normal images [%]"].mean for row in rows] == pytest.approx([0.105, 0.125])


def test_runs_of_another_task_have_none_of_it(make_run, tmp_path):
    make_run(tmp_path, "small/tuple_ff")
    assert plot_shape_bias.table(load(tmp_path)) == plot_vision_curves.table(load(tmp_path)) == []
