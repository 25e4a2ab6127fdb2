"""Choosing runs and sweeps: Mongo-like filters, sort orders and pages."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.loopback.language import GraphQLError
from tests.loopback.state import StoredRun, StoredSweep, timestamp

MISSING = object()
RUN_FIELDS = {
    "name": lambda run: run.name,
    "display_name": lambda run: run.display_name,
    "state": lambda run: run.state,
    "group": lambda run: run.group,
    "job_type": lambda run: run.job_type,
    "sweep": lambda run: run.sweep,
    "tags": lambda run: run.tags,
    "host": lambda run: run.host,
    "entity": lambda run: run.entity,
    "username": lambda run: "tester",
    "created_at": lambda run: timestamp(run.created_at),
    "updated_at": lambda run: timestamp(run.updated_at),
    "heartbeat_at": lambda run: timestamp(run.heartbeat_at),
}
SWEEP_FIELDS = {
    "name": lambda sweep: sweep.id,
    "display_name": lambda sweep: sweep.name,
    "state": lambda sweep: sweep.state,
    "method": lambda sweep: sweep.config.get("method"),
    "created_at": lambda sweep: timestamp(sweep.created_at),
    "updated_at": lambda sweep: timestamp(sweep.updated_at),
}


def snake(name: str) -> str:
    """The client writes displayName as well as display_name."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match[1].lower(), name)


def dig(value: Any, path: str) -> Any:
    """What lies at a dotted path; a key may hold dots itself."""
    if not path:
        return value
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        parts = path.split(".")
        for end in range(len(parts) - 1, 0, -1):
            head, rest = ".".join(parts[:end]), ".".join(parts[end:])
            if head in value:
                return dig(value[head], rest)
    return MISSING


def run_value(run: StoredRun, name: str) -> Any:
    head, _, rest = name.partition(".")
    if head == "config":
        found = dig(run.config, rest)
        return dig(run.config, rest.removesuffix(".value")) if found is MISSING else found
    if head in ("summary_metrics", "summaryMetrics"):
        return dig(run.summary, rest)
    if snake(name) not in RUN_FIELDS:
        raise GraphQLError(f"Invalid filter: unknown field {name!r} of a run")
    return RUN_FIELDS[snake(name)](run)


def sweep_value(sweep: StoredSweep, name: str) -> Any:
    if snake(name) not in SWEEP_FIELDS:
        raise GraphQLError(f"Invalid filter: unknown field {name!r} of a sweep")
    return SWEEP_FIELDS[snake(name)](sweep)


def equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, list) and not isinstance(wanted, list):
        return wanted in found
    if isinstance(found, bool) != isinstance(wanted, bool):
        return False
    return wanted is None if found is MISSING else found == wanted


def comparable(found: Any, wanted: Any) -> bool:
    numbers = isinstance(found, (int, float)) and isinstance(wanted, (int, float))
    return numbers or (isinstance(found, str) and isinstance(wanted, str))


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": equal,
    "$ne": lambda found, wanted: not equal(found, wanted),
    "$in": lambda found, wanted: any(equal(found, one) for one in wanted),
    "$nin": lambda found, wanted: not any(equal(found, one) for one in wanted),
    "$exists": lambda found, wanted: (found is not MISSING) == bool(wanted),
    "$regex": lambda found, wanted: isinstance(found, str) and re.search(wanted, found) is not None,
    "$gt": lambda found, wanted: comparable(found, wanted) and found > wanted,
    "$gte": lambda found, wanted: comparable(found, wanted) and found >= wanted,
    "$lt": lambda found, wanted: comparable(found, wanted) and found < wanted,
    "$lte": lambda found, wanted: comparable(found, wanted) and found <= wanted,
}


def condition(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping) or not any(key.startswith("$") for key in wanted):
        return equal(found, wanted)
    if "$not" in wanted:
        rest = {key: value for key, value in wanted.items() if key != "$not"}
        return not condition(found, wanted["$not"]) and (not rest or condition(found, rest))
    unknown = set(wanted) - set(OPERATORS)
    if unknown:
        raise GraphQLError(f"Invalid filter: unknown operator {sorted(unknown)}")
    return all(OPERATORS[operator](found, value) for operator, value in wanted.items())


def matches(filters: Mapping[str, Any] | None, value: Callable[[str], Any]) -> bool:
    """Whether something, seen through `value(field name)`, passes a filter."""
    for key, wanted in (filters or {}).items():
        if key == "$and":
            passes = all(matches(part, value) for part in wanted)
        elif key == "$or":
            passes = any(matches(part, value) for part in wanted)
        elif key == "$nor":
            passes = not any(matches(part, value) for part in wanted)
        else:
            passes = condition(value(key), wanted)
        if not passes:
            return False
    return True


def ordered(runs: Sequence[StoredRun], order: str | None) -> list[StoredRun]:
    """Sorted by "+created_at", "-summary_metrics.loss"...; what lacks the value comes last."""
    runs = list(runs)
    for key in reversed((order or "+created_at").split(",")):
        name = key.strip().lstrip("+-")
        there = [run for run in runs if run_value(run, name) not in (MISSING, None)]
        lacking = [run for run in runs if run_value(run, name) in (MISSING, None)]
        is_text = any(isinstance(run_value(run, name), str) for run in there)
        there.sort(
            key=lambda run: str(run_value(run, name)) if is_text else run_value(run, name),
            reverse=key.strip().startswith("-"),
        )
        runs = there + lacking
    return runs


def page(nodes: Sequence[Any], first: int | None, after: str | None) -> dict[str, Any]:
    """One page of a list, in the shape every list of the API has; the cursor is a position."""
    start = int(after) if after else 0
    end = min(start + (first or 50), len(nodes))
    return {
        "__typename": "Connection",
        "edges": [{"node": node, "cursor": str(start + index + 1)} for index, node in enumerate(nodes[start:end])],
        "pageInfo": {"__typename": "PageInfo", "endCursor": str(end) if end else None, "hasNextPage": end < len(nodes)},
    }
