"""Requests of the launcher to the W&B server, in a separate process: the client starts threads, and may block for long.

`ask({"create": config, ...})` and `ask({"look": "entity/project/id"})` start `python -m launch.wandb_client`, which
reads the question as JSON and prints the answer as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from core.errors import SweepError
from core.trackers import PROJECT

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 180.0  # for one answer; the client itself tries for about 20 s
DIR = "--run.dir="


def create(config: dict[str, Any]) -> dict[str, Any]:
    """Create a sweep and return what `look` returns of it.

    Args:
        config: the sweep file as a mapping.

    Raises:
        SweepError: the server refuses it, or cannot be reached.
    """
    return ask({"create": config})


def look(path: str) -> dict[str, Any]:
    """Return what the server knows of a sweep.

    Args:
        path: entity/project/id, or the id alone where WANDB_ENTITY and WANDB_PROJECT say the rest.

    Returns:
        path: entity/project/id; url: its page; name: of its config; dir: its runs' --run.dir, or None; state: RUNNING,
        FINISHED, ...; runs: state -> number; expected: how many a grid has, or None.

    Raises:
        SweepError: there is no such sweep, or the server cannot be reached.
    """
    return ask({"look": path})


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """Put a question to the server and return the answer.

    Raises:
        SweepError: there is none.
    """
    command = [sys.executable, "-m", "launch.wandb_client"]
    try:
        ended = subprocess.run(
            command,
            input=json.dumps(question),
            cwd=ROOT,
            start_new_session=True,
            timeout=PATIENCE_SECONDS,
            text=True,
            capture_output=True,
        )
        answer = json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        raise SweepError(f"W&B gave no answer within {PATIENCE_SECONDS:.0f} s") from None
    except ValueError:
        last = (ended.stderr.strip().splitlines() or [f"code {ended.returncode}"])[-1]
        raise SweepError(f"the W&B client failed: {last}") from None
    if "error" in answer:
        raise SweepError(f"W&B: {answer['error']}")
    return answer


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise SweepError("no account key here; run wandb login once")
    if "look" in question:
        return _look(wandb.Api(), question["look"])
    config = question["create"]
    project = config.get("project") or os.environ.get("WANDB_PROJECT") or PROJECT
    entity = config.get("entity") or os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
    identity = wandb.sweep(config, entity=entity, project=project)
    return _look(wandb.Api(), f"{entity}/{project}/{identity}")


def _look(api: Any, path: str) -> dict[str, Any]:
    if path.count("/") == 0 and "WANDB_PROJECT" not in os.environ:
        path = f"{PROJECT}/{path}"
    sweep = api.sweep(path)
    runs = api.runs(f"{sweep.entity}/{sweep.project}", filters={"sweep": sweep.id}, per_page=1000)
    return {
        "path": f"{sweep.entity}/{sweep.project}/{sweep.id}",
        "url": sweep.url,
        "name": sweep.config.get("name"),
        "dir": next((word[len(DIR) :] for word in sweep.config.get("command", []) if word.startswith(DIR)), None),
        "state": sweep.state,
        "runs": Counter(run.state for run in runs),
        "expected": sweep.expected_run_count,
    }


def _one_line(error: Exception) -> str:
    from core.wandb import mistake

    return mistake(error) if hasattr(error, "errors") else " ".join(str(error).split()) or type(error).__name__


def main() -> None:
    """Answer the question on stdin."""
    with contextlib.redirect_stdout(sys.stderr):  # where the client says what it does
        try:
            answer = _answer(json.load(sys.stdin))
        except Exception as error:  # whatever the client raises is an answer to the user
            answer = {"error": _one_line(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
