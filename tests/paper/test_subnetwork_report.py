"""The report on what subnets use: from runs, from a sweep's folder and from mask files; answers to mistakes."""

import csv
import json

import pytest
import torch

from core.digests import seal
from core.store import Run
from masks.algebra import Masks
from masks.mask_files import SUFFIXES
from paper.subnetwork_report import main
from tasks.options import resolve

SHAPES = {"layers.0.weight": (8, 10), "layers.1.weight": (5, 8)}


def drawn(seed, keep):
    rng = torch.Generator().manual_seed(seed)
    return Masks({name: torch.rand(shape, generator=rng) < keep for name, shape in SHAPES.items()})


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two finished runs that differ in the seed, with the masks of three subnets."""
    root = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        run = Run.create(resolve({"task": "addmul_ff", "seed": seed, "run.dir": str(root), "run.sweep": "mine"}))
        for i, name in enumerate(("add", "mul", "control")):
            drawn(10 * seed + i, 0.4).save(run.path("masks", f"{name}.npz"))
        run.write_summary({})
        seal(run.folder)
        run.write_status("done")
    return root / "mine"


def report(out, *argv):
    assert main([*map(str, argv), "--out", str(out)]) == 0
    return {path.stem: json.loads(path.read_text()) for path in (out / "subnetwork_report").glob("*.json")}


def test_runs_that_differ_in_the_seed_are_one_picture(sweep, tmp_path, capsys):
    (found,) = report(tmp_path, sweep, "--subnets", "add,mul").values()
    said = capsys.readouterr().out
    runs = Run.query(sweep)
    assert found["runs"] == 2 and {row["layer"] for row in found["rows"]} == {"layers.0", "layers.1"}
    for row in found["rows"]:
        name = f"{row['layer']}.weight"
        masks = {s: [Masks.load(r.path("masks", f"{s}.npz"))[name] for r in runs] for s in ("add", "mul")}
        pairs = list(zip(masks["add"], masks["mul"], strict=True))
        for column, share in {
            "shared": [a & m for a, m in pairs],
            "only add": [a & ~m for a, m in pairs],
            "only mul": [m & ~a for a, m in pairs],
            "unused": [~a & ~m for a, m in pairs],
        }.items():
            expected = sorted(float(m.float().mean()) for m in share)
            assert sorted(row[column]["values"]) == pytest.approx(expected)
            assert row[column]["text"] in said
    picture = next((tmp_path / "subnetwork_report").glob("*.png"))
    assert picture.stat().st_size > 5000 and picture.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert len(list(csv.DictReader(picture.with_suffix(".csv").open()))) == 2
    page = (tmp_path / "index.html").read_text()
    assert "What subnetworks use" in page and "--subnets add,mul" in page


def test_mask_files_of_both_formats_give_what_their_run_gives(sweep, tmp_path):
    run = Run.query(sweep)[0]
    (of_run,) = report(tmp_path / "run", run.folder, "--subnets", "add,mul", "--by", "tensor").values()
    files = [tmp_path / f"{name}{suffix}" for name, suffix in zip(("add", "mul"), SUFFIXES, strict=True)]
    for file in files:
        Masks.load(run.path("masks", f"{file.stem}.npz")).save(file)
    (of_files,) = report(tmp_path / "files", *files, "--by", "tensor").values()
    for one, other in zip(of_run["rows"], of_files["rows"], strict=True):
        assert one.keys() == other.keys()
        for column in ("shared", "only add", "only mul", "unused"):
            assert one[column]["values"] == other[column]["values"]
    (alone,) = report(tmp_path / "alone", files[0], "--by", "network").values()
    assert alone["rows"][0]["used by add"]["mean"] == pytest.approx(Masks.load(files[0]).density())


@pytest.mark.parametrize(
    "argv, words",
    [
        (["SWEEP", "--subnets", "add,mull"], "no subnet 'mull'; there are: add, control, mul; did you mean 'mul'?"),
        (["SWEEP"], "has add, control, mul; --subnets takes one or two of them"),
        (["SWEEP", "--subnets", "add,add"], "one or two different subnets"),
        (["SWEEP/none"], "there is no such folder"),
        (["OTHER"], "no finished runs"),
        (["SWEEP", "OTHER/a.npz"], "give runs, or mask files"),
        (["OTHER/a.npz", "OTHER/b.npz"], "not masks of one network"),
        (["OTHER/c.npz", "OTHER/d.npz"], "masks of different networks"),
        (["OTHER/a.npz", "OTHER/no.npz"], "no mask file"),
        (["OTHER/a.npz"] * 3, "3 mask files"),
        (["OTHER/a.npz", "--subnets", "x,y"], "2 names to 1 mask files"),
    ],
)
def test_mistakes_are_one_line(sweep, tmp_path, argv, words, capsys):
    drawn(0, 0.5).save(tmp_path / "a.npz")
    drawn(0, 0.5).only({"layers.0.weight"}).save(tmp_path / "b.npz")
    drawn(0, 0.5).save(tmp_path / "c.npz", network="0123")
    drawn(1, 0.5).save(tmp_path / "d.npz", network="4567")
    argv = [word.replace("SWEEP", str(sweep)).replace("OTHER", str(tmp_path)) for word in argv]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not (tmp_path / "out" / "index.html").exists()
