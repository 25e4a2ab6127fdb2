"""What the server remembers: runs, sweeps and agents, in memory and behind one lock."""

import base64
import math
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

ALIVE = ("pending", "running")
# An agent speaks every 5 s. After this silence nobody waits for its runs any more.
AGENT_SILENCE = 20.0


def storage_id(kind: str, *parts: str) -> str:
    return base64.b64encode(":".join((kind, *parts)).encode()).decode()


def timestamp(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(eq=False)
class StoredRun:
    name: str
    entity: str
    project: str
    sweep: str | None = None
    agent: str | None = None
    point: dict[str, Any] | None = None  # what the sweep handed out
    state: str = "running"
    raw_config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    group: str | None = None
    job_type: str | None = None
    display_name: str | None = None
    notes: str | None = None
    description: str | None = None
    commit: str | None = None
    repo: str | None = None
    host: str | None = None
    program: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    exitcode: int | None = None
    preempting: bool = False
    stopping: bool = False  # somebody asked it to stop
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)
    heartbeat_at: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        return storage_id("Run", self.entity, self.project, self.name)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration a program set, as plain values; the client's own entry is left out."""
        return {key: entry["value"] for key, entry in self.raw_config.items() if key != "_wandb"}

    @property
    def has_begun(self) -> bool:
        """Whether a program ever called itself this run: the client then leaves its mark in the configuration."""
        return "t" in self.raw_config.get("_wandb", {}).get("value", {})

    def beat(self) -> None:
        self.heartbeat_at = self.updated_at = time.time()


@dataclass(eq=False)
class StoredSweep:
    id: str
    entity: str
    project: str
    config: dict[str, Any]
    yaml: str
    state: str = "PENDING"
    display_name: str | None = None
    description: str | None = None
    controller: str | None = None
    scheduler: str | None = None
    warnings: list[str] = field(default_factory=list)
    runs: list[StoredRun] = field(default_factory=list)  # in the order of their creation
    points: list[dict[str, Any]] = field(default_factory=list)  # in the order they were handed out
    queue: list[StoredRun] = field(default_factory=list)  # preempted runs that wait for an agent
    ended_by_hand: bool = False
    created_at: float = field(default_factory=time.time)
    updated_at: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        return self.display_name or self.config.get("name") or self.id


@dataclass(eq=False)
class StoredAgent:
    id: str
    host: str
    sweep: str
    runs: list[StoredRun] = field(default_factory=list)  # all it was ever given
    active: set[str] = field(default_factory=set)  # the names it has not been seen to drop
    created_at: float = field(default_factory=time.time)
    heartbeat_at: float = field(default_factory=time.time)


class State:
    """Everything; hold `lock` while reading more than one field or changing any.

    Attributes:
        runs: by storage id, in the order of creation
        sweeps: by the eight-character id that the client prints
        agents: by id
        silence: seconds without a heartbeat after which a running run is called crashed
        base_url: where files are sent to and fetched from
    """

    def __init__(self, silence: float = math.inf):
        self.lock = threading.RLock()
        self.runs: dict[str, StoredRun] = {}
        self.sweeps: dict[str, StoredSweep] = {}
        self.agents: dict[str, StoredAgent] = {}
        self.silence = silence
        self.base_url = ""
        self.created_projects: set[tuple[str, str]] = set()

    def run(self, name: str) -> StoredRun:
        """The run of that id, in whichever project; KeyError if there is none."""
        with self.lock:
            for run in self.runs.values():
                if run.name == name:
                    return run
        raise KeyError(name)

    def find_run(self, entity: str, project: str, name: str) -> StoredRun | None:
        return self.runs.get(storage_id("Run", entity, project, name))

    def add_run(self, run: StoredRun) -> StoredRun:
        with self.lock:
            self.runs[run.id] = run
            if run.sweep in self.sweeps:
                self.sweeps[run.sweep].runs.append(run)
        return run

    def delete_run(self, run: StoredRun) -> None:
        """Forget a run; a sweep may hand out its point again."""
        with self.lock:
            del self.runs[run.id]
            if run.sweep in self.sweeps:
                sweep = self.sweeps[run.sweep]
                sweep.runs.remove(run)
                sweep.queue = [queued for queued in sweep.queue if queued is not run]
                if run.point is not None:
                    sweep.points.remove(run.point)

    def projects(self) -> set[tuple[str, str]]:
        owners = [*self.runs.values(), *self.sweeps.values()]
        return self.created_projects | {(owner.entity, owner.project) for owner in owners}

    def crash(self, run: StoredRun | str) -> None:
        """Call a run crashed now, as the real server does after five minutes of silence."""
        with self.lock:
            run = self.run(run) if isinstance(run, str) else run
            run.state = "crashed"
            run.updated_at = time.time()

    def crash_silent(self, seconds: float | None = None) -> list[StoredRun]:
        """Crash every running run that was not heard of for so long; returns them."""
        seconds = self.silence if seconds is None else seconds
        with self.lock:
            now = time.time()
            silent = [run for run in self.runs.values() if run.state == "running" and now - run.heartbeat_at > seconds]
            for run in silent:
                self.crash(run)
        return silent

    def restart_clocks(self) -> None:
        """Nobody could be heard while the server was down: that silence does not count."""
        with self.lock:
            for beating in (*self.runs.values(), *self.agents.values()):
                beating.heartbeat_at = time.time()

    def is_awaited(self, run: StoredRun) -> bool:
        """Whether a run may still end, or come back to the queue: nobody waits for what no agent runs."""
        agent = self.agents.get(run.agent or "")
        heard = agent and run.name in agent.active and time.time() - agent.heartbeat_at < AGENT_SILENCE
        return run.state in ALIVE and bool(heard)
