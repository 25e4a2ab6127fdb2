"""A run folder in which something is damaged: one line in --list, found by --verify, done anew by --repair."""

import io
import json

import numpy as np
import pytest

from core import exit_codes as codes
from core.digests import seal
from core.errors import DamagedError, SieveError
from core.history import History
from core.run_state import state_of
from core.store import Run
from launch.console import Screen
from launch.points import remarks, table
from launch.pool import Pool
from launch.sweep import Sweep
from launch.verify import problems, repair, verify
from tasks.options import resolve
from tests.launch.pretend import FAKE_MAIN, tuple_sweep

ODD = [
    b"",
    b"\0" * 9,
    b"{",
    b"[]",
    b"null",
    b"{}",
    b'"x"',
    b"\xff\xfe",
    b"[" * 5000,
    b'{"state": "flying"}',
    b'{"a": 1}',
]
FILES = ["status.json", "options.yaml", "summary.json", "history.jsonl", "digests.json", "masks/a.npz", "arrays/b.npz"]


def finished(point):
    """Write a run as one that has ended well."""
    run = Run.create(point.options)
    history = History(run.path("history.jsonl"))
    history.append({"step": 1, "stage": "train", "train/loss": 0.5})
    history.sync()
    run.write_summary({"train/loss": 0.5})
    run.write_arrays("b", counts=np.eye(3))
    run._write("masks", "a", {"bits": np.arange(5)})
    seal(run.folder)
    run.write_status("done")
    return run


@pytest.fixture
def points(sweep_file, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)  # the slow part
    found = Sweep.read(sweep_file(tuple_sweep([1, 2]))).points(resolve, str(tmp_path / "runs"))
    for point in found:
        finished(point)
    return found


def checked(points):
    said = io.StringIO()
    return verify(points, Screen(said)), said.getvalue()


def test_whole_runs_are_whole(points):
    assert checked(points) == ([], "2 runs read, 0 damaged\n")
    assert [point.state for point in points] == ["done", "done"] and remarks(points) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [None, *ODD], ids=lambda value: str(value)[:12])
def test_whatever_is_in_a_file_stops_nothing_and_is_found(points, name, content):
    bad, good = points
    path = bad.folder / name
    path.unlink() if content is None else path.write_bytes(content)
    if name == "digests.json" and (content is None or content == b"{}"):
        return  # as of a run of before there were any
    if name == "status.json" and content in (None, b"{}"):
        assert state_of(bad.folder) == "todo", "as of a run that did not begin"
        return
    assert len(table(points)) == 3 and good.state == "done"
    lines = remarks(points)
    assert all(line.isprintable() for line in lines)
    damaged, said = checked(points)
    assert [point.index for point in damaged] == [1], said
    assert f"run 1: {bad.folder}: " in said and "run 2" not in said and "2 runs read, 1 damaged" in said
    assert [run.folder for run in Run.query(bad.options.run.dir)].count(good.folder) == 1


def test_one_byte_is_enough(points):
    path = points[1].folder / "arrays" / "b.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert points[1].state == "done", "which is not seen by looking"
    damaged, said = checked(points)
    assert [p.index for p in damaged] == [2] and "arrays/b.npz is not what the run wrote" in said


def test_a_run_without_digests_is_read_all_the_same(points):
    folder = points[0].folder
    (folder / "digests.json").unlink()
    assert problems(points[0]) == []
    (folder / "masks" / "a.npz").write_bytes(b"PK\x03\x04 nothing")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "00-00000001-01234567.pt").write_bytes(b"x")
    found = problems(points[0])
    assert len(found) == 2 and "masks/a.npz is damaged" in found[0] and found[1].endswith("01234567.pt is damaged")


def test_an_option_changed_by_hand_is_found_and_not_run(points):
    path = points[0].folder / "options.yaml"
    path.write_text(path.read_text().replace("train.lr: 0.001", "train.lr: 0.5"))
    assert "it has train.lr=0.5, and lies where 0.001 does" in problems(points[0])[0]
    with pytest.raises(DamagedError, match=r"options.yaml is damaged: it has train.lr=0.5"):
        Run.create(points[0].options)


def test_repair_does_the_damaged_one_anew_and_no_other(points):
    bad, good = points
    kept = {path: path.read_bytes() for path in good.folder.rglob("*") if path.is_file()}
    (bad.folder / "history.jsonl").write_bytes(b"")
    (bad.folder / "log.txt").write_text("as it was\n")
    damaged, _ = checked(points)
    said = io.StringIO()
    pool = Pool(FAKE_MAIN, [None], Screen(said))
    assert pool.run(points) == codes.FAILED and "1 damaged (--repair does them anew)" in said.getvalue()
    repair(damaged, Screen(said))
    assert f"run 1 begins anew: {bad.folder}" in said.getvalue()
    assert bad.state == "todo" and (bad.folder / "log.txt").read_text() == "as it was\n"
    assert Pool(FAKE_MAIN, [None], Screen(said)).run(damaged) == codes.DONE
    assert bad.state == "done" and all(path.read_bytes() == data for path, data in kept.items())


def test_of_a_damaged_status_only_that_is_removed(points):
    (points[0].folder / "status.json").write_text("")
    repair(points[:1], Screen(said := io.StringIO()))
    assert "goes on from its checkpoint" in said.getvalue() and (points[0].folder / "history.jsonl").exists()


@pytest.mark.parametrize(
    "rest", [b"", b'{"step": 1}\n{"st', b'{"step": 1}\n\0\0\0\0\0\0\0\0\0\0\n', b'{"step": 1}\n[1, 2345678]\n']
)
def test_a_history_that_is_not_its_checkpoints_is_never_gone_on_with(tmp_path, rest):
    path = tmp_path / "history.jsonl"
    history = History(path)
    history.append({"step": 1})
    history.append({"step": 2})
    size = history.sync()
    path.write_bytes(rest)
    with pytest.raises(DamagedError):
        History(path, size)
    assert path.read_bytes() == rest


def test_a_history_removed_under_a_run_is_noticed(tmp_path):
    history = History(tmp_path / "history.jsonl")
    history.append({"step": 1})
    (tmp_path / "history.jsonl").unlink()
    with pytest.raises(DamagedError, match="was removed while the run went on"):
        history.sync()


def test_a_digest_leads_nowhere_else(points):
    (points[0].folder / "digests.json").write_text(json.dumps({"../../x": {"size": 1, "sha256": "0"}}))
    with pytest.raises(SieveError, match="digests.json is damaged"):
        from core.digests import missing

        missing(points[0].folder)
