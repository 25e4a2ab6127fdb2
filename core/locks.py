"""Locks: who does a run, and whose turn it is to write in a folder that several share.

A lock is held on an open file by the system (flock), so it ends with its process, whatever ends that, and an empty file
that was copied along holds nothing. Where the file system has no such locks (some network ones), a file `<name>.held`
with host and process stands for one; that of a process which is gone from this machine is not counted.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLock, Timeout

from core.errors import StoreError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
TICK = 0.05  # seconds
log = logging.getLogger("sieve")


def is_held(path: Path) -> bool:
    """Return whether a process holds a lock; nothing is written, and True where that cannot be seen."""
    if _marker(path).exists():
        return not _is_left_behind(_marker(path))
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError:
        return True
    except OSError:  # there is none
        return False
    try:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a shared one needs no right to write
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


@contextmanager
def hold(path: Path, patience: float | None = None) -> Iterator[bool]:
    """Hold a lock while the block runs; gives False when another process holds it for longer than `patience`.

    Args:
        path: the file; made if there is none.
        patience: seconds to wait; None: without end.

    Raises:
        StoreError: it cannot be made or locked here.
    """
    end = time.monotonic() + (float("inf") if patience is None else patience)
    try:
        handle = _open(path)
        try:
            while not _lock(handle, path):
                if time.monotonic() > end:
                    yield False
                    return
                time.sleep(TICK)
            # Somebody may have removed the folder, and made it again, in the meantime.
            if not os.path.exists(path) or os.fstat(handle).st_ino != os.stat(path).st_ino:
                os.close(handle)
                handle = _open(path)
                if not _lock(handle, path):
                    yield False
                    return
            yield True
        finally:
            os.close(handle)
    except _NoLocks:
        with _marked(path, patience) as mine:
            yield mine


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for one's turn to write in a folder; where it cannot be written, nobody has to wait for anybody.

    Args:
        path: the lock's file, in the folder.
    """
    if not os.access(path.parent, os.W_OK):
        yield
        return
    with hold(path):
        yield


class _NoLocks(Exception):
    """The file system has none."""


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        why = "it is a folder; remove it" if isinstance(error, IsADirectoryError) else error.strerror
        raise StoreError(f"cannot lock {path}: {why}") from None


def _lock(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise _NoLocks from None
        if error.errno == errno.EACCES:  # some file systems' word for it
            return False
        raise StoreError(f"cannot lock {path}: {error.strerror}") from None
    return True


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.held")


@contextmanager
def _marked(path: Path, patience: float | None) -> Iterator[bool]:
    log.debug("%s: this file system has no locks; %s stands for one", path.parent, _marker(path).name)
    lock = SoftFileLock(_marker(path), timeout=-1 if patience is None else patience)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror}") from None
    try:
        yield True
    finally:
        lock.release()


def _is_left_behind(marker: Path) -> bool:
    """True of the file of a process that is gone from this machine, and of one that names nobody."""
    try:
        words = marker.read_text().split()
    except (OSError, UnicodeDecodeError):
        return False
    if len(words) < 2 or not words[0].isdecimal():
        return time.time() - marker.stat().st_mtime > 10  # it is written within an instant
    if words[1] != socket.gethostname():
        return False
    try:
        os.kill(int(words[0]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
