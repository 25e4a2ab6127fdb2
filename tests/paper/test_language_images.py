"""The tables of the tasks on language, mathematics and images, worked out by hand; what lacks is left out."""

import numpy as np
import pytest
import torch

from masks.algebra import Masks
from paper.modularity import (
    plot_class_confusion,
    plot_class_drop,
    plot_gradient_similarity,
    plot_half_mask,
    plot_hard_questions,
    plot_mask_stability,
    plot_removed_words,
    plot_scan_accuracies,
    plot_scan_baseline,
    plot_transfer_sharing,
)
from paper.modularity.language_images import CIFAR10, class_names
from paper.modularity.networks import networks
from paper.results import load
from paper.run_all import discover

PLOTS = (
    plot_scan_accuracies, plot_removed_words, plot_scan_baseline, plot_hard_questions, plot_class_confusion,
    plot_class_drop, plot_mask_stability, plot_transfer_sharing, plot_gradient_similarity,
)  # fmt: skip
MINE = [plot for plot in discover() if plot.table in [module.table for module in PLOTS]]
TASKS = (
    "scan", "deepmind_math", "cifar10_class_removal", "cifar10_mask_stability", "cifar10_grad_cos_distance",
    "permuted_mnist", "tuple_ff",
)  # fmt: skip
CHANCE = "random masks of the same sizes"
REMOVAL, RESNET = "cifar10_class_removal", "cifar10_resnet_hp_class_removal"


def approx(measure):
    return measure.n, pytest.approx(measure.mean), pytest.approx(measure.sd)


def test_networks_are_told_apart_by_options_only_where_they_must_be(make_run, tmp_path):
    make_run(tmp_path, "a", "scan", state_size=8)
    make_run(tmp_path, "a", "scan", state_size=16)
    make_run(tmp_path, "a", "trafo_scan", state_size=10)
    make_run(tmp_path, "a", "deepmind_math", dm_math__modules="algebra__linear_1d,comparison__sort")
    make_run(tmp_path, "a", REMOVAL, dropout=False)
    make_run(tmp_path, "a", RESNET, data__name="cifar10")
    assert {name for name, _ in networks(load(tmp_path))} == {
        "SCAN, LSTM, state_size 8",
        "SCAN, LSTM, state_size 16",
        "SCAN, Transformer",
        "linear 1d and sort",
        "digits, CNN without dropout",
        "CIFAR-10, ResNet-110",
    }


def test_scan_accuracies(two):
    two(
        "scan",
        {
            "final/network/jump/accuracy/total": (1.0, 0.8),
            "final/control/jump/accuracy/total": (0.9, 0.7),
            "final/jump/jump/accuracy/total": (0.2, 0.4),
            "random/jump/jump/accuracy/total": (0.0, 0.1),
        },
    )
    two("scan", {"final/network/jump/accuracy/total": (0.0, 0.0)}, train_baseline=True, scan__analyze_splits="jump")
    runs = two("trafo_scan", {"final/length/length/accuracy/total": (0.5, 0.5)})
    rows = plot_scan_accuracies.table(runs)
    assert [(row["network"], row["split"]) for row in rows] == [
        (f"SCAN, {network}", split) for network in ("LSTM", "Transformer") for split in ("turn left", "jump", "length")
    ]
    assert approx(rows[1]["trained network"]) == (2, 0.9, 0.2 / 2**0.5)
    assert approx(rows[1]["control mask"]) == (2, 0.8, 0.2 / 2**0.5)
    assert approx(rows[1]["mask of the split"]) == (2, 0.3, 0.2 / 2**0.5)
    assert approx(rows[1][f"mask of the split, {CHANCE}"]) == (2, 0.05, 0.1 / 2**0.5)
    assert approx(rows[5]["mask of the split"]) == (2, 0.5, 0.0)


def test_removed_words(make_run, tmp_path, caplog):
    control = torch.ones(7, 8, dtype=torch.bool)
    control[3, 2:], control[4] = False, False  # two weights lead to I_WALK, none to I_RUN
    for seed in (0, 1):
        run = make_run(tmp_path, "s", "scan", seed=seed)
        jump = control.clone()
        jump[2, : 4 + 2 * seed], jump[3, 0], jump[6, 0] = False, False, False
        Masks({"output.weight": control}).save(run.path("masks", "control.npz"))
        Masks({"output.weight": jump}).save(run.path("masks", "jump.npz"))
        run.path("masks", "length.npz").unlink()
    run.path("masks", "turn_left.npz").write_bytes(b"PK\x03\x04 cut off")
    rows = {row["word"]: row for row in plot_removed_words.table(load(tmp_path))}
    words = ["I_TURN_LEFT", "I_TURN_RIGHT", "I_JUMP", "I_WALK", "I_LOOK", "END", "all"]
    assert [word for word, row in rows.items() if row["lacking in the mask of jump"].n] == words
    column = "lacking in the mask of jump"
    assert approx(rows["I_JUMP"][column]) == (2, 0.625, 0.25 / 2**0.5)
    assert approx(rows["I_WALK"][column]) == (2, 0.5, 0.0)
    assert approx(rows["END"][column]) == (2, 0.125, 0.0)
    assert approx(rows["all"][column]) == (2, 7 / 42, 2 / 42 / 2**0.5)
    assert not any(row["lacking in the mask of length"].n for row in rows.values())
    assert rows["all"]["lacking in the mask of turn left"].n == 1 and "turn_left.npz" in caplog.text
    assert len(plot_removed_words.draw(list(rows.values())).axes) == 1


def test_output_weights_of_the_transformer(make_run, tmp_path):
    make_run(tmp_path, "s", "trafo_scan")
    assert plot_removed_words.table(load(tmp_path))[-1]["word"] == "all"


def test_scan_baseline(two):
    two("scan", {"final/jump/jump/accuracy/total": (0.2, 0.4)}, mask__penalty=1e-3)
    for split, numbers in {"jump": (0.1, 0.3), "length": (0.6, 0.8)}.items():
        key = f"final/network/{split}/accuracy/total"
        runs = two("scan", {key: numbers}, "small/scan_baseline", train_baseline=True, scan__analyze_splits=split)
    left, jump, length = plot_scan_baseline.table(runs)
    assert (jump["network"], jump["split"]) == ("SCAN, LSTM", "jump")
    assert approx(jump["network trained on the split"]) == (2, 0.2, 0.2 / 2**0.5)
    assert approx(jump["mask of the split"]) == (2, 0.3, 0.2 / 2**0.5)
    assert approx(length["network trained on the split"]) == (2, 0.7, 0.2 / 2**0.5)
    assert left["network trained on the split"].n == 0 and left["mask of the split"].n == 2


def test_masks_of_other_penalties_are_not_averaged(two):
    for penalty in (1e-3, 1e-4):
        two("scan", {"final/jump/jump/accuracy/total": (penalty, penalty)}, mask__penalty=penalty)
    numbers = {"final/network/jump/accuracy/total": (0.5, 0.7)}
    runs = two("scan", numbers, "small/scan_baseline", train_baseline=True, scan__analyze_splits="jump")
    rows = [row for row in plot_scan_baseline.table(runs) if row["split"] == "jump"]
    assert {row["network"]: row["mask of the split"].mean for row in rows} == {
        "SCAN, LSTM, mask.penalty 0.001": 1e-3,
        "SCAN, LSTM, mask.penalty 0.0001": 1e-4,
    }
    assert all(approx(row["network trained on the split"]) == (2, 0.6, 0.2 / 2**0.5) for row in rows)
    (alone,) = plot_scan_baseline.table([run for run in runs if run.options["train_baseline"]])
    assert alone["network trained on the split"].n == 2 and alone["mask of the split"].n == 0


def test_hard_questions(two):
    runs = two(
        "deepmind_math",
        {
            "final/network/hard/accuracy/total": (0.9, 0.7),
            "final/easy/hard/accuracy/total": (0.2, 0.4),
            "random/easy/hard/accuracy/total": (0.1, 0.1),
        },
        dm_math__modules="algebra__linear_1d",
    )
    (row,) = plot_hard_questions.table(runs)
    assert (row["module"], row["mask learned from"], row["questions"]) == ("linear 1d", "easy", "archive")
    assert approx(row["trained network"]) == (2, 0.8, 0.2 / 2**0.5)
    assert approx(row["mask of the easy ones"]) == (2, 0.3, 0.2 / 2**0.5)
    assert approx(row[f"mask of the easy ones, {CHANCE}"]) == (2, 0.1, 0.0)


def test_hard_questions_of_several_modules(two):
    runs = two(
        "deepmind_math",
        {
            "final/easy_medium/hard/accuracy/comparison__sort": (0.2, 0.4),
            "final/easy_medium/hard/accuracy/algebra__linear_1d": (0.6, 0.6),
        },
        dm_math__modules="algebra__linear_1d,comparison__sort",
        dm_math__mask_splits="easy,medium",
        dm_math__generate=99,
    )
    rows = plot_hard_questions.table(runs)
    assert [row["module"] for row in rows] == [f"{m} (of linear 1d and sort)" for m in ("linear 1d", "sort")]
    assert (rows[1]["mask learned from"], rows[1]["questions"]) == ("easy and medium", "generated")
    assert approx(rows[1]["mask of the easy ones"]) == (2, 0.3, 0.2 / 2**0.5)
    assert "sort (of linear" in plot_hard_questions.draw(rows).axes[0].get_xticklabels()[1].get_text()


def test_class_confusion(make_run, tmp_path):
    control = np.full((10, 10), 2)
    for seed in (0, 1):
        without = control.copy()
        without[0] = [0, 2 + seed, 4 - seed, 2, 2, 2, 2, 2, 2, 2]
        without[3] = 0  # a class without test images
        arrays = {"confusion_control": {"counts": control}, "confusion_without_0": {"counts": without}}
        arrays["confusion_without_1"] = {"counts": control[:2]}
        make_run(tmp_path, "s", REMOVAL, arrays=arrays, seed=seed)
    rows = plot_class_confusion.table(load(tmp_path))
    assert [(row["removed"], row["class"]) for row in rows] == [("0", str(i)) for i in range(10) if i != 3]
    assert approx(rows[0]["answer 0"]) == (2, -0.1, 0.0)
    assert approx(rows[0]["answer 1"]) == (2, 0.025, 0.05 / 2**0.5)
    assert approx(rows[0]["answer 2"]) == (2, 0.075, 0.05 / 2**0.5)
    assert approx(rows[1]["answer 1"]) == (2, 0.0, 0.0)
    image = plot_class_confusion.draw(rows).axes[0].images[0].get_array()
    assert image[0, 0] == pytest.approx(-10) and np.ma.getmaskarray(image)[3].all()


def test_class_drop(two):
    of_control, without = "final/control/test/accuracy", "final/without_0/test/accuracy"
    others = {f"{of}/{i}": (0.8, 0.8) for of in (of_control, without) for i in range(2, 10)}
    runs = two(
        REMOVAL,
        others
        | {
            f"{of_control}/0": (0.8, 0.5),
            f"{without}/0": (0.2, 0.1),
            f"{of_control}/1": (0.9, 0.9),
            f"{without}/1": (0.84, 0.9),
            f"{without}/2": (0.77, 0.82),
            **{f"final/without_1/test/accuracy/{i}": (0.0, 1.0) for i in range(10)},
        },
    )
    first, second = plot_class_drop.table(runs)
    assert (first["network"], first["class"], first["number"]) == ("digits, CNN", "0", 0)
    assert approx(first["accuracy, control mask"]) == (2, 0.65, 0.3 / 2**0.5)
    assert approx(first["loss of the class"]) == (2, 0.5, 0.2 / 2**0.5)
    assert approx(first["largest other loss"]) == (2, 0.03, 0.06 / 2**0.5)
    assert approx(first["loss relative to the control"]) == (2, 0.775, 0.05 / 2**0.5)
    relative, ratio = plot_class_drop.OTHER, plot_class_drop.RATIO
    assert approx(first[relative]) == (2, 0.06 / 0.9 / 2, 0.06 / 0.9 / 2**0.5)
    assert approx(first[ratio]) == (2, 0.06 / 0.9 / 0.75 / 2, 0.06 / 0.9 / 0.75 / 2**0.5)
    assert second["loss of the class"].n == 2 and second[ratio].n == 1


def test_losses_are_compared_relative_to_the_control_and_gains_count_as_none(two):
    """The published figure's formula: .9 to .1 beside .5 to .45 is a loss of 8/9 beside one of 1/10, 11.25 % of it."""
    of_control, without = "final/control/test/accuracy", "final/without_0/test/accuracy"
    gains = {f"{of}/{i}": (value, value) for of, value in ((of_control, 0.4), (without, 0.6)) for i in range(2, 9)}
    runs = two(
        REMOVAL,
        gains
        | {
            f"{of_control}/0": (0.9, 0.9),
            f"{without}/0": (0.1, 0.1),
            f"{of_control}/1": (0.5, 0.5),
            f"{without}/1": (0.45, 0.7),
            f"{of_control}/9": (0.0, 0.0),
            f"{without}/9": (0.0, 0.1),
        },
    )
    row = plot_class_drop.table(runs)[0]
    assert sorted(row[plot_class_drop.RATIO].values) == pytest.approx([0.0, 0.1125])
    assert sorted(row[plot_class_drop.OTHER].values) == pytest.approx([0.0, 0.1])
    assert sorted(row["largest other loss"].values) == pytest.approx([-0.1, 0.05]), "class 9 gains .1, class 1 .2"


def test_classes_of_networks_beside_each_other(two):
    two(RESNET, {}, "small/b")
    runs = two(REMOVAL, {}, "small/a", data__name="cifar10")
    rows = plot_class_drop.table(runs)
    assert {(row["network"], row["class"]) for row in rows} == {
        (network, names[i])
        for network, names in (("CIFAR-10, CNN", CIFAR10), ("digits, ResNet-110", "01"))
        for i in (0, 1)
    }
    labels = plot_class_drop.draw(rows).axes[1].get_xticklabels()
    assert [label.get_text() for label in labels] == ["0", "1"], "their numbers where the names differ"
    assert class_names([run for run in runs if run.task == REMOVAL]) == CIFAR10


def test_mask_stability(make_run, tmp_path, real):
    for seed in (0, 1):
        run = make_run(tmp_path, "s", "cifar10_mask_stability", seed=seed, data__name="cifar10")
        numbers = {k: v for k, v in run.summary.items() if not k.startswith("stability/")}
        for key, values in {"3_5": (0.5, 0.7), f"1_{2 + seed}": (0.4, 0.4)}.items():
            numbers |= {f"stability/pair_{key}/iou/total": values[seed], f"stability/pair_{key}/iou_random/total": 0.2}
        numbers |= {"stability/mean/iou/total": 0.45 + seed / 10, "stability/mean/iou_published/total": 0.6}
        run.write_summary(numbers)
    rows = plot_mask_stability.table(load(tmp_path))
    assert [row["masks of"] for row in rows] == ["automobile and bird", "automobile and cat", "cat and dog", "mean"]
    assert rows[0]["IoU"].n == 1
    assert approx(rows[2]["IoU"]) == (2, 0.6, 0.2 / 2**0.5)
    assert approx(rows[2][f"IoU, {CHANCE}"]) == (2, 0.2, 0.0)
    assert approx(rows[3]["IoU"]) == (2, 0.5, 0.1 / 2**0.5)
    assert approx(rows[3]["IoU with the last layer"]) == (2, 0.6, 0.0)


def test_transfer_sharing(two):
    runs = two(
        "permuted_mnist",
        {
            "sharing/perm_1/layers.1.weight": (0.2, 0.4),
            "sharing_random/perm_1/layers.1.weight": (0.1, 0.1),
            "final/perm_2/test/accuracy/total": (0.7, 0.9),
            "random/perm_2/test/accuracy/total": (0.1, 0.1),
        },
    )
    rows = plot_transfer_sharing.table(runs)
    assert [row["permutation"] for row in rows] == ["T1", "T2", "T3"]
    assert "layer 1 input" not in rows[0] and rows[0]["layer 2"].n == 0 and rows[0]["accuracy"].n == 2
    assert approx(rows[1]["layer 2"]) == (2, 0.3, 0.2 / 2**0.5)
    assert approx(rows[1][f"layer 2, {CHANCE}"]) == (2, 0.1, 0.0)
    assert approx(rows[2]["accuracy"]) == (2, 0.8, 0.2 / 2**0.5)
    assert approx(rows[2]["accuracy, random mask of the same size"]) == (2, 0.1, 0.0)


def test_gradient_similarity(two):
    runs = two("cifar10_grad_cos_distance", {"cosine/without_0/2/total": (0.5, 0.7)})
    rows = plot_gradient_similarity.table(runs)
    assert [(row["mask of"], row["masked layers"]) for row in rows] == [("all but 0", i) for i in range(6)]
    assert approx(rows[2]["cosine"]) == (2, 0.6, 0.2 / 2**0.5)


def test_half_masks_of_language_and_images(two):
    numbers = {"half/early/simple/accuracy/total": (0.8, 0.7), "final/network/simple/accuracy/total": (0.9, 1.0)}
    two("scan", numbers)
    images = {"half/late/test/accuracy/total": (0.5, 0.5), "final/network/test/accuracy/total": (0.9, 0.9)}
    rows = {row["network"]: row for row in plot_half_mask.table(two(REMOVAL, images))}
    assert approx(rows["SCAN, LSTM"]["loss, early half masked"]) == (2, 0.2, 0.2 / 2**0.5)
    assert approx(rows["digits, CNN"]["loss, late half masked"]) == (2, 0.4, 0.0)


@pytest.fixture(scope="module")
def without_subnets(make_run, tmp_path_factory):
    """Return a run of every task that knows of the network and the control mask alone."""
    root, found = tmp_path_factory.mktemp("bare"), {}
    for task in TASKS:
        run = make_run(root, "s", task)
        kept = [key for key in run.summary if key.startswith(("final/network/", "final/control/", "random/control/"))]
        run.write_summary({key: run.summary[key] for key in kept})
        for path in run.path("masks").glob("[!c]*.npz"):
            path.unlink()
        found[task] = [run]
    return found


@pytest.mark.parametrize(
    "plot",
    [plot for plot in discover() if plot.table in [module.table for module in PLOTS]],
    ids=lambda plot: plot.name,
)
def test_runs_without_subnets_or_of_other_tasks_cost_no_figure(plot, without_subnets):
    assert plot.table([]) == []
    found = {task: plot.table(runs) for task, runs in without_subnets.items()}
    expected = {"scan_accuracies": ["scan"], "hard_questions": ["deepmind_math"]}.get(plot.name, [])
    assert [task for task, rows in found.items() if rows] == expected
    assert all(plot.draw(found[task]).axes for task in expected)
