"""SCAN as published: sizes, words and lengths; and files that are fetched are the published ones."""

import hashlib
from pathlib import Path

import pytest
import torch

from core.errors import OptionError
from data import scan
from data.download import fetch
from data.scan import ACTIONS, COMMANDS, load_scan, parse_scan

CACHE = Path(__file__).parents[2] / "cache"
SIZES = {  # training and test pairs, longest command and answer of each
    "simple": (16_728, 4_182, (9, 48), (9, 48)), "length": (16_990, 3_920, (9, 22), (9, 48)),
    "jump": (14_670, 7_706, (9, 48), (9, 48)), "turn_left": (21_890, 1_208, (9, 48), (8, 27)),
}  # fmt: skip


@pytest.mark.skipif(not (CACHE / "scan").is_dir(), reason="SCAN is not in cache/")
@pytest.mark.parametrize("split", SIZES)
def test_published_sizes(split):
    sets = load_scan(split, CACHE)
    assert (len(sets["train"]), len(sets["test"])) == SIZES[split][:2]
    for part, longest in zip(sets.values(), SIZES[split][2:], strict=True):
        assert (int(part.source.length.max()), int(part.target.length.max())) == longest


LINES = ["IN: jump twice OUT: I_JUMP I_JUMP", "IN: turn left and walk OUT: I_TURN_LEFT I_WALK", "IN: run OUT: I_RUN"]


def test_pairs():
    found = parse_scan(LINES)
    source, source_length, target, target_length = found.batch(torch.arange(3))
    assert [COMMANDS[i] for i in source[1]] == ["turn", "left", "and", "walk"]
    assert [ACTIONS[i] for i in target[1]] == ["I_TURN_LEFT", "I_WALK"]
    assert source_length.tolist() == [2, 4, 1] and target_length.tolist() == [2, 2, 1]
    assert source[0, 2:].tolist() == [len(COMMANDS)] * 2 and target[2].tolist() == [4, len(ACTIONS)]


def test_mistakes():
    with pytest.raises(OptionError, match="unknown split 'jumps'; allowed: simple, .*; did you mean 'jump'?"):
        load_scan("jumps")
    for line in ("jump OUT I_JUMP", "IN: hop OUT: I_JUMP", "IN: jump OUT: I_HOP", "IN: jump OUT: I_JUMP OUT: I_JUMP"):
        with pytest.raises(OptionError, match="line 2 is not a pair of SCAN"):
            parse_scan([LINES[0], line])


def test_fetched_once_and_checked(tmp_path, monkeypatch):
    mirror, cache = tmp_path / "mirror", tmp_path / "cache"
    content = ("\n".join(LINES) + "\n").encode()
    for part in ("train", "test"):
        path = mirror / "simple_split" / f"tasks_{part}_simple.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(scan, "BASE", mirror.as_uri())
    monkeypatch.setitem(scan.FILES, "simple", ("simple_split", "simple", sha256, sha256))
    assert len(load_scan("simple", cache)["test"]) == 3
    (mirror / "simple_split" / "tasks_train_simple.txt").unlink()
    assert len(load_scan("simple", cache)["train"]) == 3, "it is there already"

    kept = cache / "scan" / "simple_split" / "tasks_train_simple.txt"
    kept.write_bytes(content + b"more")
    with pytest.raises(OptionError, match="is not the published file: sha256 .*; remove it, and it is fetched again"):
        load_scan("simple", cache)
    kept.unlink()
    with pytest.raises(OptionError, match="cannot be fetched .*; put it at .*tasks_train_simple.txt"):
        load_scan("simple", cache)
    with pytest.raises(OptionError, match="is not the published file"):
        fetch((mirror / "simple_split" / "tasks_test_simple.txt").as_uri(), tmp_path / "other", "0" * 64)
    assert not (tmp_path / "other").exists(), "what is not right is not kept"
