"""DeepMind Mathematics: an archive is read once and as it says, what is not one is refused, and questions are made."""

import gzip
import hashlib
import io
import random
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import OptionError
from data import dm_archive, dm_generator, dm_math
from data.dm_archive import PUBLISHED
from data.dm_generator import FOLDERS, TRAIN, harder, made
from data.dm_math import CHARACTERS, load_dm_math

LINEAR, SUMS, BIG = "algebra__linear_1d", "arithmetic__add_or_sub", "arithmetic__add_or_sub_big"
DIFFICULTIES = ("easy", "medium", "hard")
TRAIN_SETS, TEST_SETS = ([f"{part}_{level}" for level in DIFFICULTIES] for part in ("train", "test"))


def text(*questions: str) -> str:
    return "".join(f"{question}\nanswer of {question}\n" for question in questions)


def files_of(module: str, folders=FOLDERS[:-1]) -> dict[str, str]:
    return {f"{folder}/{module}.txt": text(*(f"{folder} {module} {i}?" for i in range(20))) for folder in folders}


def pack(path: Path, files: dict[str, str], top: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return path


def words(side) -> list[str]:
    rows, lengths = side.padded(torch.arange(len(side.start)))
    return ["".join(CHARACTERS[i] for i in row[:length]) for row, length in zip(rows, lengths, strict=True)]


@pytest.fixture
def archive(tmp_path):
    files = {**files_of(LINEAR), **files_of(SUMS), f"extrapolate/{BIG}.txt": text("What is 10**9 + 1?")}
    return pack(tmp_path / "mine.tar.gz", files)


def test_sets(archive, tmp_path):
    found = load_dm_math([SUMS, LINEAR], tmp_path, archive)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()[:12]
    assert found.origin == f"archive {archive} (sha256 {sha256}...), not the published one"
    assert list(found.sets) == [SUMS, LINEAR]
    assert list(found.sets[LINEAR]) == [*TRAIN_SETS, *TEST_SETS, "interpolate"]
    assert [*map(len, found.sets[SUMS].values())] == [18] * 3 + [2] * 3 + [20, 1]
    for level in DIFFICULTIES:
        parts = [found.sets[LINEAR][f"{part}_{level}"] for part in ("test", "train")]
        questions = [question for part in parts for question in words(part.source)]
        order = np.random.RandomState(1234).permutation(20)
        assert questions == [f"train-{level} {LINEAR} {i}?" for i in order]
        assert [f"answer of {question}" for question in questions] == words(parts[0].target) + words(parts[1].target)
    assert words(found.sets[SUMS]["extrapolate"].source) == ["What is 10**9 + 1?"]
    assert [side.end for side in vars(found.sets[SUMS]["train_easy"]).values()] == [95, 95] == [len(CHARACTERS)] * 2


def test_read_once(archive, tmp_path, monkeypatch):
    passes = []
    opened = gzip.open
    monkeypatch.setattr(dm_archive.gzip, "open", lambda path: passes.append(path) or opened(path))
    first = load_dm_math([LINEAR, SUMS], tmp_path, archive)
    assert len(passes) == 2, "for the top folder's name, and for both modules"
    archive.write_bytes(archive.read_bytes())
    load_dm_math([SUMS], tmp_path, archive)
    assert len(passes) == 3, "what changed is looked at again, but its modules are those of the same hash"
    second = load_dm_math([SUMS, LINEAR], tmp_path, archive)
    assert len(passes) == 3
    for name, sequences in first.sets[SUMS].items():
        assert words(sequences.source) == words(second.sets[SUMS][name].source)
        assert words(sequences.target) == words(second.sets[SUMS][name].target)
    (tmp_path / "dm_math/encoded/archives.json").write_text("{")
    assert load_dm_math([SUMS], tmp_path, archive).origin == first.origin


def test_first_of_equal_questions_stays(tmp_path):
    files = files_of(LINEAR, FOLDERS)
    for i, folder in enumerate(FOLDERS):
        files[f"{folder}/{LINEAR}.txt"] += text(*(f"in {earlier}?" for earlier in FOLDERS[: i + 1])) * 2
    sets = load_dm_math([LINEAR], tmp_path, pack(tmp_path / "mine.tar.gz", files)).sets[LINEAR]
    for folder in FOLDERS:
        level = folder.removeprefix("train-")
        names = [f"train_{level}", f"test_{level}"] if folder in TRAIN else [folder]
        questions = [question for name in names for question in words(sets[name].source)]
        assert sorted(q for q in questions if q.startswith("in ")) == [f"in {folder}?"] and len(questions) == 21


def test_at_most_so_many_are_held_out(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(dm_math, "HELD_OUT", 1)
    sets = load_dm_math([LINEAR], tmp_path, archive).sets[LINEAR]
    assert [len(sets[name]) for name in TRAIN_SETS + TEST_SETS] == [19] * 3 + [1] * 3


def test_harder_files():
    names = ["a__b", "a__b_big", "a__b_more_samples", "a__b_c_more", "a__b_c", "a__bc"]
    assert harder("a__b", names, {"a__b", "a__b_c"}) == ["a__b", "a__b_big", "a__b_more_samples"]
    assert harder("a__b", names, {"a__b", "a__b_big"}) == ["a__b", "a__b_more_samples"]


def test_published_archive(archive, tmp_path, monkeypatch):
    files = {**files_of(LINEAR), **files_of(SUMS), f"extrapolate/{BIG}.txt": text("What is 10**9 + 1?")}
    place = pack(tmp_path / f"dm_math/{PUBLISHED}.tar.gz", {**files, f"z/{'-' * 200_000}": "z"}, PUBLISHED)
    with pytest.raises(OptionError, match=r"is corrupt, or not the published archive .*expected def638343403\.\.\.;"):
        load_dm_math([LINEAR], tmp_path)
    monkeypatch.setattr(dm_archive, "SHA256", hashlib.sha256(place.read_bytes()).hexdigest())
    assert load_dm_math([LINEAR], tmp_path).origin == "the published archive"
    seen, files_in = [], dm_archive._files
    monkeypatch.setattr(dm_archive, "_files", lambda path: (seen.append(x[0][1:]) or x for x in files_in(path)))
    load_dm_math([SUMS], tmp_path)
    assert seen[-1] == ("extrapolate", f"{BIG}.txt"), "all was found"
    assert load_dm_math([SUMS], tmp_path, archive).origin.startswith("archive "), "the given one goes first"


def test_no_archive(tmp_path):
    with pytest.raises(OptionError) as caught:
        load_dm_math([LINEAR], tmp_path)
    place = tmp_path / f"dm_math/{PUBLISHED}.tar.gz"
    assert str(place) in str(caught.value) and dm_archive.URL in str(caught.value)
    assert "--dm_math.generate=2000" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "empty"])
def test_damaged(archive, tmp_path, damage):
    whole = archive.read_bytes()
    broken = {"truncated": whole[:-30], "flipped": whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:],
              "text": b"not found", "empty": b""}[damage]  # fmt: skip
    archive.write_bytes(broken)
    with pytest.raises(OptionError, match=r"^.*mine.tar.gz is damaged or no .tar.gz \(.+\); fetch or copy it again$"):
        load_dm_math([LINEAR], tmp_path, archive)


def test_unknown_modules(archive, tmp_path):
    asked = "unknown module 'algebra__linear1d'; .* has no train-easy/algebra__linear1d.txt"
    with pytest.raises(OptionError, match=f"{asked}; allowed: {LINEAR}, {SUMS}; did you mean '{LINEAR}'?"):
        load_dm_math([SUMS, "algebra__linear1d"], tmp_path, archive)
    with pytest.raises(OptionError, match="'../x' is not a module name"):
        load_dm_math(["../x"], tmp_path, archive)
    lacking = files_of(LINEAR)
    del lacking[f"train-hard/{LINEAR}.txt"]
    with pytest.raises(OptionError, match=f"has no train-hard/{LINEAR}.txt; allowed: none$"):
        load_dm_math([LINEAR], tmp_path, pack(tmp_path / "lacking.tar.gz", lacking))


@pytest.mark.parametrize("wrong, message", [
    ("1?\n1\n2?\n", "line 3: a question without an answer"), ("1?\n1\nWhat is 2²?\n4\n", "line 3: '²' is none of"),
    ("1?\r\n1\r\n", r"line 1: '\\r' is none of"), ("1?\n1\n\n1\n", "line 3 is empty"), ("", "line 1 is empty"),
])  # fmt: skip
def test_other_forms(tmp_path, wrong, message):
    files = {**files_of(LINEAR), f"train-medium/{LINEAR}.txt": wrong}
    with pytest.raises(OptionError, match=f"^train-medium/{LINEAR}.txt, {message}"):
        load_dm_math([LINEAR], tmp_path, pack(tmp_path / "mine.tar.gz", files))


def test_generated(archive, tmp_path, monkeypatch):
    pack(tmp_path / f"dm_math/{PUBLISHED}.tar.gz", {}, PUBLISHED)
    monkeypatch.setattr(dm_generator, "SECONDS", 0)
    state, said = random.getstate(), []
    found = load_dm_math([SUMS], tmp_path, generate=12, report=said.append)
    assert random.getstate() == state
    assert re.fullmatch(r"generated: 12 questions a difficulty, mathematics_dataset 1.0.1, sympy \S+", found.origin)
    assert said[-1] == f"dm_math: {SUMS}: 38 of 38 questions"
    sets = found.sets[SUMS]
    assert [*map(len, sets.values())] == [11] * 3 + [1] * 4 + [1] and "extrapolate" in sets
    assert words(sets["train_easy"].source) != words(sets["train_medium"].source)
    for sequences in sets.values():
        assert sequences.source.flat.max() < 95 and sequences.target.flat.max() < 95
        assert sequences.source.length.max() <= 160 and sequences.target.length.max() <= 30
    monkeypatch.setattr(dm_math, "made", lambda *_, **__: pytest.fail("made again"))
    again = load_dm_math([SUMS], tmp_path, generate=12)
    assert words(again.sets[SUMS]["train_hard"].source) == words(sets["train_hard"].source)


def test_same_number_same_questions():
    job = "numbers__is_prime_composed", "train-hard"  # has letters, other questions' order, and sympy's own draws
    first, second, shorter = (list(dm_generator._worker(*job, questions)) for questions in ("30", "30", "20"))
    assert first == second and shorter == first[:40] and len(first) == 60


def test_generator_mistakes(tmp_path, monkeypatch, archive):
    with pytest.raises(OptionError, match="contradict each other"):
        load_dm_math([LINEAR], tmp_path, archive, generate=12)
    with pytest.raises(OptionError, match="generate=9 is too few questions; allowed: 10 or more"):
        load_dm_math([LINEAR], tmp_path, generate=9)
    with pytest.raises(OptionError, match=f"unknown module 'algebra_linear'; allowed: {LINEAR}, .*; did you mean"):
        load_dm_math(["algebra_linear"], tmp_path, generate=12)
    with pytest.raises(OptionError, match="cannot make nothing interpolate 1: KeyError: 'nothing'$"):
        list(dm_generator._worker("nothing", "interpolate", "1"))
    with pytest.raises(OptionError, match=r"modules.py is not that of 1.0.1: it has 'np.object' 0 times"):
        dm_generator._changed("modules.modules", [("np.object", "object", 1)])
    monkeypatch.setattr(dm_generator, "VERSION", "2.0")
    with pytest.raises(OptionError, match="which is 1.0.1 here; pip install mathematics_dataset==2.0"):
        made([LINEAR], 12, print)


def test_workers_are_light():
    code = "import sys, data.dm_generator; print('torch' in sys.modules, 'sympy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False False\n"
