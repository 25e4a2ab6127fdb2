"""The numbers in the tables are those of the runs, worked out by hand."""

import numpy as np
import pytest

from paper.modularity import (
    plot_confusion,
    plot_half_mask,
    plot_iou,
    plot_mask_histogram,
    plot_penalty_sensitivity,
    plot_performance,
    plot_sharing_vs_size,
    plot_weight_proportion,
)
from paper.modularity.arithmetic import weights
from paper.results import load


def approx(measure):
    return measure.n, pytest.approx(measure.mean), pytest.approx(measure.sd)


def test_performance(two):
    runs = two(
        "tuple_ff",
        {
            "final/pair1/test/accuracy/pair1": (1.0, 0.9),
            "final/pair1/test/accuracy/pair2": (0.0, 0.2),
            "inverse/pair1/none/test/accuracy/pair1": (0.1, 0.1),
            "inverse/pair1/ones/test/accuracy/pair1": (0.3, 0.5),
            "random/control/test/accuracy/pair2": (0.02, 0.04),
            "kept/pair1/total": (100.0, 300.0),
            "size/total": (1000.0, 1000.0),
        },
    )
    rows = {row["subnet"]: row for row in plot_performance.table(runs)}
    assert list(rows) == [
        "network",
        "control mask",
        "mask of pair 1",
        "inverted mask of pair 1",
        "mask of pair 2",
        "inverted mask of pair 2",
        "random mask",
    ]
    assert approx(rows["mask of pair 1"]["accuracy on pair 1"]) == (2, 0.95, 0.1 / 2**0.5)
    assert approx(rows["mask of pair 1"]["accuracy on pair 2"]) == (2, 0.1, 0.2 / 2**0.5)
    assert approx(rows["mask of pair 1"]["weights kept"]) == (2, 0.2, 0.2 / 2**0.5)
    assert approx(rows["inverted mask of pair 1"]["accuracy on pair 1"]) == (2, 0.1, 0.0)
    assert approx(rows["random mask"]["accuracy on pair 2"]) == (2, 0.03, 0.02 / 2**0.5)
    other = {row["subnet"]: row for row in plot_performance.table(runs, inverse_io="ones")}
    assert approx(other["inverted mask of pair 1"]["accuracy on pair 1"]) == (2, 0.4, 0.2 / 2**0.5)
    assert other["inverted mask of pair 1"]["input and output layers"] == "unmasked"


def test_performance_shows_the_inverse_test_that_was_measured(make_run, real, tmp_path):
    run = make_run(tmp_path, "s", inverse_io="control")
    run.write_summary({k: v for k, v in run.summary.items() if "/none/" not in k and "/ones/" not in k})
    rows = {row["subnet"]: row for row in plot_performance.table(load(tmp_path))}
    assert rows["inverted mask of pair 2"]["input and output layers"] == "control mask"
    assert rows["inverted mask of pair 2"]["accuracy on pair 1"].values == (
        real["tuple_ff"].summary["inverse/pair2/control/test/accuracy/pair1"],
    )


def test_iou(two):
    runs = two(
        "addmul_ff",
        {
            "iou/layers.1.weight": (0.2, 0.4),
            "iomin/layers.1.weight": (0.5, 0.5),
            "iou_random/layers.1.weight": (0.1, 0.3),
        },
    )
    rows = plot_iou.table(runs)
    assert [row["layer"] for row in rows] == ["1 input", "2", "3 output", "all"]
    assert rows[1]["masks"] == "+ and ×" and rows[1]["parameter"] == "layers.1.weight"
    assert approx(rows[1]["IoU"]) == (2, 0.3, 0.2 / 2**0.5)
    assert approx(rows[1]["IoMin"]) == (2, 0.5, 0.0)
    assert approx(rows[1]["IoU, random masks of the same sizes"]) == (2, 0.2, 0.2 / 2**0.5)


def test_weight_proportion(two, real):
    runs = two("addmul_ff", {"kept/add/layers.2.weight": (10.0, 14.0), "kept/mul/total": (50.0, 70.0)})
    rows = plot_weight_proportion.table(runs)
    assert [row["layer"] for row in rows] == ["1 input", "2", "3 output", "all"]
    assert approx(rows[2]["kept for +"]) == (2, 12.0, 8**0.5)
    assert approx(rows[3]["kept for ×"]) == (2, 60.0, 200**0.5)
    assert rows[2]["weights"] == real["addmul_ff"].summary["size/layers.2.weight"]


def test_layers_are_in_the_order_of_the_network(make_run, tmp_path):
    names = ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.weight_ih_l1"]
    names.append("output.weight")
    run = make_run(tmp_path, "s")
    run.write_summary({f"size/{name}": 1.0 for name in [*names, "output.bias", "total"]})
    assert weights(load(tmp_path)) == [
        ("lstm.weight_ih_l0", "LSTM 1 input"),
        ("lstm.weight_hh_l0", "LSTM 1 recurrent"),
        ("lstm.weight_ih_l1", "LSTM 2 input"),
        ("output.weight", "output"),
    ]


def test_sharing_against_size(two):
    small = {"sharing/add/total": (0.6, 0.8), "size/total": (900.0, 900.0)}
    two("addmul_ff", small, "small/a", layer_sizes="9,9")
    runs = two(
        "addmul_ff",
        {"sharing/add/total": (0.2, 0.4), "sharing_random/add/total": (0.1, 0.1), "size/total": (4000.0, 4000.0)},
        "small/b",
        layer_sizes="8,4,2",
    )
    rows = plot_sharing_vs_size.table(runs)
    assert [(row["network"], row["weights"]) for row in rows] == [
        ("feed-forward 9x2", 900),
        ("feed-forward 8,4,2", 4000),
    ]
    assert approx(rows[0]["shared of +"]) == (2, 0.7, 0.2 / 2**0.5)
    assert approx(rows[1]["shared of +"]) == (2, 0.3, 0.2 / 2**0.5)
    assert approx(rows[1]["shared of +, random masks of the same sizes"]) == (2, 0.1, 0.0)


def test_confusion(make_run, tmp_path):
    # + was asked for 100 times, × 200 times; 4 of the first answers are right for both
    network = {"counts": np.array([[50, 0], [4, 200], [50, 0]])}
    of_add = [np.array([[90, 20], [4, 60], [10, 120]]), np.array([[70, 40], [4, 40], [30, 120]])]
    accuracy = {"final/network/test/accuracy/add": 0.5, "final/network/test/accuracy/mul": 1.0}
    for seed in (0, 1):
        arrays = {"confusion_network": network, "confusion_add": {"counts": of_add[seed]}}
        make_run(tmp_path, "s", "addmul_ff", accuracy, arrays, seed=seed)
    rows = [row for row in plot_confusion.table(load(tmp_path)) if row["subnet"] == "mask of +"]
    assert [row["asked for"] for row in rows] == ["+", "×"]
    assert approx(rows[0]["answer is +"]) == (2, 0.8, 0.2 / 2**0.5)
    assert approx(rows[0]["answer is ×"]) == (2, 0.04, 0.0)
    assert approx(rows[1]["answer is ×"]) == (2, 0.25, 0.1 / 2**0.5)
    assert approx(rows[1]["answer is neither"]) == (2, 0.6, 0.0)


def test_confusion_of_a_network_that_is_never_right(make_run, tmp_path):
    network = {"counts": np.array([[0, 30], [10, 0], [40, 20]])}
    accuracy = {"final/network/test/accuracy/add": 0.0, "final/network/test/accuracy/mul": 0.0}
    make_run(tmp_path, "s", "addmul_ff", accuracy, {"confusion_network": network})
    rows = [row for row in plot_confusion.table(load(tmp_path)) if row["subnet"] == "network"]
    assert [row["answer is neither"].mean for row in rows] == [0.8, 0.4]


def test_confusion_of_a_task_without_operations_is_empty(make_run, tmp_path):
    make_run(tmp_path, "s", "tuple_ff")
    assert plot_confusion.table(load(tmp_path)) == []


def test_half_mask(two):
    runs = two(
        "addmul_ff",
        {
            "final/network/test/accuracy/total": (0.9, 1.0),
            "half/early/test/accuracy/total": (0.8, 0.7),
            "half/late/test/accuracy/total": (0.9, 1.0),
        },
        layer_sizes="8,8",
    )
    (row,) = plot_half_mask.table(runs)
    assert row["network"] == "+ or ×, feed-forward 8x2"
    assert approx(row["loss, early half masked"]) == (2, 0.2, 0.2 / 2**0.5)
    assert approx(row["loss, late half masked"]) == (2, 0.0, 0.0)


def test_mask_histogram(make_run, tmp_path):
    counts = np.zeros(500, int)
    counts[0], counts[9], counts[499] = 5, 1, 4
    histogram = {"edges": np.linspace(0, 1, 501), "counts": counts}
    make_run(tmp_path, "s", "tuple_ff", arrays={"histogram_control": histogram})
    rows = plot_mask_histogram.table(load(tmp_path))
    shares = [row["share of the weights"].mean for row in rows]
    assert len(rows) == 50 and (rows[0]["from"], rows[0]["to"]) == (0.0, 0.02)
    assert (shares[0], shares[-1]) == (pytest.approx(0.6), pytest.approx(0.4))
    assert sum(shares) == pytest.approx(1)


def test_penalty_sensitivity(make_run, tmp_path):
    for penalty, accuracies in ((1e-3, (0.5, 0.7)), (1e-4, (0.9, 1.0))):
        for seed, accuracy in enumerate(accuracies):
            numbers = {"final/control/test/accuracy/total": accuracy, "sharing/add/total": 0.3}
            make_run(tmp_path, "s", "addmul_ff", numbers, seed=seed, mask__penalty=penalty)
    first, second = plot_penalty_sensitivity.table(load(tmp_path))
    assert (first["penalty"], first["published"], second["published"]) == (1e-4, "yes", "")
    assert approx(first["accuracy"]) == (2, 0.95, 0.1 / 2**0.5)
    assert approx(second["accuracy"]) == (2, 0.6, 0.2 / 2**0.5)
    assert approx(second["shared of +"]) == (2, 0.3, 0.0)
