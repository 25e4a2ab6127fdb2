"""The life of a sweep: created, handed out point by point to agents, requeued, stopped, finished."""

import json
import secrets
import time
from typing import Any

import yaml

from tests.loopback import grid
from tests.loopback.language import GraphQLError
from tests.loopback.state import State, StoredAgent, StoredRun, StoredSweep, storage_id

ENDED = ("FINISHED", "CANCELED")


def upsert(state: State, given: dict[str, Any]) -> StoredSweep:
    """Make a sweep of its YAML text, or change the configuration or the state of one."""
    sweep = find(state, given["id"]) if given.get("id") else None
    config = None
    if given.get("config") is not None:
        config = yaml.safe_load(given["config"])
        wrong = grid.errors(config)
        if wrong:
            raise GraphQLError("Invalid sweep config: " + "; ".join(wrong))
    if sweep is None:
        if config is None:
            raise GraphQLError("a new sweep needs a config")
        entity, project = given.get("entityName") or "lab", given.get("projectName") or "uncategorized"
        sweep = StoredSweep(secrets.token_hex(4), entity, project, config, given["config"])
        state.sweeps[sweep.id] = sweep
    if config is not None:
        sweep.config, sweep.yaml = config, given["config"]
        sweep.warnings = grid.warnings(config)
    for name, attribute in (("description", "description"), ("displayName", "display_name"),
                            ("controller", "controller"), ("scheduler", "scheduler")):  # fmt: skip
        if given.get(name) is not None:
            setattr(sweep, attribute, given[name])
    if given.get("state"):
        sweep.state = given["state"].upper()
        sweep.ended_by_hand = sweep.state in ENDED
    sweep.updated_at = time.time()
    return sweep


def find(state: State, key: str) -> StoredSweep:
    """By the printed id or by the storage id."""
    for sweep in state.sweeps.values():
        if key in (sweep.id, storage_id("Sweep", sweep.entity, sweep.project, sweep.id)):
            return sweep
    raise GraphQLError(f"sweep {key} not found", 404)


def create_agent(state: State, given: dict[str, Any]) -> StoredAgent:
    sweep = find(state, given["sweep"])
    if sweep.state in ENDED:
        raise GraphQLError(f"Sweep {sweep.id} is not running")
    agent = StoredAgent(storage_id("Agent", sweep.id, secrets.token_hex(4)), given.get("host") or "", sweep.id)
    state.agents[agent.id] = agent
    return agent


def heartbeat(state: State, given: dict[str, Any]) -> tuple[StoredAgent, list[dict[str, Any]]]:
    """Hear an agent, which tells what it runs; the answer is what it shall do."""
    agent = state.agents.get(given["id"])
    if agent is None or agent.sweep not in state.sweeps:
        raise GraphQLError("agent or sweep not found", 404)
    agent.heartbeat_at = time.time()
    listed = {name for name, runs in json.loads(given.get("runState") or "{}").items() if runs}
    for run in agent.runs:
        if run.name in agent.active - listed and run.state == "pending":
            run.state = "failed"  # it died before it told anybody that it lives
        elif run.name in agent.active - listed and run.state == "running" and run.stopping:
            run.state, run.stopping = "killed", False  # the signal left it no time to say so
    agent.active = listed
    return agent, commands(state, state.sweeps[agent.sweep], agent)


def commands(state: State, sweep: StoredSweep, agent: StoredAgent) -> list[dict[str, Any]]:
    if sweep.state == "CANCELED":
        return [{"type": "exit"}]
    if agent.active:
        return [{"type": "stop", "run_id": run.name} for run in agent.runs if run.stopping and run.name in agent.active]
    if sweep.state == "PAUSED":
        return []
    if sweep.state == "FINISHED":
        return [{"type": "exit"}]
    if sweep.queue:
        run = sweep.queue.pop(0)
        # The real server passes the whole configuration of a run it resumes, with the client's own entry.
        extra = {"_wandb": {"value": {}}} | run.raw_config
        run.state, run.preempting, run.exitcode = "pending", False, None
        return [hand_out("resume", sweep, agent, run, extra)]
    point = grid.next_point(sweep.config, sweep.points, sweep.id)
    if point is None:
        if any(state.is_awaited(run) for run in sweep.runs):
            return []
        sweep.state = "FINISHED"
        return [{"type": "exit"}]
    sweep.points.append(point)
    run = StoredRun(secrets.token_hex(4), sweep.entity, sweep.project, sweep=sweep.id, point=point, state="pending",
                    raw_config={name: {"value": value} for name, value in point.items()},
                    display_name=f"{sweep.id}-{len(sweep.points)}")  # fmt: skip
    state.add_run(run)
    return [hand_out("run", sweep, agent, run, {})]


def hand_out(
    kind: str, sweep: StoredSweep, agent: StoredAgent, run: StoredRun, extra: dict[str, Any]
) -> dict[str, Any]:
    sweep.state = "RUNNING"
    run.agent = agent.id
    if run not in agent.runs:
        agent.runs.append(run)
    agent.active.add(run.name)
    arguments = {name: {"value": value} for name, value in (run.point or {}).items()}
    return {"type": kind, "run_id": run.name, "program": sweep.config.get("program"), "args": arguments | extra}


def requeue(state: State, run: StoredRun) -> None:
    """A preempted run waits for the next agent that asks, also one that comes later."""
    sweep = state.sweeps.get(run.sweep or "")
    if sweep is None or run in sweep.queue:
        return
    sweep.queue.append(run)
    if sweep.state == "FINISHED" and not sweep.ended_by_hand:
        sweep.state = "RUNNING"
