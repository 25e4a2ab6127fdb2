"""Applying what a run streams: chunks of lines with their offsets, and how it ended."""

import json
from typing import Any

from tests.loopback import sweeps
from tests.loopback.state import State, StoredRun


def apply(state: State, run: StoredRun, sent: dict[str, Any]) -> dict[str, Any]:
    """Take in one request and answer it. Hold the lock of the state."""
    for name, chunk in (sent.get("files") or {}).items():
        put(run, name, chunk)
    run.beat()
    if run.state in ("pending", "crashed"):
        run.state = "running"  # whoever was given up speaks again
    if sent.get("preempting"):
        run.preempting = True
    if sent.get("complete"):
        end(state, run, int(sent.get("exitcode") or 0))
    return {"stopped": True} if run.stopping and run.state == "running" else {}


def put(run: StoredRun, name: str, chunk: dict[str, Any]) -> None:
    lines, offset = chunk["content"], chunk.get("offset") or 0
    if name == "wandb-history.jsonl":
        overlay(run.history, offset, [json.loads(line) for line in lines])
    elif name == "wandb-events.jsonl":
        overlay(run.events, offset, [json.loads(line) for line in lines])
    elif name == "output.log":
        overlay(run.log_lines, offset, lines)
    elif name == "wandb-summary.json" and lines:
        run.summary = json.loads(lines[-1])


def overlay(stored: list, offset: int, lines: list) -> None:
    """Lines have a place: a chunk that is sent twice, because its answer was lost, counts once."""
    stored[offset : offset + len(lines)] = lines


def end(state: State, run: StoredRun, exitcode: int) -> None:
    run.exitcode = exitcode
    if exitcode == 0:
        run.state = "finished"
    elif run.preempting:
        run.state = "preempted"
        sweeps.requeue(state, run)
    else:
        run.state = "killed" if run.stopping else "failed"
    run.stopping = False
