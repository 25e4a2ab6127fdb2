"""The real client against the server: agents, deaths, outages, requeueing, reading back, syncing, refusals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.server import Server

PATIENCE = 60
PROGRAM = """
import os, sys, time
import wandb

with wandb.init(resume="allow", config={"steps": 4, "pause": 0}) as run:
    for step in range(run.starting_step, run.config.steps):
        run.log({"loss": 1 / (step + 1), "deep": {"step": step}}, step=step)
        time.sleep(run.config.pause)
        if step == run.config.get("preempt_at") and not run.resumed:
            run.mark_preempting()
            sys.exit(75)
    with open("mask.bin", "wb") as file:
        file.write(bytes(range(256)) * run.config.steps)
    run.save("mask.bin", policy="now")
"""
COMMAND = '["${env}", "${interpreter}", "${program}"]'


class Client:
    """Starts client programs in a folder of their own, and ends what is left of them."""

    def __init__(self, server: Server, folder: Path):
        self.folder, self.started = folder, []
        self.env = server.env(folder) | {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "0.5"}
        (folder / "train.py").write_text(PROGRAM)

    def start(self, *command: str | Path, **env: str) -> subprocess.Popen:
        file = open(self.folder / f"output-{len(self.started)}.txt", "w")
        process = subprocess.Popen(
            [sys.executable, *map(str, command)], cwd=self.folder, env=self.env | env, stdin=subprocess.DEVNULL,
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        process.said = lambda: Path(file.name).read_text()
        self.started.append(process)
        return process

    def run(self, *command: str | Path, **env: str) -> tuple[int, str]:
        process = self.start(*command, **env)
        process.wait(PATIENCE)
        return process.returncode, process.said()

    def sweep(self, *lines: str) -> str:
        """Create a grid with the command line; return its path."""
        text = ["program: train.py", "method: grid", f"command: {COMMAND}", "parameters:", *lines]
        (self.folder / "sweep.yaml").write_text("\n".join(text))
        ended, said = self.run("-m", "wandb", "sweep", "sweep.yaml")
        assert ended == 0, said
        return re.search(r"wandb agent (\S+)", said)[1]

    def end(self) -> None:
        for process in self.started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait(10)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
        assert server.unknown == []


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    client = Client(server, tmp_path)
    yield client
    client.end()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)
    return value


def steps(run: Any) -> list[int]:
    return [row["_step"] for row in run.history]


def test_two_agents_do_each_point_of_a_grid_once(server, client):
    path = client.sweep("  b: {values: [true, null]}", "  a: {parameters: {x: {values: [1, 2]}}}")
    agents = [client.start("-m", "wandb", "agent", path) for _ in range(2)]
    assert [agent.wait(PATIENCE) for agent in agents] == [0, 0], [agent.said() for agent in agents]
    sweep = server.state.sweeps[path.rpartition("/")[2]]
    points = [{"a": {"x": x}, "b": b} for x in (1, 2) for b in (True, None)]
    assert sweep.points == points and sweep.state == "FINISHED" and sweep.warnings == []
    assert [{key: run.config[key] for key in ("a", "b")} for run in sweep.runs] == points
    assert {(run.state, run.exitcode, tuple(steps(run))) for run in sweep.runs} == {("finished", 0, (0, 1, 2, 3))}
    assert len({run.agent for run in sweep.runs}) == 2


def test_a_killed_agent_leaves_the_other_points_to_the_next(server, client):
    path = client.sweep("  pause: {values: [30, 0]}")
    sweep = server.state.sweeps[path.rpartition("/")[2]]
    first = client.start("-m", "wandb", "agent", path)
    wait_for(lambda: sweep.runs and len(sweep.runs[0].history) > 0, "a row")
    first.kill()
    names = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    for line in names.splitlines():  # the child has a group of its own, its folder is its only mark
        pid, _, arguments = line.split(None, 2)
        if "train.py" in arguments and os.path.realpath(f"/proc/{pid}/cwd") == str(client.folder.resolve()):
            os.kill(int(pid), signal.SIGKILL)
    server.state.crash(sweep.runs[0])
    assert client.run("-m", "wandb", "agent", path)[0] == 0
    assert [run.state for run in sweep.runs] == ["crashed", "finished"] and sweep.state == "FINISHED"


def test_a_run_outlives_an_outage_and_errors(server, client):
    long = PROGRAM.replace('"steps": 4, "pause": 0', '"steps": 40, "pause": 0.1')
    process = client.start("-c", long, WANDB_RUN_ID="outage")
    run = wait_for(lambda: next((run for run in server.state.runs.values() if run.name == "outage"), None), "the run")
    wait_for(lambda: run.history, "rows")
    port = server.port
    server.stop()
    time.sleep(2)
    server.start()
    server.fail(1)
    assert process.wait(PATIENCE) == 0, process.said()
    assert server.port == port and run.state == "finished" and steps(run) == list(range(40))
    assert run.files["mask.bin"] == bytes(range(256)) * 40


def test_a_preempted_run_is_requeued_and_goes_on(server, client):
    path = client.sweep("  preempt_at: {value: 1}")
    sweep = server.state.sweeps[path.rpartition("/")[2]]
    agent = client.start("-m", "wandb", "agent", path)
    wait_for(lambda: sweep.runs and sweep.runs[0].state == "preempted", "the run to be preempted")
    assert sweep.runs[0].exitcode == 75 and steps(sweep.runs[0]) == [0, 1]
    assert agent.wait(PATIENCE) == 0, agent.said()
    (run,) = sweep.runs
    assert (run.state, steps(run), sweep.state) == ("finished", [0, 1, 2, 3], "FINISHED")


MAKE = """
import math, wandb
for index in range(5):
    with wandb.init(name=f"name-{index}", tags=[f"tag-{index % 2}"], group="made", config={"index": index}) as run:
        for step in range(25 if index == 0 else 1):
            run.log({"loss": index + step / 100, "odd": math.nan} if step % 2 else {"loss": index + step / 100})
"""
READ = """
import json, wandb
api = wandb.Api()
def names(**asked):
    return [run.name for run in api.runs("lab/sieve", **asked)]
made = {"group": "made"}
found = {
    "all": names(filters=made, per_page=2),
    "down": names(filters=made, order="-config.index"),
    "index": names(filters={"$and": [made, {"config.index.value": {"$in": [1, 3]}}]}),
    "tags": names(filters={"group": "made", "tags": "tag-1"}),
    "or": names(filters={"$or": [{"display_name": "name-4"}, {"displayName": {"$regex": "^name-2"}}]}),
    "loss": names(filters={"group": "made", "summary_metrics.loss": {"$gte": 2}}),
    "lazy": [run.config for run in api.runs("lab/sieve", filters=made, lazy=False)],
}
run = api.run("lab/sieve/" + api.runs("lab/sieve", filters={"display_name": "name-0"})[0].id)
found["scan"] = [row["loss"] for row in run.scan_history(page_size=10)]
found["keys"] = len(list(run.scan_history(keys=["loss", "odd"], page_size=4)))
found["state"], found["last"] = run.state, run.lastHistoryStep
found["history"] = len(run.history(samples=10, pandas=False))
open("up.bin", "wb").write(bytes(range(256)))
run.upload_file("up.bin")
found["files"] = sorted(file.name for file in run.files(per_page=2))
run.file("up.bin").download("down")
found["equal"] = open("down/up.bin", "rb").read() == bytes(range(256))
run.config["late"] = [1]; run.summary["late"] = 2; run.tags = ["new"]; run.update()
again = wandb.Api().run("/".join(run.path))
found["late"] = [again.config["late"], again.summary["late"], again.tags, again.config["index"]]
sweep = wandb.sweep({"name": "by/name", "method": "random", "run_cap": 2, "parameters": {"x": {"min": 0.0, "max": 1.0}}})
found["sweeps"] = [s.id == sweep for s in api.project("sieve", "lab").sweeps(filters={"display_name": "by/name"})]
found["listed"] = sweep in [s.id for s in api.project("sieve", "lab").sweeps(per_page=1)]
found["sweep"] = [api.sweep("lab/sieve/" + sweep).name, api.sweep("lab/sieve/" + sweep).expected_run_count]
drawn = []
wandb.agent(sweep, function=lambda: drawn.append(wandb.init().config.x) or wandb.finish())
found["drawn"] = [0 < x < 1 for x in drawn] + [api.sweep("lab/sieve/" + sweep).state, len(set(drawn))]
print(json.dumps(found))
"""


def test_the_public_api_reads_what_was_logged(client):
    ended, said = client.run("-c", MAKE)
    assert ended == 0, said
    ended, said = client.run("-c", READ)
    assert ended == 0, said
    found = json.loads(said.splitlines()[-1])
    everybody = [f"name-{index}" for index in range(5)]
    assert found["all"] == everybody and found["down"] == everybody[::-1]
    assert found["index"] == found["tags"] == ["name-1", "name-3"]
    assert found["or"] == ["name-2", "name-4"] and found["loss"] == everybody[2:]
    assert found["lazy"] == [{"index": index} for index in range(5)]
    assert found["scan"] == [step / 100 for step in range(25)] and found["keys"] == 12
    assert (found["state"], found["last"], found["history"]) == ("finished", 24, 10)
    assert found["equal"] and {"up.bin", "config.yaml", "wandb-summary.json"} < set(found["files"])
    assert found["late"] == [[1], 2, ["new"], 0]
    assert found["sweeps"] == [True] and found["listed"] and found["sweep"] == ["by/name", 2]
    assert found["drawn"] == [True, True, "FINISHED", 2]


def test_an_offline_run_is_synced(server, client):
    assert client.run("train.py", WANDB_MODE="offline", WANDB_RUN_ID="offline")[0] == 0
    assert not [run for run in server.state.runs.values() if run.name == "offline"]
    ended, said = client.run("-m", "wandb", "sync", *(client.folder / "wandb").glob("offline-run-*"))
    run = server.state.run("offline")
    assert ended == 0 and run.state == "finished" and steps(run) == [0, 1, 2, 3] and len(run.files["mask.bin"]) == 1024


def test_a_wrong_key_and_wrong_sweeps_are_refused(server, client):
    stranger = client.start("train.py", WANDB_API_KEY="x" * 40, WANDB_RUN_ID="stranger")
    wrong = {"no-list": "{a: {values: 3}}", "empty": "{}", "key": "{a: {valeus: [1]}}", "grid": "{a: {min: 0, max: 1.5,"
             " distribution: uniform}}"}  # fmt: skip
    count, files = len(server.state.sweeps), []
    for name, parameters in wrong.items():
        files.append(client.folder / f"{name}.yaml")
        files[-1].write_text(f"program: train.py\nmethod: grid\nparameters: {parameters}\n")
    invoke = "import sys; from click.testing import CliRunner; from wandb.cli.cli import cli\n"
    invoke += "print([CliRunner().invoke(cli, ['sweep', path]).exit_code for path in sys.argv[1:]])"
    ended, said = client.run("-c", invoke, *files)
    assert ended == 0 and said.splitlines()[-1] == "[1, 1, 1, 1]" and len(server.state.sweeps) == count, said
    assert stranger.wait(PATIENCE) == 1 and "user is not logged in" in stranger.said()
    assert not [run for run in server.state.runs.values() if run.name == "stranger"]
