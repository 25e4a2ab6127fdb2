"""The figures of untied networks: which runs, epochs and branches their numbers come from."""

import json

import numpy as np
import pytest

from paper.results import array, load
from paper.run_all import main
from paper.untying import plot_margins, plot_paths, plot_split_accuracy, plot_untied_energy, plot_untying


@pytest.fixture
def two(make_run, tmp_path):
    """Return a function that stores two seeds which differ in the given numbers of the summary or the history."""

    def store(numbers, **options):
        for seed in (0, 1):
            values = {key: value[seed] for key, value in numbers.items()}
            run = make_run(tmp_path, "small/cnn_elcn", "cnn_elcn", values, seed=seed, **options)
            rows = [row | {key: value for key, value in values.items() if key in row} for row in run.history()]
            run.path("history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return load(tmp_path)

    return store


def approx(measure):
    return measure.n, pytest.approx(measure.mean), pytest.approx(measure.sd)


def test_split_accuracy(two):
    runs = two(
        {
            "control_0.1/2/test/accuracy": (0.8, 0.9),
            "elcn_0.1/2/retied/test/accuracy": (0.1, 0.1),
            "lcn_0.1/test/accuracy": (0.3, 0.5),
            "cnn/test/accuracy": (0.6, 0.7),
        }
    )
    rows = plot_split_accuracy.table(runs)
    assert [(row["learning rate"], row["split"]) for row in rows] == [("0.05", 0), ("0.05", 2), ("0.1", 0), ("0.1", 2)]
    assert approx(rows[3]["CNN continued (control)"]) == (2, 0.85, 0.1 / 2**0.5)
    assert approx(rows[3]["eLCN, re-tied"]) == (2, 0.1, 0)
    assert approx(rows[3]["LCN from scratch"]) == (2, 0.4, 0.2 / 2**0.5), "after 2 + 2 epochs"
    assert approx(rows[0]["CNN"]) == (2, 0.65, 0.1 / 2**0.5)
    assert rows[0]["FCN from scratch"].n == 0


def test_untying(two, real):
    runs = two({"elcn_0.1/2/norm/per_margin": (1.0, 3.0), "elcn_0.1/2/norm/per_margin_published": (5.0, 5.0)})
    rows = plot_untying.table(runs)
    mine = [row for row in rows if row["learning rate"] == "0.1" and row["network"] == "eLCN" and row["split"] == 2]
    assert [row["epoch"] for row in mine] == [2, 3, 4]
    assert approx(mine[-1]["log norm / margin"]) == (2, 2.0, 2**0.5)
    assert mine[-1]["test accuracy"].values[0] == real["cnn_elcn"].summary["elcn_0.1/2/test/accuracy"]
    published = plot_untying.table(runs, margin="published")
    found = [row for row in published if row["learning rate"] == "0.1" and row["split"] == 2 and row["epoch"] == 4]
    assert approx(found[0]["log norm / margin"]) == (2, 5.0, 0)
    assert {row["network"] for row in plot_untying.table(runs, branch="efcn")} == {"CNN", "eFCN"}
    cnn = [row["epoch"] for row in rows if row["network"] == "CNN" and row["learning rate"] == "0.1"]
    assert cnn == [0, 1, 2]


def test_untied_energy(two):
    runs = two(
        {
            "efcn_0.05/0/energy/tied/total": (9.0, 9.0),
            "efcn_0.05/0/energy/untied/total": (3.0, 3.0),
            "efcn_0.05/0/energy/off_local/total": (4.0, 4.0),
            "efcn_0.05/0/moved/off_local/total": (4.0, 16.0),
        }
    )
    row = next(row for row in plot_untied_energy.table(runs) if row["branch"] == "efcn" and row["split"] == 0)
    assert approx(row["share, off-local"]) == (2, 0.5, 0) and approx(row["share, tied"]) == (2, 0.75, 0)
    assert approx(row["moved, off-local"]) == (2, 3.0, 2**0.5)
    assert {row["learning rate"] for row in plot_untied_energy.table(runs, rate="last")} == {"0.1"}


def test_paths(two, real):
    runs = two({})
    rows = plot_paths.table(runs)
    assert {row["branch"] for row in rows} == {"efcn"} and {row["split"] for row in rows} == {0, 2}
    mine = [row for row in rows if row["path"] == "string" and row["split"] == 2]
    assert [row["from CNN to branch"] for row in mine] == [0, 0.5, 1]
    stored = real["cnn_elcn"].arrays("path_string_efcn_0.05_2")
    assert [row["train loss"].mean for row in mine] == pytest.approx(stored["train_loss"].tolist())
    assert mine[0]["test accuracy"].unit == "%"
    assert {row["branch"] for row in plot_paths.table(runs, branch="elcn")} == {"elcn"}


def test_margins(two, real):
    runs = two({})
    rows = plot_margins.table(runs)
    assert {(row["network"], row["split"]) for row in rows} == {("CNN", 0), ("eLCN", 0), ("eLCN", 2)}
    cnn = [row for row in rows if row["network"] == "CNN"]
    assert sum(row["share of the images"].mean for row in cnn) == pytest.approx(1)
    margins = real["cnn_elcn"].arrays("margins_cnn")["test"]
    lowest = np.mean((margins >= cnn[0]["from"]) & (margins < cnn[0]["to"]))
    assert cnn[0]["share of the images"].values == pytest.approx([lowest] * 2)
    for run in runs[:1]:
        diverged = {key: np.full_like(values, np.nan) for key, values in run.arrays("margins_elcn_0.05_2").items()}
        run.write_arrays("margins_elcn_0.05_2", **diverged)
    array.cache_clear()
    counts = {(row["network"], row["split"]): row["share of the images"].n for row in plot_margins.table(runs)}
    assert counts == {("CNN", 0): 2, ("eLCN", 0): 2, ("eLCN", 2): 1}
    assert plot_margins.table(runs, images="train")[0]["from"] != rows[0]["from"]


def test_a_colour_is_of_a_kind_of_network_in_all_figures(two):
    runs = two({})
    drawn = {}
    for plot in (plot_untied_energy, plot_split_accuracy):
        for axes in plot.draw(plot.table(runs)).axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                line = handle[0] if isinstance(handle, tuple) else handle
                drawn.setdefault(label.partition(":")[0], set()).add(line.get_color())
    assert {"eLCN", "eFCN"} <= drawn.keys() and all(len(colours) == 1 for colours in drawn.values())
    assert len(set().union(*drawn.values())) == len(drawn)


def test_runs_of_another_task_have_none_of_it(make_run, tmp_path):
    make_run(tmp_path, "small/tuple_ff")
    for plot in (plot_margins, plot_paths, plot_split_accuracy, plot_untied_energy, plot_untying):
        assert plot.table(load(tmp_path)) == []


@pytest.mark.parametrize("choice", ["branch=elcn", "branch=control", "margin=published", "rate=last", "images=train"])
def test_every_choice_is_drawn(make_run, tmp_path, choice, monkeypatch):
    lines = []
    monkeypatch.setattr("paper.run_all._say", lines.append)
    make_run(tmp_path / "runs", "small/cnn_elcn", "cnn_elcn")
    figure = {"rate": "untied_energy", "margin": "untying", "images": "margins"}.get(choice.split("=")[0], "untying")
    arguments = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--only", figure, "--set", choice]
    assert main(arguments) == 0 and any(line.startswith(f"drawn  {figure}") for line in lines)
