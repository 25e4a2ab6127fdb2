"""results.csv: a line for each finished run, appended once, and the same when it is made again."""

import csv

import pytest

from core import results
from core.errors import StoreError
from core.results import append_result, main, rebuild_results
from core.store import Run
from tasks.options import resolve


def finished(root, seed, summary, state="done", **options):
    values = {"task": "edge_popup", "run.dir": str(root), "run.sweep": "one", "seed": seed}
    run = Run.create(resolve(values | {name.replace("__", "."): value for name, value in options.items()}))
    run.write_summary(summary)
    run.write_status(state)
    return run


def lines(root):
    with (root / "one" / "results.csv").open() as file:
        return sorted(csv.DictReader(file), key=lambda row: row["seed"])  # they finished within a second


def test_appended_once_and_made_again_alike(tmp_path):
    runs = [finished(tmp_path, seed, {"final/test/accuracy": seed / 10}) for seed in (1, 2, 3)]
    finished(tmp_path, 4, {}, "running")
    for run in [*runs, runs[1]]:
        append_result(run)
    found = lines(tmp_path)
    assert [(row["seed"], row["final/test/accuracy"]) for row in found] == [("1", "0.1"), ("2", "0.2"), ("3", "0.3")]
    assert found[0]["layer_sizes"] == "300,100" and found[0]["finished"].endswith("+00:00")
    assert "run.dir" not in found[0]
    text = (tmp_path / "one" / "results.csv").read_text()
    assert rebuild_results(tmp_path / "one") == 3
    assert sorted((tmp_path / "one" / "results.csv").read_text().splitlines()) == sorted(text.splitlines())


def test_appending_does_not_read_other_runs(tmp_path, monkeypatch):
    append_result(finished(tmp_path, 1, {"a": 1}))
    monkeypatch.setattr(results, "_rebuild", None)
    append_result(finished(tmp_path, 2, {"a": 2}))
    assert len(lines(tmp_path)) == 2


def test_new_columns_and_half_a_line_make_it_anew(tmp_path):
    append_result(finished(tmp_path, 1, {"a": 1}))
    append_result(finished(tmp_path, 2, {"a": 2, "b": 3}))
    assert [(row["a"], row["b"]) for row in lines(tmp_path)] == [("1", ""), ("2", "3")]
    path = tmp_path / "one" / "results.csv"
    path.write_text(path.read_text()[:-5])
    append_result(finished(tmp_path, 3, {"a": 4}))
    assert [row["a"] for row in lines(tmp_path)] == ["1", "2", "4"]


def test_command(tmp_path, capsys):
    finished(tmp_path, 1, {"a": 1})
    assert main([str(tmp_path / "one")]) == 0 and "results.csv: 1 runs" in capsys.readouterr().out
    assert main([str(tmp_path / "nix")]) == 2 and "there is no folder" in capsys.readouterr().err
    assert main([]) == 2 and "which?" in capsys.readouterr().err
    with pytest.raises(StoreError, match="there is no finished run"):
        rebuild_results(tmp_path)


def test_a_table_that_cannot_be_written_costs_the_run_nothing(tmp_path, caplog):
    run = finished(tmp_path, 1, {"a": 1})
    (tmp_path / "one" / "results.csv").mkdir()
    append_result(run)
    assert "is not written" in caplog.text and "python -m core.results" in caplog.text
    assert run.state == "done"
