"""A copy of the code as it is now, for runs that begin later: editing the tree while they wait changes none of them.

A copy lies in <run.dir>/.code/<hash of its content>/, once for every content, with the commit it is of in
snapshot.json and what was changed since in snapshot.diff. `core.provenance` names it in a run's environment.json.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from core.errors import StoreError
from core.files import write_json
from core.provenance import SNAPSHOT, code_version

FOLDER = ".code"
SUFFIXES = (".py", ".yaml", ".txt", ".toml")  # what a run reads of the tree
NOT_CODE = ("runs", "cache", "wandb", "site-packages", "__pycache__")


def snapshot(root: Path, run_dir: str | Path) -> Path:
    """Copy the code below `root`, unless there is a copy of this very content, and return the copy's folder.

    Args:
        root: the toolkit's folder.
        run_dir: the folder of all results.

    Raises:
        StoreError: the copy cannot be written.
    """
    files = {str(path.relative_to(root)): path.read_bytes() for path in _code(root)}
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    place = Path(run_dir).resolve() / FOLDER / digest.hexdigest()[:12]
    if place.is_dir():
        return place
    half = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        for name, data in files.items():
            (half / name).parent.mkdir(parents=True, exist_ok=True)
            (half / name).write_bytes(data)
            (half / name).chmod(0o444)  # an editor that is pointed at the wrong file says so
        (half / "snapshot.diff").write_bytes(_changes(root))
        write_json(half / SNAPSHOT, {"snapshot": place.name} | code_version())
        half.rename(place)
    except OSError as error:
        shutil.rmtree(half, ignore_errors=True)
        if not place.is_dir():  # or another launcher was quicker
            raise StoreError(f"cannot copy the code to {place}: {error.strerror or error}") from None
    return place


def _code(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_CODE]
        yield from (Path(folder, name) for name in names if name.endswith(SUFFIXES) and not name.startswith("."))


def _changes(root: Path) -> bytes:
    command = ["git", "--no-optional-locks", "-C", str(root), "diff", "--binary", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return b""
