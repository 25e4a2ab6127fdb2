"""The operations of the API: what a query may start from, and what a mutation changes."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.loopback import sweeps
from tests.loopback.filters import page
from tests.loopback.language import GraphQLError, UnknownQuery, choose, read
from tests.loopback.nodes import USER, agent_node, file_url, project_node, run_node, sweep_node
from tests.loopback.state import ALIVE, State, StoredRun, storage_id

FEATURES = ("MARK_RUN_FILES_UPLOADED", "SWEEPS_QUERY_FILTERING")


def operation_name(body: dict[str, Any]) -> str:
    try:
        return body.get("operationName") or read(body["query"]).name or "?"
    except (GraphQLError, KeyError):
        return "?"


def execute(state: State, body: dict[str, Any]) -> dict[str, Any]:
    """Answer one request; the caller holds the lock of the state."""
    document = read(body["query"])
    variables = document.defaults | (body.get("variables") or {})
    root = ROOTS[document.kind](state)
    try:
        return choose(root, document.selection, document.fragments, variables)
    except TypeError as wrong_argument:
        raise UnknownQuery(str(wrong_argument)) from wrong_argument


def queries(state: State) -> dict[str, Any]:
    def project(name: str | None = None, entityName: str | None = None) -> dict[str, Any] | None:
        owner = (entityName or "lab", name or "uncategorized")
        return project_node(state, *owner) if owner in state.projects() else None

    def models(entityName: str | None = None, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        mine = [owner for owner in sorted(state.projects()) if owner[0] == (entityName or "lab")]
        return page([project_node(state, *owner) for owner in mine], first, after)

    return {
        "__typename": "Query",
        "viewer": USER,
        "serverInfo": {"features": [{"name": name, "isEnabled": True} for name in FEATURES]},
        "entity": lambda name: {
            "__typename": "Entity",
            "id": storage_id("Entity", name),
            "name": name,
            "organization": None,
        },  # fmt: skip
        "project": project,
        "model": project,
        "models": models,
    }


def mutations(state: State) -> dict[str, Any]:
    def bound(change: Callable[[State, dict[str, Any]], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        return lambda input: change(state, input)

    return {"__typename": "Mutation"} | {name: bound(change) for name, change in CHANGES.items()}


ROOTS: dict[str, Callable[[State], dict[str, Any]]] = {"query": queries, "mutation": mutations}


def by_id(state: State, key: str) -> StoredRun:
    if key not in state.runs:
        raise GraphQLError(f"run {key} not found", 404)
    return state.runs[key]


def upsert_bucket(state: State, given: dict[str, Any]) -> dict[str, Any]:
    """Make a run, take one up again (by name), or change one from outside (by storage id)."""
    inserted = False
    if given.get("id") and not given.get("name"):
        run = by_id(state, given["id"])
    else:
        entity, project = given.get("entityName") or "lab", given.get("modelName") or "uncategorized"
        found = state.find_run(entity, project, given["name"])
        inserted = found is None or not found.has_begun
        run = found or state.add_run(StoredRun(given["name"], entity, project, sweep=given.get("sweep")))
        run.state = given.get("state") or "running"
        if run.exitcode is not None:  # taken up again; a client that runs also comes here, with new metadata
            run.exitcode, run.preempting, run.stopping = None, False, False
        run.display_name = run.display_name or f"loopback-{len(state.runs)}"
        run.beat()
    if given.get("config") is not None:
        entries = json.loads(given["config"])
        run.raw_config = {
            key: {"value": entry["value"] if isinstance(entry, dict) and "value" in entry else entry}
            for key, entry in entries.items()
        }
    if given.get("summaryMetrics") is not None:
        run.summary = json.loads(given["summaryMetrics"])
    for name, attribute in (
        ("groupName", "group"), ("displayName", "display_name"), ("jobType", "job_type"), ("notes", "notes"),
        ("description", "description"), ("commit", "commit"), ("jobRepo", "repo"), ("host", "host"),
        ("jobProgram", "program"), ("tags", "tags"),
    ):  # fmt: skip
        if given.get(name) is not None:
            setattr(run, attribute, given[name])
    run.updated_at = time.time()
    return {"bucket": run_node(state, run), "inserted": inserted}


def create_run_files(state: State, given: dict[str, Any]) -> dict[str, Any]:
    run = state.find_run(given["entityName"], given["projectName"], given["runName"])
    if run is None:
        raise GraphQLError(f"run {given['runName']} not found", 404)
    files = [{"name": name, "uploadUrl": file_url(state, run, name)} for name in given["files"]]
    return {"runID": run.id, "uploadHeaders": [], "files": files}


def upsert_sweep(state: State, given: dict[str, Any]) -> dict[str, Any]:
    sweep = sweeps.upsert(state, given)
    return {"sweep": sweep_node(state, sweep), "configValidationWarnings": sweep.warnings}


def create_agent(state: State, given: dict[str, Any]) -> dict[str, Any]:
    return {"agent": agent_node(state, sweeps.create_agent(state, given))}


def agent_heartbeat(state: State, given: dict[str, Any]) -> dict[str, Any]:
    agent, commands = sweeps.heartbeat(state, given)
    return {"agent": agent_node(state, agent), "commands": json.dumps(commands)}


def stop_run(state: State, given: dict[str, Any]) -> dict[str, Any]:
    run = by_id(state, given["id"])
    run.stopping = run.state in ALIVE
    return {"success": True}


def update_run_state(state: State, given: dict[str, Any]) -> dict[str, Any]:
    run = by_id(state, given["id"])
    if run.sweep:
        raise GraphQLError("the state of a run of a sweep cannot be changed")
    run.state = given["state"]
    return {"success": True}


def delete_run(state: State, given: dict[str, Any]) -> dict[str, Any]:
    state.delete_run(by_id(state, given["id"]))
    return {"clientMutationId": None}


def delete_files(state: State, given: dict[str, Any]) -> dict[str, Any]:
    for run in state.runs.values():
        for name in [name for name in run.files if storage_id("File", run.id, name) in given["files"]]:
            del run.files[name]
    return {"success": True}


def upsert_model(state: State, given: dict[str, Any]) -> dict[str, Any]:
    owner = (given.get("entityName") or "lab", given["name"])
    inserted = owner not in state.projects()
    state.created_projects.add(owner)
    return {"project": project_node(state, *owner), "model": project_node(state, *owner), "inserted": inserted}


CHANGES: dict[str, Callable[[State, dict[str, Any]], dict[str, Any]]] = {
    "upsertBucket": upsert_bucket,
    "createRunFiles": create_run_files,
    "markRunFilesUploaded": lambda state, given: {"success": True},
    "upsertSweep": upsert_sweep,
    "createAgent": create_agent,
    "agentHeartbeat": agent_heartbeat,
    "stopRun": stop_run,
    "updateRunState": update_run_state,
    "deleteRun": delete_run,
    "deleteFiles": delete_files,
    "upsertModel": upsert_model,
}
