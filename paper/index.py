"""paper/out/index.html: every figure with its numbers, what the paper reports, and the commands that made it."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.files import write_atomic
from paper.figure import Plot

log = logging.getLogger("sieve")
NEEDED = {"group", "settings", "rows", "commands", "count", "missing"}
LONGEST = 16  # rows of a table that is shown unfolded
STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #666; --line: #e3e3e3; --accent: #0072b2; }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 5rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.4rem; margin: 3rem 0 .5rem; }
h3 { font-size: 1.15rem; margin: 2.5rem 0 .25rem; } h4 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { max-width: 48rem; } a { color: var(--accent); } nav li { margin: .15rem 0; }
.soft { color: var(--soft); font-size: .92rem; }
.paper { border-left: 4px solid var(--accent); margin: .75rem 0; padding: .1rem 0 .1rem 1rem; }
img { display: block; width: auto; max-width: min(100%, 46rem); height: auto; margin: .5rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; margin: .5rem 0; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line); }
th { font-weight: 600; vertical-align: bottom; max-width: 9rem; } td { white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; } td small { color: var(--soft); }
pre { background: #f6f6f6; padding: .6rem .8rem; overflow-x: auto; font-size: .85rem; }
"""


def write_index(out: Path, plots: Sequence[Plot], redrawn: Collection[Plot], drawn: Collection[Path]) -> Path:
    """Write the page and return its path.

    Args:
        out: the folder of the figures.
        plots: every figure, in the order of the page.
        redrawn: figures drawn just now; of these only what is in `drawn` is shown (and what --set made
            before), so that pictures of runs that are gone do not stay on the page.
        drawn: the tables (.json) written just now.
    """
    now = {path.resolve() for path in drawn}
    sections, contents, lacking, family = [], [], [], ""
    for plot in plots:
        records = [
            (path, record)
            for path in sorted((out / plot.name).glob("*.json"))
            if (record := _read(path)) is not None
            and (plot not in redrawn or path.resolve() in now or record["settings"])
        ]
        if not records:
            lacking.append(_lacking(plot))
            continue
        if plot.family != family:
            family = plot.family
            sections.append(f"<h2>{escape(family)}</h2>")
        sections.append(_section(plot, records, out))
        contents.append(f'<li><a href="#{quote(plot.name)}">{escape(plot.title)}</a></li>')
    if lacking:
        sections += ["<h2>Not drawn yet</h2><p>These have no finished runs. Their sweeps:</p>", *lacking]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<title>Sieve: figures and tables</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>Figures and tables</h1>\n"
        '<p class="soft">Drawn from the finished runs of each sweep. Numbers are mean ± sample standard '
        "deviation, in parentheses the number of seeds (n); a single seed has no deviation. A line runs only through "
        "places that have a value of every seed of the line; a hollow point is the mean of fewer. What "
        "a paper reports stands here in words where its numbers are not known to us.</p>\n"
        f"<nav><ul>{''.join(contents)}</ul></nav>\n" + "\n".join(sections) + "\n</body>\n</html>\n"
    )
    write_atomic(out / "index.html", page.encode())
    return out / "index.html"


def _section(plot: Plot, records: Sequence[tuple[Path, dict[str, Any]]], out: Path) -> str:
    paper = escape(plot.paper) or "we know of no statement or number for this figure."
    parts = [
        f'<section id="{escape(plot.name, quote=True)}">\n<h3>{escape(plot.title)}</h3>',
        f'<p class="soft">{escape(plot.caption)}</p>',
        f'<p class="paper"><b>The paper:</b> {paper}</p>',
    ]
    for path, record in records:
        chosen = "".join(f", {name} {value}" for name, value in record["settings"].items())
        missing = f"; no finished runs of {', '.join(record['missing'])}" if record["missing"] else ""
        link = quote(path.with_suffix("").relative_to(out).as_posix())
        files = ", ".join(f'<a href="{link}.{kind}">{kind}</a>' for kind in ("png", "pdf", "csv", "json"))
        title = escape(f"{record['group']}{chosen}", quote=True)
        alt = f"{escape(plot.title, quote=True)}: {title}"
        parts += [
            f'<h4>{title} <span class="soft">{escape(record["count"] + missing)}</span></h4>',
            f'<a href="{link}.png"><img src="{link}.png" alt="{alt}"></a>',
            _table(record["rows"]),
            *(f'<p class="paper"><b>{escape(note)}</b></p>' for note in _notes(record)),
            f'<p class="soft">Files: {files}. Made by:</p>',
            f"<pre>{escape(chr(10).join(record['commands']))}</pre>",
        ]
    return "\n".join([*parts, "</section>"])


def _notes(record: dict[str, Any]) -> list[str]:
    """Return what one should know before comparing a picture with others."""
    trial = ", ".join(f"{name} {value}" for name, value in record.get("trial", {}).items())
    notes = [f"A trial: these runs are not those that the sweep file asks for, but have {trial}."] if trial else []
    return [*notes, *(f"{note[:1].upper()}{note[1:]}." for note in record.get("notes", []))]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    columns = [c for c in columns if any(row.get(c) not in ("", None) for row in rows)]
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(f"<tr>{''.join(_cell(row.get(column, '')) for column in columns)}</tr>" for row in rows)
    table = f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'
    if len(rows) > LONGEST:
        return f"<details><summary>Table of {len(rows)} rows</summary>{table}</details>"
    return table


def _cell(cell: Any) -> str:
    if isinstance(cell, dict):
        number = f" <small>({cell['n']})</small>" if cell["n"] else ""
        return f'<td class="number">{escape(cell["text"])}{number}</td>'
    if isinstance(cell, (int, float)):
        return f'<td class="number">{cell:,}</td>'
    return f"<td>{escape(str(cell))}</td>"


def _lacking(plot: Plot) -> str:
    sweeps = [f"./run.py sweeps/small/{name}.yaml --all" for name in plot.sweeps]
    return f"<p>{escape(plot.title)}</p><pre>{escape(chr(10).join(sweeps))}</pre>"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if NEEDED <= record.keys() else None
    except (OSError, ValueError, AttributeError) as error:
        log.warning("left out of the index: %s (%s)", path, error)
        return None
