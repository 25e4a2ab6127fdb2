"""Reading the rows of a run: all of them, a range of steps, a sample, its keys, its log."""

import math
from collections.abc import Iterator
from typing import Any

from tests.loopback.filters import dig, page
from tests.loopback.state import StoredRun


def flat_keys(row: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in row.items():
        if isinstance(value, dict) and "_type" not in value:
            yield from flat_keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def history_keys(run: StoredRun) -> dict[str, Any] | None:
    if not run.history:
        return None
    keys = {key: {"typeCounts": [{"type": "number"}]} for row in run.history for key in flat_keys(row)}
    return {"lastStep": max(row.get("_step", 0) for row in run.history), "keys": keys, "sets": []}


def within(run: StoredRun, lowest: float | None, end: float | None) -> list[dict[str, Any]]:
    lowest = -math.inf if lowest is None else lowest
    end = math.inf if end is None else end
    return [row for row in run.history if lowest <= row.get("_step", 0) < end]


def thin(rows: list, samples: int | None) -> list:
    """At most so many of them, evenly spread; the real server draws them at random."""
    if not samples or len(rows) <= samples:
        return rows
    return [rows[index * len(rows) // samples] for index in range(samples)]


def speakable(value: Any) -> Any:
    """NaN and infinity have no place in JSON proper: the API answers with their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def sampled(run: StoredRun, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Only rows that have all the keys, and only these keys of them; here the last step is included."""
    keys, last = spec.get("keys") or [], spec.get("maxStep")
    rows = within(run, spec.get("minStep"), None if last is None else last + 1)
    rows = [row for row in rows if all(key in set(flat_keys(row)) or key in row for key in keys)]
    chosen = [{key: speakable(dig(row, key)) for key in keys} if keys else row for row in rows]
    return thin(chosen, spec.get("samples") or 500)


def log_lines(run: StoredRun, **asked: Any) -> dict[str, Any]:
    nodes = [{"number": index, "timestamp": None, "level": "error" if line.startswith("ERROR ") else "info",
              "label": "", "line": line} for index, line in enumerate(run.log_lines)]  # fmt: skip
    if asked.get("last"):
        return page(nodes[-asked["last"] :], asked["last"], None)
    return page(nodes, asked.get("first"), asked.get("after"))
