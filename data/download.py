"""Downloads: verified by hash, once and by one process at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from core.errors import OptionError
from core.files import write_atomic
from core.locks import turn

TIMEOUT = 60  # seconds without an answer


def fetch(url: str, path: Path, sha256: str) -> Path:
    """Return `path`, which holds the file of that hash; it is fetched if it is not there.

    Args:
        url: https, or file for a mirror on this machine.
        path: where it lies or will lie.
        sha256: of its bytes, 64 hex digits.

    Raises:
        OptionError: it cannot be fetched, or it is another file than the published one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with turn(path.with_name(f".{path.name}.lock")):  # two that fetch at once would spoil each other's file
        if path.exists():
            _check(path.read_bytes(), sha256, str(path), "remove it, and it is fetched again")
            return path
        try:
            with urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310
                data = answer.read()
        except (URLError, OSError) as error:
            why = getattr(error, "reason", None) or error
            raise OptionError(f"{url} cannot be fetched ({why}); put it at {path}") from None
        _check(data, sha256, url, f"put the right one at {path}")
        write_atomic(path, data)
    return path


def _check(data: bytes, sha256: str, name: str, advice: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise OptionError(
            f"{name} is not the published file: sha256 {found[:12]}..., expected {sha256[:12]}...; {advice}"
        )
