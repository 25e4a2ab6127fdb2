"""options.yaml of a run folder: what the run is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from core.errors import DamagedError, StoreError
from core.files import write_atomic
from core.options import OUTSIDE_SIGNATURE, flatten, revisions, signature
from core.values import said

FORMAT = 1


def describe(folder: Path, options: Any) -> None:
    """Write options.yaml of a run with these options into a folder."""
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in flatten(options).items()}
    description = {
        "format": FORMAT,
        "task": options.task,
        "signature": signature(options),
        "revision": revisions(options),
        "sweep": options.run.sweep,
        "options": values,
    }
    write_atomic(folder / "options.yaml", yaml.safe_dump(description, sort_keys=False).encode())


def read_description(folder: Path) -> dict[str, Any]:
    """Return what options.yaml of a run folder says.

    Raises:
        StoreError: there is none, or it is of another format; DamagedError: it is not what `describe` writes.
    """
    path = folder / "options.yaml"
    try:
        description = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise StoreError(f"{folder} is not a run folder: it has no options.yaml") from None
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise DamagedError(f"cannot read {path}: {(str(error).splitlines() or ['?'])[0]}") from None
    if not isinstance(description, dict):
        raise DamagedError(f"{path} is damaged: it is no mapping")
    if (found := description.get("format")) != FORMAT:
        raise StoreError(f"{folder} is of run format {said(found)}; this program reads and writes format {FORMAT}")
    for key, kind in (("task", str), ("sweep", str), ("signature", str), ("options", dict)):
        if not isinstance(description.get(key), kind):
            raise DamagedError(f"{path} is damaged: it has no {key}:")
    if not isinstance(description.get("revision") or {}, dict) or not all(
        isinstance(k, str) for k in description["options"]
    ):
        raise DamagedError(f"{path} is damaged: revision: and options: are no mappings of names")
    return description


def other_than(run: Any, options: Any) -> str:
    """Return in what a run's options.yaml differs from these options, or ""; run.* and log may."""
    mine = flatten(options)
    del mine["task"]  # a file may lie elsewhere; the signature has its name and its digest
    if run.signature != signature(options) or Path(run.task).name != Path(options.task).name:
        return (
            f"it is of {said(run.task)} {said(run.signature)}, and lies where {options.task} {signature(options)} does"
        )
    for name, value in run.options.items():
        if name in mine and not name.startswith(OUTSIDE_SIGNATURE) and value != mine[name]:
            return f"it has {name}={said(value)}, and lies where {said(mine[name])} does"
    return ""
