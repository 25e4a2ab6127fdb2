"""How what is stored looks from outside: the fields the API has for a run, a sweep, an agent, a project."""

import base64
import hashlib
import json
import mimetypes
import re
import zlib
from functools import partial
from typing import Any
from urllib.parse import quote

from tests.loopback import grid
from tests.loopback.filters import dig, matches, ordered, page, run_value, sweep_value
from tests.loopback.rows import history_keys, log_lines, sampled, thin, within
from tests.loopback.state import State, StoredAgent, StoredRun, StoredSweep, storage_id, timestamp

USER = {
    "__typename": "User", "id": storage_id("User", "1"), "name": "tester", "username": "tester", "entity": "lab",
    "email": "tester@localhost", "admin": False, "flags": "{}", "deletedAt": None, "apiKeys": {"edges": []},
    "teams": {"edges": [{"node": {"name": "lab"}}]},
}  # fmt: skip


def file_url(state: State, run: StoredRun, name: str) -> str:
    return f"{state.base_url}/storage/{quote(run.id, safe='')}/{quote(name)}"


def file_node(state: State, run: StoredRun, name: str) -> dict[str, Any]:
    content, url = run.files[name], file_url(state, run, name)
    return {
        "__typename": "File",
        "id": storage_id("File", run.id, name),
        "name": name,
        "url": lambda upload=False: url,
        "directUrl": url,
        "sizeBytes": str(len(content)),
        "mimetype": mimetypes.guess_type(name)[0] or "",
        "updatedAt": timestamp(run.updated_at),
        "md5": base64.b64encode(hashlib.md5(content).digest()).decode(),
    }


def files(state: State, run: StoredRun, names=None, after=None, first=None, pattern=None) -> dict[str, Any]:
    chosen = [name for name in sorted(run.files) if not names or name in names]
    if pattern:
        like = re.escape(pattern).replace("%", ".*").replace("_", ".")
        chosen = [name for name in chosen if re.fullmatch(like, name)]
    return page([file_node(state, run, name) for name in chosen], first, after)


def run_node(state: State, run: StoredRun) -> dict[str, Any]:
    telemetry = run.raw_config.get("_wandb", {}).get("value", {})
    return {
        "__typename": "Run",
        "id": run.id,
        "name": run.name,
        "projectId": project_number(run.entity, run.project),
        "project": lambda: project_node(state, run.entity, run.project),
        "displayName": run.display_name,
        "sweepName": run.sweep,
        "state": run.state,
        "config": json.dumps(run.raw_config),
        "wandbConfig": lambda keys: json.dumps({key: telemetry[key] for key in keys if key in telemetry}),
        "summaryMetrics": lambda: json.dumps(run.summary),
        "systemMetrics": lambda: json.dumps(run.events[-1] if run.events else {}),
        "group": run.group,
        "jobType": run.job_type,
        "tags": run.tags,
        "commit": run.commit,
        "host": run.host,
        "notes": run.notes,
        "description": run.description,
        "readOnly": False,
        "user": USER,
        "createdAt": timestamp(run.created_at),
        "updatedAt": timestamp(run.updated_at),
        "heartbeatAt": timestamp(run.heartbeat_at),
        "exitcode": run.exitcode,
        "shouldStop": run.stopping,
        "stopped": run.state == "killed",
        "failed": run.state in ("failed", "crashed"),
        "running": run.state == "running",
        "historyLineCount": len(run.history),
        "eventsLineCount": len(run.events),
        "logLineCount": len(run.log_lines),
        "historyTail": lambda: json.dumps([json.dumps(row) for row in run.history[-1:]]),
        "eventsTail": lambda: json.dumps([json.dumps(row) for row in run.events[-1:]]),
        "historyKeys": lambda: history_keys(run),
        "history": lambda minStep=None, maxStep=None, samples=None: [
            json.dumps(row) for row in thin(within(run, minStep, maxStep), samples)
        ],
        "events": lambda samples=None: [json.dumps(row) for row in thin(run.events, samples)],
        "sampledHistory": lambda specs: [
            sampled(run, json.loads(spec)) for spec in ([specs] if isinstance(specs, str) else specs)
        ],
        "parquetHistory": lambda liveKeys=(): {"parquetUrls": [], "liveData": []},
        "logLines": lambda **asked: log_lines(run, **asked),
        "fileCount": len(run.files),
        "files": lambda **asked: files(state, run, **asked),
    }


def agent_node(state: State, agent: StoredAgent) -> dict[str, Any]:
    return {
        "__typename": "Agent",
        "id": agent.id,
        "name": agent.id,
        "host": agent.host,
        "state": "RUNNING",
        "totalRuns": len(agent.runs),
        "createdAt": timestamp(agent.created_at),
        "heartbeatAt": timestamp(agent.heartbeat_at),
        "runs": lambda after=None, before=None, first=None, last=None, order=None: page(
            [run_node(state, run) for run in ordered(agent.runs, order)], first, after
        ),
    }


def best_loss(sweep: StoredSweep) -> float | None:
    name = (sweep.config.get("metric") or {}).get("name", "")
    values = [dig(run.summary, name) for run in sweep.runs if name]
    numbers = [value for value in values if isinstance(value, (int, float))]
    goal = max if (sweep.config.get("metric") or {}).get("goal") == "maximize" else min
    return goal(numbers, default=None)


def sweep_node(state: State, sweep: StoredSweep) -> dict[str, Any]:
    agents = [agent_node(state, agent) for agent in state.agents.values() if agent.sweep == sweep.id]
    return {
        "__typename": "Sweep",
        "id": storage_id("Sweep", sweep.entity, sweep.project, sweep.id),
        "name": sweep.id,
        "displayName": sweep.display_name,
        "method": sweep.config["method"],
        "state": sweep.state,
        "description": sweep.description,
        "config": sweep.yaml,
        "bestLoss": best_loss(sweep),
        "controller": sweep.controller,
        "scheduler": sweep.scheduler,
        "controllerRunName": None,
        "earlyStopJobRunning": False,
        "createdAt": timestamp(sweep.created_at),
        "updatedAt": timestamp(sweep.updated_at),
        "heartbeatAt": timestamp(sweep.updated_at),
        "runCount": len(sweep.runs),
        "runCountExpected": lambda: grid.expected(sweep.config),
        "runs": lambda first=None, after=None: page(
            [run_node(state, run) for run in sweep.runs], first or len(sweep.runs), after
        ),
        "agents": {"edges": [{"node": node} for node in agents]},
        "agent": lambda agentName: next((node for node in agents if node["id"] == agentName), None),
        "project": lambda: project_node(state, sweep.entity, sweep.project),
    }


def project_number(entity: str, project: str) -> int:
    return zlib.crc32(f"{entity}/{project}".encode())


def project_node(state: State, entity: str, project: str) -> dict[str, Any]:
    def runs_in(filters: str | None = None, order: str | None = None) -> list[StoredRun]:
        wanted = json.loads(filters or "{}")
        mine = [run for run in state.runs.values() if (run.entity, run.project) == (entity, project)]
        return ordered([run for run in mine if matches(wanted, partial(run_value, run))], order)

    def sweeps_in(filters: str | None = None) -> list[StoredSweep]:
        wanted = json.loads(filters or "{}")
        mine = [sweep for sweep in state.sweeps.values() if (sweep.entity, sweep.project) == (entity, project)]
        return [sweep for sweep in mine if matches(wanted, partial(sweep_value, sweep))]

    def one_run(name: str) -> dict[str, Any] | None:
        run = state.find_run(entity, project, name)
        return run and run_node(state, run)

    return {
        "__typename": "Project",
        "id": storage_id("Project", entity, project),
        "internalId": storage_id("ProjectInternalId", str(project_number(entity, project))),
        "name": project,
        "entityName": entity,
        "entity": {"__typename": "Entity", "id": storage_id("Entity", entity), "name": entity},
        "description": None,
        "access": "PRIVATE",
        "views": "{}",
        "createdAt": timestamp(0.0),
        "isBenchmark": False,
        "readOnly": False,
        "user": USER,
        "runCount": lambda filters=None: len(runs_in(filters)),
        "runs": lambda filters=None, after=None, first=None, order=None: page(
            [run_node(state, run) for run in runs_in(filters, order)], first, after
        ),
        "run": one_run,
        "bucket": lambda name, missingOk=False: one_run(name),
        "totalSweeps": lambda: len(sweeps_in()),
        "sweeps": lambda filters=None, after=None, first=None: page(
            [sweep_node(state, sweep) for sweep in sweeps_in(filters)], first, after
        ),
        "sweep": lambda sweepName: next(
            (sweep_node(state, sweep) for sweep in sweeps_in() if sweep.id == sweepName), None
        ),
    }
