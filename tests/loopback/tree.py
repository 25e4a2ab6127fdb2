"""The server's data as the client asks for it: what hangs from `query` and from `mutation`.

A node is a dict; a value that is a function takes the arguments of its field (language.choose).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from tests.loopback import sweeps
from tests.loopback.filters import matches, ordered, page, run_value, sweep_value
from tests.loopback.language import GraphQLError
from tests.loopback.state import State, StoredRun, StoredSweep, storage_id, timestamp

LINES_OF_TAIL = 1


class Tree:
    """The roots of all questions.

    Args:
        state: what the server remembers.
        url: where its files are, for up- and downloads.
    """

    def __init__(self, state: State, url: str):
        self.state, self.url = state, url

    def query(self) -> dict[str, Any]:
        return {
            "viewer": self.viewer(),
            "serverInfo": {"features": []},
            "entity": lambda name=None: {
                "organization": {"coreWeaveOrganizationId": None, "name": name, "orgEntity": {"name": name}}
            },
            "project": self.project,
            "model": self.project,
        }

    def mutation(self) -> dict[str, Any]:
        return {
            "upsertBucket": lambda input: self.upsert_run(input),
            "createRunFiles": lambda input: self.create_files(input),
            "upsertSweep": lambda input: self.upsert_sweep(input),
            "createAgent": lambda input: {"agent": {"id": sweeps.create_agent(self.state, input).id}},
            "agentHeartbeat": lambda input: self.heartbeat(input),
            "stopRun": lambda input: self.stop(input["id"]),
        }

    # questions

    def viewer(self) -> dict[str, Any]:
        user = {"id": "user", "entity": "lab", "username": "tester", "email": "tester@localhost", "flags": "{}",
                "name": "Tester", "admin": False, "deletedAt": None, "apiKeys": {"edges": []}}  # fmt: skip
        return user | {"teams": {"edges": [{"node": {"name": "lab"}}]}}

    def project(self, name: str | None = None, entityName: str | None = None) -> dict[str, Any] | None:  # noqa: N803
        name, entity = name or "uncategorized", entityName or "lab"
        if (entity, name) not in self.state.projects():
            return None
        mine = [run for run in self.state.runs.values() if (run.entity, run.project) == (entity, name)]
        its_sweeps = [s for s in self.state.sweeps.values() if (s.entity, s.project) == (entity, name)]

        def chosen(filters: Any) -> list[StoredRun]:
            wanted = json.loads(filters) if isinstance(filters, str) and filters else filters
            return [run for run in mine if matches(wanted, lambda field: run_value(run, field))]

        def runs(filters: Any = None, after: str | None = None, first: int | None = None, order: str | None = None):
            found = page(ordered(chosen(filters), order), first, after)
            for edge in found["edges"]:
                edge["node"] = self.run(edge["node"])
            return found

        def all_sweeps(first: int | None = None, after: str | None = None, filters: Any = None, order: Any = None):
            wanted = json.loads(filters) if isinstance(filters, str) and filters else filters
            listed = [s for s in its_sweeps if matches(wanted, lambda field: sweep_value(s, field))]
            found = page(listed, first, after) | {"totalCount": len(listed)}
            for edge in found["edges"]:
                edge["node"] = self.sweep(edge["node"])
            return found

        def one_run(name: str, missingOk: bool = False) -> dict[str, Any] | None:  # noqa: N803
            return next((self.run(run) for run in mine if run.name == name), None)

        def one_sweep(sweepName: str) -> dict[str, Any] | None:  # noqa: N803
            return next((self.sweep(s) for s in its_sweeps if s.id == sweepName), None)

        return {
            "__typename": "Project", "id": storage_id("Project", entity, name), "internalId": "1", "name": name,
            "entityName": entity, "entity": {"id": storage_id("Entity", entity), "name": entity}, "readOnly": False,
            "createdAt": timestamp(0), "isBenchmark": False, "user": self.viewer(),
            "runCount": lambda filters=None: len(chosen(filters)), "runs": runs, "run": one_run, "bucket": one_run,
            "sweep": one_sweep, "sweeps": all_sweeps, "totalSweeps": len(its_sweeps),
        }  # fmt: skip

    def run(self, run: StoredRun) -> dict[str, Any]:
        counts = {"historyLineCount": len(run.history), "eventsLineCount": len(run.events)}
        sweep = self.state.sweeps.get(run.sweep or "")
        return counts | {
            "__typename": "Run", "id": run.id, "name": run.name, "displayName": run.display_name, "state": run.state,
            "sweepName": run.sweep, "sweep": {"name": run.sweep} if sweep else None, "group": run.group,
            "jobType": run.job_type, "commit": run.commit, "repo": run.repo, "host": run.host, "readOnly": False,
            "tags": run.tags, "notes": run.notes, "description": run.description, "projectId": "1",
            "createdAt": timestamp(run.created_at), "heartbeatAt": timestamp(run.heartbeat_at),
            "updatedAt": timestamp(run.updated_at), "user": self.viewer(), "program": run.program,
            "exitcode": run.exitcode, "shouldStop": run.stopping, "stopped": run.stopping,
            "failed": run.state == "failed", "running": run.state == "running",
            "config": json.dumps(run.raw_config), "summaryMetrics": json.dumps(run.summary), "systemMetrics": "{}",
            "wandbConfig": lambda keys=(): json.dumps(_first_config(run, keys)),
            "historyTail": json.dumps([json.dumps(row) for row in run.history[-LINES_OF_TAIL:]]),
            "eventsTail": json.dumps([json.dumps(row) for row in run.events[-LINES_OF_TAIL:]]),
            "logLineCount": len(run.log_lines),
            "historyKeys": _history_keys(run),
            "history": lambda minStep=0, maxStep=None, samples=500: [  # noqa: N803
                json.dumps(row) for row in _steps(run, minStep, maxStep)[:samples]
            ],
            # the agent sends one text where the schema has a list
            "sampledHistory": lambda specs: [
                _sampled(run, json.loads(spec)) for spec in ([specs] if isinstance(specs, str) else specs)
            ],
            "parquetHistory": lambda liveKeys=None: {"parquetUrls": [], "liveData": []},  # noqa: N803
            "project": lambda: self.project(run.project, run.entity),
            "fileCount": len(run.files),
            "files": lambda names=None, after=None, first=None, pattern=None: self.files(run, names, first, after),
        }  # fmt: skip

    def files(self, run: StoredRun, names: list[str] | None, first: int | None, after: str | None) -> dict[str, Any]:
        found = page([name for name in sorted(run.files) if not names or name in names], first, after)
        for edge in found["edges"]:
            name = edge["node"]
            url = self.file_url(run, name)
            edge["node"] = {
                "__typename": "File", "id": storage_id("File", run.id, name), "name": name, "url": lambda upload=None, u=url: u,
                "directUrl": url, "sizeBytes": len(run.files[name]), "mimetype": "application/octet-stream",
                "updatedAt": timestamp(run.updated_at), "md5": "", "digest": "", "uploadUrl": url,
            }  # fmt: skip
        return found

    def file_url(self, run: StoredRun, name: str) -> str:
        return f"{self.url}/storage/{run.entity}/{run.project}/{run.name}/{name}"

    def sweep(self, sweep: StoredSweep) -> dict[str, Any]:
        def runs(first: int | None = None, after: str | None = None, **_: Any) -> dict[str, Any]:
            found = page(sweep.runs, first, after)
            for edge in found["edges"]:
                edge["node"] = self.run(edge["node"])
            return found

        return {
            "__typename": "Sweep", "id": storage_id("Sweep", sweep.entity, sweep.project, sweep.id), "name": sweep.id,
            "displayName": sweep.display_name, "method": sweep.config["method"], "state": sweep.state,
            "description": sweep.description, "config": sweep.yaml, "createdAt": timestamp(sweep.created_at),
            "heartbeatAt": timestamp(sweep.updated_at), "updatedAt": timestamp(sweep.updated_at),
            "earlyStopJobRunning": False, "bestLoss": None, "controller": sweep.controller, "priorRuns": _no_edges(),
            "scheduler": sweep.scheduler, "runCount": len(sweep.runs), "runCountExpected": _expected(sweep),
            "runs": runs, "controllerRunName": None, "user": self.viewer(), "agents": _no_edges(),
            "project": lambda: self.project(sweep.project, sweep.entity),
        }  # fmt: skip

    # changes

    def upsert_run(self, given: Mapping[str, Any]) -> dict[str, Any]:
        run = self.state.runs.get(given.get("id") or "")
        entity, project = given.get("entityName") or "lab", given.get("modelName") or "uncategorized"
        run = run or self.state.find_run(entity, project, given.get("name") or "")
        inserted = run is None
        if run is None:
            run = StoredRun(given.get("name") or secrets.token_hex(4), entity, project, sweep=given.get("sweep"))
            self.state.add_run(run)
        elif not given.get("id"):  # a program, not somebody who edits
            run.state = "running"
        names = {"displayName": "display_name", "groupName": "group", "jobType": "job_type", "notes": "notes",
                 "commit": "commit", "jobRepo": "repo", "host": "host", "jobProgram": "program", "tags": "tags",
                 "description": "description", "state": "state"}  # fmt: skip
        for name, attribute in names.items():
            if given.get(name) is not None:
                setattr(run, attribute, given[name])
        if given.get("config") is not None:
            run.raw_config |= json.loads(given["config"])
        if given.get("summaryMetrics") is not None:
            run.summary = json.loads(given["summaryMetrics"])
        run.beat()
        return {"bucket": self.run(run), "inserted": inserted}

    def create_files(self, given: Mapping[str, Any]) -> dict[str, Any]:
        run = self.state.find_run(given["entityName"], given["projectName"], given["runName"])
        if run is None:
            raise GraphQLError(f"run {given['runName']} not found", 404)
        files = [{"name": name, "uploadUrl": self.file_url(run, name)} for name in given["files"]]
        return {"runID": run.id, "uploadHeaders": [], "files": files}

    def upsert_sweep(self, given: Mapping[str, Any]) -> dict[str, Any]:
        sweep = sweeps.upsert(self.state, dict(given))
        return {"sweep": self.sweep(sweep), "configValidationWarnings": sweep.warnings}

    def heartbeat(self, given: Mapping[str, Any]) -> dict[str, Any]:
        agent, commands = sweeps.heartbeat(self.state, dict(given))
        return {"agent": {"id": agent.id}, "commands": json.dumps(commands)}

    def stop(self, identity: str) -> dict[str, Any]:
        self.state.runs[identity].stopping = True
        return {"success": True, "clientMutationId": None}


def _no_edges() -> dict[str, Any]:
    return {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}, "totalCount": 0}


def _expected(sweep: StoredSweep) -> int | None:
    from tests.loopback.grid import grid

    if sweep.config["method"] != "grid":
        return sweep.config.get("run_cap")
    return min(sum(1 for _ in grid(sweep.config["parameters"])), sweep.config.get("run_cap", 10**9))


def _first_config(run: StoredRun, keys: Any) -> dict[str, Any]:
    inner = run.raw_config.get("_wandb", {}).get("value", {})
    return {key: inner[key] for key in keys if key in inner}


def _steps(run: StoredRun, least: int, most: int | None) -> list[dict[str, Any]]:
    rows = [row for row in run.history if least <= row.get("_step", 0) and (most is None or row["_step"] < most)]
    return sorted(rows, key=lambda row: row.get("_step", 0))


def _history_keys(run: StoredRun) -> dict[str, Any] | None:
    if not run.history:
        return None
    keys = {key: {"typeCounts": [], "monotonic": False} for row in run.history for key in row}
    return {"lastStep": max(row.get("_step", 0) for row in run.history), "sets": [], "keys": keys}


def _sampled(run: StoredRun, spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = spec.get("keys", [])
    rows = _steps(run, spec.get("minStep", 0), spec.get("maxStep"))
    chosen = [{key: row[key] for key in keys} for row in rows if all(key in row for key in keys)]
    return chosen[: spec.get("samples", spec.get("pageSize", 500))]
