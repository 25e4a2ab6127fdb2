"""Locks: seen without a right to write, held by processes and never by files, and replaced where there are none."""

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
import time

import pytest

from core import locks
from core.errors import StoreError
from core.locks import hold, is_held, turn

HOLD = """
import sys, time
from core.locks import *
with hold(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def test_a_lock_is_held_while_its_process_lives(path):
    assert not is_held(path) and not path.exists(), "looking makes nothing"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"True\n"
        assert is_held(path)
        with hold(path, patience=0.1) as mine:
            assert not mine
        other.kill()
    assert not is_held(path)
    with hold(path) as mine:
        assert mine and is_held(path)


def test_an_empty_file_that_was_copied_along_holds_nothing(path):
    path.touch()
    assert not is_held(path)
    with hold(path, patience=0) as mine:
        assert mine


def test_looking_needs_no_right_to_write(path, monkeypatch):
    """Root may write anywhere, so the system's answer to opening for writing is put in its place."""
    real = os.open

    def read_only(name, flags, *rest, **more):  # fmt: skip
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name, flags, *rest, **more)

    with hold(path):
        monkeypatch.setattr(locks.os, "open", read_only)
        assert is_held(path)
    assert not is_held(path)
    with pytest.raises(StoreError, match=r"^cannot lock \S+: Permission denied$"), hold(path):
        pass
    monkeypatch.setattr(locks.os, "access", lambda *_: False)
    with turn(path):
        pass  # nobody can write there, so nobody has to wait


def test_a_folder_in_its_place_is_one_sentence(path):
    path.mkdir()
    assert not is_held(path)
    with pytest.raises(StoreError, match=r"^cannot lock \S+: it is a folder; remove it$"), hold(path):
        pass


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without flock."""

    def flock(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)


def test_without_locks_a_named_file_stands_for_one(path, no_locks):
    with hold(path, patience=0.1) as mine:
        assert mine and path.with_name("lock.held").exists() and is_held(path)
        with hold(path, patience=0.1) as second:
            assert not second
    assert not is_held(path) and not path.with_name("lock.held").exists()


@pytest.mark.parametrize(
    ("text", "age", "held"),
    [
        (f"999999999\n{socket.gethostname()}\n", 0, False),
        (f"{os.getpid()}\n{socket.gethostname()}\n", 0, True),
        ("1\nanother-machine\n", 0, True),
        ("", 0, True),
        ("", 60, False),
        ("what is this", 60, False),
    ],
    ids=["ended", "this process", "elsewhere", "being written", "never written", "not ours"],
)
def test_whose_file_it_is_decides(path, no_locks, text, age, held):
    marker = path.with_name("lock.held")
    marker.write_text(text)
    os.utime(marker, (time.time() - age,) * 2)
    assert is_held(path) == held


def test_a_folder_that_is_made_again_is_locked_again(path, monkeypatch):
    removed = []
    real = fcntl.flock

    def flock(handle, operation):
        if not removed and stat.S_ISREG(os.fstat(handle).st_mode):
            removed.append(path.unlink())
        return real(handle, operation)

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with hold(path) as mine:
        assert mine and path.exists() and is_held(path)
