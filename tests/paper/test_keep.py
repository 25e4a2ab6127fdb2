"""The figure of subnetworks of random networks: its lines are the runs' ways to draw weights."""

import pytest

from paper.edge_popup import plot_keep
from paper.results import load


def test_keep(make_run, tmp_path):
    for seed, accuracy in ((1, 0.5), (2, 0.7)):
        for keep in (0.1, 0.9):
            numbers = {"final/test/accuracy": accuracy + keep / 10, "random/test/accuracy": 0.1}
            make_run(tmp_path, "small/edge_popup_fc", "edge_popup", numbers, seed=seed, mask__keep=keep, scale="keep")
        make_run(tmp_path, "small/edge_popup_dense", "edge_popup", {"final/test/accuracy": 0.9 + seed / 100},
                 seed=seed, trained="weights")  # fmt: skip
        make_run(tmp_path, "small/edge_popup_dense_adam_fc", "edge_popup", {"final/test/accuracy": 0.8}, seed=seed,
                 trained="weights", train__optimizer="adam")  # fmt: skip
        make_run(tmp_path, "small/edge_popup_conv", "edge_popup", seed=seed, model="conv2", width=0.25,
                 init="kaiming_normal")  # fmt: skip
    rows = plot_keep.table(load(tmp_path))
    assert [(row["network"], row["weights"], row["keep"]) for row in rows] == [
        ("fully connected 16x2, digits", "signed constant, scaled", 0.1),
        ("fully connected 16x2, digits", "signed constant, scaled", 0.9),
        ("Conv-2, 0.25 of the width, digits", "kaiming normal", 0.5),
    ]
    last = rows[1]
    assert (last["accuracy"].n, last["accuracy"].mean) == (2, pytest.approx(0.69))
    assert last["trained weights, no mask"].mean == pytest.approx(0.915)
    assert last["trained weights (Adam), no mask"].values == (0.8, 0.8)
    assert rows[2]["trained weights, no mask"].n == 0 and last["random masks"].mean == pytest.approx(0.1)
    plot_keep.draw(rows)


def test_runs_of_another_task_have_none_of_it(make_run, tmp_path):
    make_run(tmp_path, "small/tuple_ff")
    assert plot_keep.table(load(tmp_path)) == []
