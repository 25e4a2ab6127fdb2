"""Drawing everything there is: files, what is said, the page, and answers to mistakes."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from matplotlib.image import imread

from paper.demo_table import main as demo_table
from paper.index import write_index
from paper.run_all import discover, main
from paper.sweeps import plan

ROOT = Path(__file__).resolve().parents[2]


def test_every_figure_says_what_it_is():
    plots = discover()
    assert {"performance", "iou", "confusion", "half_mask", "mask_histogram", "penalty_sensitivity"} <= {
        plot.name for plot in plots
    }
    for plot in plots:
        assert plot.name and plot.per in ("group", "scale")
        assert plot.title and plot.caption.endswith(".") and plot.family and plot.sweeps


def test_every_sweep_that_a_figure_reads_exists():
    names = {name for plot in discover() for name in plot.sweeps}
    wanted = {f"{folder}{name}.yaml" for name in names for folder in ("", "small/")}
    there = {str(path.relative_to(ROOT / "sweeps")) for path in (ROOT / "sweeps").rglob("*.yaml")}
    assert wanted <= there


def test_every_figure_is_drawn_one_picture_for_each_group(drawn):
    _, out, lines = drawn
    assert {path.parent.name for path in out.glob("*/*.png")} == {plot.name for plot in discover()}
    performance = sorted(path.name for path in (out / "performance").glob("*.png"))
    assert len(performance) == 5 and len([name for name in performance if "small_tuple_rnn" in name]) == 2
    said = re.compile(r"drawn  performance: \S+small_tuple_ff\S*\.png \(3 of 3 runs\)")
    assert any(said.fullmatch(line) for line in lines)
    assert lines[-1] == f"index  {out / 'index.html'}"


def test_pictures_are_pictures_and_tables_are_complete(drawn):
    _, out, _ = drawn
    for png in out.glob("*/*.png"):
        height, width = imread(png).shape[:2]
        assert width > 700 and height > 400
        pdf = png.with_suffix(".pdf").read_bytes()
        assert pdf.startswith(b"%PDF") and b"/Type3" not in pdf
        record = json.loads(png.with_suffix(".json").read_text())
        lines = list(csv.DictReader(io.StringIO(png.with_suffix(".csv").read_text())))
        assert len(lines) == len(record["rows"]) > 0 and record["runs"] == len(record["folders"])
        for row, line in zip(record["rows"], lines, strict=True):
            for column, cell in row.items():
                if isinstance(cell, dict) and cell["n"]:
                    assert float(line[f"{column} (mean)"]) == pytest.approx(cell["mean"])
                    assert int(line[f"{column} (n)"]) == cell["n"] == len(cell["values"])


def test_drawing_again_gives_the_same_bytes(drawn, tmp_path, monkeypatch):
    root, out, _ = drawn
    monkeypatch.setattr("paper.sweeps.SWEEPS", root)
    assert main(["--runs", str(root), "--out", str(tmp_path), "--only", "iou"]) == 0
    for path in (tmp_path / "iou").glob("*.p*"):
        assert path.read_bytes() == (out / "iou" / path.name).read_bytes()


def test_the_page_lists_figures_numbers_commands_and_only_files_that_exist(drawn):
    root, out, _ = drawn
    page = (out / "index.html").read_text()
    for record in (json.loads(path.read_text()) for path in out.glob("*/*.json")):
        for command in record["commands"]:
            assert command in page
        cells = [cell["text"] for row in record["rows"] for cell in row.values() if isinstance(cell, dict)]
        assert all(text in page for text in cells)
    assert "./run.py sweeps/small/tuple_ff.yaml --all" not in page, "there is no such file here"
    assert f"paper/run_all.sh --only performance --runs {root} --out {out}" in page
    links = [unquote(link) for link in re.findall(r'(?:href|src)="([^#"]+)"', page)]
    assert links and all((out / link).is_file() for link in links)
    assert "each pair&#39;s mask solves its pair" in page


def test_the_commands_are_those_that_made_the_runs(make_run, tmp_path, capsys):
    root, out = tmp_path / "runs", tmp_path / "out"
    for options in plan("small/tuple_ff").points[:2]:
        listed = {name: value for name, value in options.items() if not name.startswith("run.")}
        make_run(root, "small/tuple_ff", **listed)
    make_run(root, "small/tuple_ff", seed=5, layer_sizes="7,7", **{"mask.steps": 9})
    assert main(["--runs", str(root), "--out", str(out), "--only", "iou"]) == 0
    assert f"drawn  iou: {out / 'iou' / 'small_tuple_ff.png'} (2 of 3 runs)" in capsys.readouterr().out
    shortest = sorted(out.glob("iou/*.json"), key=lambda path: len(path.name))
    listed, other = (json.loads(path.read_text()) for path in shortest)
    assert listed["commands"][0] == f"./run.py sweeps/small/tuple_ff.yaml --all --dir {root}"
    assert other["commands"][0] == (
        "./main.py --task=tuple_ff --seed=5 --mask.method=threshold --mask.steps=9 --layer_sizes=7,7 "
        f"--run.sweep=small/tuple_ff --run.dir={root}"
    )


def test_the_page_escapes_what_it_shows(tmp_path):
    plot = next(plot for plot in discover() if plot.name == "iou")
    evil = '<script>alert("x")</script>'
    record = {
        "group": evil,
        "settings": {},
        "count": evil,
        "missing": [evil],
        "commands": [evil],
        "rows": [{evil: {"text": evil, "n": 1}, "other": evil}],
    }
    (tmp_path / "iou").mkdir()
    (tmp_path / "iou" / '"><i>.json').write_text(json.dumps(record))
    (tmp_path / "iou" / "broken.json").write_text("{")
    page = write_index(tmp_path, [plot], [], []).read_text()
    assert "<script>alert" not in page and "&lt;script&gt;" in page and '"><i>' not in page


def test_pictures_of_runs_that_are_gone_leave_the_page(drawn, tmp_path, make_run):
    make_run(tmp_path / "runs", "small/addmul_rnn", "addmul", seed=1)
    arguments = ["--out", str(tmp_path / "out"), "--only", "weight_proportion"]
    assert main(["--runs", str(tmp_path / "runs"), *arguments]) == 0
    page = tmp_path / "out" / "index.html"
    assert "small/addmul_rnn" in page.read_text()
    (tmp_path / "none").mkdir()
    assert main(["--runs", str(tmp_path / "none"), *arguments]) == 0
    assert 'src="weight_proportion' not in page.read_text() and "Not drawn yet" in page.read_text()


def test_missing_runs_are_named_with_the_command_that_makes_them(tmp_path, capsys):
    runs = tmp_path / "runs"
    runs.mkdir()
    assert main(["--runs", str(runs), "--out", str(tmp_path / "out"), "--only", "confusion"]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("skipped confusion: no finished runs of addmul_ff_big, addmul_ff, addmul_rnn,")
    assert line.endswith(f"./run.py sweeps/small/addmul_ff_big.yaml --all --dir {runs}")


def test_a_choice_and_a_sweep_of_ones_own(tmp_path, make_run, capsys):
    make_run(tmp_path / "runs", "mine", seed=1)
    base = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--only", "performance"]
    assert main([*base, "--sweep", "mine", "--set", "inverse_io=ones"]) == 0
    picture = tmp_path / "out" / "performance" / "mine__set.inverse_io-ones.png"
    assert f"drawn  performance: {picture} (1 of 1 runs)" in capsys.readouterr().out
    assert "--set inverse_io=ones --sweep mine" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["--only", "perfromance"], "unknown figure 'perfromance'; allowed: performance, iou"),
        (["--only", "perfromance"], "did you mean 'performance'?"),
        (["--set", "inverse_io=one"], "did you mean 'ones'?"),
        (
            ["--set", "inverse=ones"],
            "have branch, images, inverse_io, margin, rate, selected; did you mean 'inverse_io'?",
        ),
        (["--runs", "nowhere"], "--runs nowhere: there is no such folder"),
    ],
)
def test_mistakes_are_answered_with_one_line(arguments, text, capsys, tmp_path):
    assert main(["--out", str(tmp_path), *arguments]) == 2
    answer = capsys.readouterr().err
    assert answer.startswith("run_all: ") and answer.count("\n") == 1 and text in answer


def test_broken_arrays_lose_one_seed_and_are_named(tmp_path, make_run, caplog):
    runs = [make_run(tmp_path / "runs", "small/addmul_rnn", "addmul", seed=seed) for seed in (1, 2)]
    for name in ("confusion_mul", "confusion_network"):
        runs[0].path("arrays", f"{name}.npz").write_bytes(b"PK\x03\x04 cut off")
    (confusion,) = [plot for plot in discover() if plot.name == "confusion"]
    rows = [row for row in confusion.table(runs) if row["subnet"] == "mask of ×"]
    assert rows[0]["answer is +"].n == 1
    assert sorted(message.split("/arrays/")[1][:13] for message in caplog.messages) == [
        "confusion_mul",
        "confusion_net",
    ]


def test_the_script_runs_from_anywhere(tmp_path):
    (tmp_path / "runs").mkdir()
    folders = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [str(ROOT / "paper" / "run_all.sh"), *folders, "--only", "iou"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("skipped iou: no finished runs of tuple_ff")


def test_the_demonstration_prints_its_table(drawn, make_run, tmp_path, capsys):
    for seed, accuracy in ((1, 0.9), (2, 1.0)):
        numbers = {
            "final/pair1/test/accuracy/pair1": accuracy,
            "sharing/pair2/total": 0.25,
            "sharing_random/pair2/total": 0.125,
            "kept/control/total": 250.0,
            "size/total": 1000.0,
        }
        make_run(tmp_path / "runs", "small/tuple_ff", numbers=numbers, seed=seed)
    out = tmp_path / "out"
    assert main(["--runs", str(tmp_path / "runs"), "--out", str(out), "--only", "performance"]) == 0
    (picture,) = out.glob("performance/*.png")
    capsys.readouterr()
    assert demo_table(str(tmp_path / "runs"), str(out)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "test set: operand pairs that were never trained on"
    assert re.search(r"^mask of pair 1 +95\.0 ± 7\.1 % +", "\n".join(lines), re.M)
    assert re.search(r"^kept by the mask +25\.0 ± 0\.0 % ", "\n".join(lines), re.M)
    assert re.search(r"^of these, used by both pairs .* 25\.0 ± 0\.0 %$", "\n".join(lines), re.M)
    assert re.search(r"^random masks of the same sizes .* 12\.5 ± 0\.0 %$", "\n".join(lines), re.M)
    assert f"figures: {picture}" in lines and str(out / "index.html") in lines[-1]


def test_the_demonstration_without_runs_says_how_to_make_them(tmp_path, capsys):
    assert demo_table(str(tmp_path), str(tmp_path)) == 1
    assert "./run.py sweeps/small/tuple_ff.yaml --all" in capsys.readouterr().out


def test_no_figure_stumbles_over_runs_of_other_tasks(real):
    for plot in discover():
        for run in real.values():
            rows = plot.table([run])
            assert not rows or plot.draw(rows).axes, (plot.name, run.task)
