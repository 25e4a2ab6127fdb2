"""paper/out/index.html: every figure with its numbers, what the paper says, and the commands that made it."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader

from core.files import write_atomic
from paper.figure import Plot

log = logging.getLogger("sieve")
TEMPLATE = "index.html.j2"
NEEDED = {"group", "settings", "rows", "commands", "count", "missing"}
LONGEST = 16  # rows of a table that is shown unfolded


def write_index(out: Path, plots: Sequence[Plot], redrawn: Collection[Plot], drawn: Collection[Path]) -> Path:
    """Write the page and return its path.

    Args:
        out: the folder of the figures.
        plots: every figure, in the order of the page; one that reads no sweep of its own only if it is drawn.
        redrawn: figures drawn just now; of these only what is in `drawn` is shown (and what --set made
            before), so that pictures of runs that are gone do not stay on the page.
        drawn: the tables (.json) written just now.
    """
    now = {path.resolve() for path in drawn}
    shown, lacking = [], []
    for plot in plots:
        records = [
            _shown(path, record, out)
            for path in sorted((out / plot.name).glob("*.json"))
            if (record := _read(path)) is not None
            and (plot not in redrawn or path.resolve() in now or record["settings"])
        ]
        if records:
            shown.append((plot, records))
        elif plot.sweeps:
            lacking.append(plot)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters["format_sweep"] = lambda name: f"./run.py sweeps/small/{name}.yaml --all"
    page = environment.get_template(TEMPLATE).render(shown=shown, lacking=lacking, longest=LONGEST)
    write_atomic(out / "index.html", page.encode())
    return out / "index.html"


def _shown(path: Path, record: dict[str, Any], out: Path) -> dict[str, Any]:
    """Return a stored figure with what the page says of it besides."""
    columns = list(dict.fromkeys(column for row in record["rows"] for column in row))
    return record | {
        "title": record["group"] + "".join(f", {name} {value}" for name, value in record["settings"].items()),
        "link": quote(path.with_suffix("").relative_to(out).as_posix()),
        "columns": [c for c in columns if any(row.get(c) not in ("", None) for row in record["rows"])],
        "remarks": _remarks(record),
    }


def _remarks(record: dict[str, Any]) -> list[str]:
    """Return what one should know before comparing a picture with others."""
    trial = ", ".join(f"{name} {value}" for name, value in record.get("trial", {}).items())
    remarks = [f"A trial: these runs are not those that the sweep file asks for, but have {trial}."] if trial else []
    return [*remarks, *(f"{note[:1].upper()}{note[1:]}." for note in record.get("notes", []))]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if NEEDED <= record.keys() else None
    except (OSError, ValueError, AttributeError) as error:
        log.warning("left out of the index: %s (%s)", path, error)
        return None
