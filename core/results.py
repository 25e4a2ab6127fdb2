"""results.csv of a sweep: one line per finished run with its options and numbers. It can be rebuilt at any time.

python -m core.results runs/small/edge_popup_fc
"""

from __future__ import annotations

import csv
import io
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import SieveError, StoreError
from core.files import write_atomic
from core.locks import hold
from core.store import Run, readable

NAME = "results.csv"
FIRST = ("finished", "signature")
PATIENCE = 60  # seconds to wait for another run that writes
log = logging.getLogger("sieve")


def append_result(run: Run) -> None:
    """Add a finished run to the results.csv of its sweep, unless it stands there already.

    A run that has columns which the file lacks, and a file that a kill left half-written, make it anew. A file that
    cannot be written is reported and costs the run nothing: it can be made again from the runs.
    """
    try:
        _append(run)
    except (OSError, SieveError) as error:
        folder = run.folder.parent
        log.warning("%s is not written (%s); python -m core.results %s makes it anew", folder / NAME, error, folder)


def _append(run: Run) -> None:
    path = run.folder.parent / NAME
    line = _line(run)
    with hold(run.folder.parent / f".{NAME}.lock", PATIENCE) as mine:
        if not mine:
            raise StoreError(f"another run has been writing it for {PATIENCE} s")
        text = path.read_text() if path.exists() else ""
        header = next(csv.reader([text.partition("\n")[0]]), [])
        if not text.endswith("\n") or not set(line) <= set(header):
            _rebuild(path.parent)
        elif not any(row["signature"] == run.signature for row in csv.DictReader(io.StringIO(text))):
            with path.open("a", newline="") as file:
                csv.DictWriter(file, header, lineterminator="\n").writerow(line)


def rebuild_results(folder: Path) -> int:
    """Write the results.csv of a sweep's folder anew from its finished runs, and return how many there are.

    Raises:
        StoreError: there is no finished run.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StoreError(f"there is no folder {str(folder)!r}; a sweep's is runs/<sweep>")
    with hold(folder / f".{NAME}.lock"):
        return _rebuild(folder)


def _rebuild(folder: Path) -> int:
    runs = [run for run in readable(sorted(folder.glob("*/options.yaml"))) if run.state == "done"]
    lines = sorted((_line(run) for run in runs), key=lambda line: (line["finished"], line["signature"]))
    if not lines:
        raise StoreError(f"there is no finished run in {folder}")
    rest = sorted({name for line in lines for name in line} - set(FIRST), key=lambda name: ("/" in name, name))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIRST, *rest], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_atomic(folder / NAME, text.getvalue().encode())
    return len(lines)


def _line(run: Run) -> dict[str, Any]:
    finished = datetime.fromtimestamp(run.status.get("updated", 0), UTC).isoformat(timespec="seconds")
    options = {k: ",".join(map(str, v)) if isinstance(v, tuple) else v for k, v in run.options.items()}
    chosen = {name: value for name, value in options.items() if not name.startswith("run.") and name != "log"}
    return {"finished": finished, "signature": run.signature} | chosen | run.summary


def main(folders: list[str]) -> int:
    """Make the results.csv of each folder and say so."""
    if not folders:
        sys.stderr.write("core.results: which? python -m core.results runs/<sweep> ...\n")
        return 2
    try:
        for folder in folders:
            sys.stdout.write(f"{Path(folder) / NAME}: {rebuild_results(Path(folder))} runs\n")
    except SieveError as error:
        sys.stderr.write(f"core.results: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
