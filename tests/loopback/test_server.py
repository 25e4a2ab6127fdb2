"""The real client against the server: agents, deaths, outages, requeueing, reading back, syncing, refusals."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.client import PATIENCE, PROGRAM, Client
from tests.loopback.server import Server


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)
    return value


def steps(run: Any) -> list[int]:
    return [row["_step"] for row in run.history]


def two_agents(server, client):
    """Two agents do each point of a grid once."""
    path = client.sweep("  b: {values: [true, null]}", "  a: {parameters: {x: {values: [1, 2]}}}")
    agents = [client.start("-m", "wandb", "agent", path) for _ in range(2)]
    assert [agent.wait(PATIENCE) for agent in agents] == [0, 0], [agent.said() for agent in agents]
    sweep = server.state.sweeps[path.rpartition("/")[2]]
    points = [{"a": {"x": x}, "b": b} for x in (1, 2) for b in (True, None)]
    assert sweep.points == points and sweep.state == "FINISHED" and sweep.warnings == []
    assert [{key: run.config[key] for key in ("a", "b")} for run in sweep.runs] == points
    assert {(run.state, run.exitcode, tuple(steps(run))) for run in sweep.runs} == {("finished", 0, (0, 1, 2, 3))}
    assert len({run.agent for run in sweep.runs}) == 2


def killed_agent(server, client):
    """An agent that is killed leaves the other points to the next one."""
    path = client.sweep("  pause: {values: [2, 0]}")
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


def outage_and_errors(server, client):
    """A run outlives an outage of the server, and then a second of errors."""
    long = PROGRAM.replace('"steps": 4, "pause": 0', '"steps": 40, "pause": 0.1')
    process = client.start("-c", long)
    (run,) = wait_for(lambda: list(server.state.runs.values()), "the run")
    wait_for(lambda: run.history, "rows")
    port = server.port
    server.stop()
    time.sleep(2)
    server.start()
    server.fail(1)
    assert process.wait(PATIENCE) == 0, process.said()
    assert server.port == port and run.state == "finished" and steps(run) == list(range(40))
    assert run.files["mask.bin"] == bytes(range(256)) * 40


def preempted_run(server, client):
    """A preempted run is requeued and goes on where it was."""
    path = client.sweep("  preempt_at: {value: 1}")
    sweep = server.state.sweeps[path.rpartition("/")[2]]
    agent = client.start("-m", "wandb", "agent", path)
    wait_for(lambda: sweep.runs and sweep.runs[0].state == "preempted", "the run to be preempted")
    assert sweep.runs[0].exitcode == 1, "an exception in a with-block is 1 to the client, whatever its code"
    assert steps(sweep.runs[0]) == [0, 1]
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
parameters = {"x": {"min": 0.0, "max": 1.0}}
sweep = wandb.sweep({"name": "by/name", "method": "random", "run_cap": 2, "parameters": parameters})
found["sweeps"] = [s.id == sweep for s in api.project("sieve", "lab").sweeps(filters={"display_name": "by/name"})]
found["listed"] = sweep in [s.id for s in api.project("sieve", "lab").sweeps(per_page=1)]
found["sweep"] = [api.sweep("lab/sieve/" + sweep).name, api.sweep("lab/sieve/" + sweep).expected_run_count]
drawn = []
wandb.agent(sweep, function=lambda: drawn.append(wandb.init().config.x) or wandb.finish())
found["drawn"] = [0 < x < 1 for x in drawn] + [wandb.Api().sweep("lab/sieve/" + sweep).state, len(set(drawn))]
print(json.dumps(found))
"""


def public_api(server, client):
    """The public API reads what was logged, and changes it."""
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


def offline_run(server, client):
    """An offline run is not seen until it is synced, and then whole."""
    assert client.run("train.py", WANDB_MODE="offline", WANDB_RUN_ID="offline")[0] == 0
    assert not server.state.runs
    ended, said = client.run("-m", "wandb", "sync", *(client.folder / "wandb").glob("offline-run-*"))
    run = server.state.run("offline")
    assert ended == 0 and run.state == "finished" and steps(run) == [0, 1, 2, 3] and len(run.files["mask.bin"]) == 1024


def refusals(server, client):
    """A wrong key and wrong sweeps are refused."""
    stranger = client.start("train.py", WANDB_API_KEY="x" * 40)
    wrong = {"no-list": "{a: {values: 3}}", "empty": "{}", "key": "{a: {valeus: [1]}}", "grid": "{a: {min: 0, max: 1.5,"
             " distribution: uniform}}"}  # fmt: skip
    files = []
    for name, parameters in wrong.items():
        files.append(client.folder / f"{name}.yaml")
        files[-1].write_text(f"program: train.py\nmethod: grid\nparameters: {parameters}\n")
    invoke = "import sys; from click.testing import CliRunner; from wandb.cli.cli import cli\n"
    invoke += "print([CliRunner().invoke(cli, ['sweep', path]).exit_code for path in sys.argv[1:]])"
    ended, said = client.run("-c", invoke, *files)
    assert ended == 0 and said.splitlines()[-1] == "[1, 1, 1, 1]" and not server.state.sweeps, said
    assert stranger.wait(PATIENCE) == 1 and "user is not logged in" in stranger.said()
    assert not server.state.runs


STATES = """
import sys
from click.testing import CliRunner
from wandb.cli.cli import cli
for word in ("--pause", "--resume", "--pause", "--resume", "--stop"):
    print(word, CliRunner().invoke(cli, ["sweep", word, sys.argv[1]]).exit_code)
print("agent", CliRunner().invoke(cli, ["agent", sys.argv[1]]).exit_code)
"""
STOP = "import sys, wandb; wandb.Api().run(sys.argv[1]).stop()"


def stops(server, client):
    """A run is stopped from outside; a sweep is paused, resumed and stopped, and then has no more agents."""
    path = client.sweep("  pause: {values: [1]}", "  steps: {value: 100}")
    sweep = server.state.sweeps[path.rpartition("/")[2]]
    agent = client.start("-m", "wandb", "agent", path)
    wait_for(lambda: sweep.runs and sweep.runs[0].history, "a row")
    assert client.run("-c", STOP, f"lab/sieve/{sweep.runs[0].name}")[0] == 0
    assert agent.wait(PATIENCE) == 0, agent.said()
    (run,) = sweep.runs
    assert run.state == "killed" and len(run.history) < 100 and sweep.state == "FINISHED"
    path = client.sweep("  steps: {value: 1}")
    ended, said = client.run("-c", STATES, path)
    assert "--pause 1\n--resume 0\n--pause 0\n--resume 0\n--stop 0\nagent 1" in said, said
    assert server.state.sweeps[path.rpartition("/")[2]].state == "FINISHED"


SCENES = (preempted_run, stops, killed_agent, two_agents, public_api, outage_and_errors, offline_run, refusals)


def play(scene: Callable[[Server, Client], None], folder: Path) -> None:
    with Server() as server:
        client = Client(server, folder)
        try:
            scene(server, client)
            assert server.unknown == []
        finally:
            client.end()


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future]]:
    """All scenes side by side, three at a time: most of their time is the five seconds an agent sleeps."""
    with ThreadPoolExecutor(3) as pool:
        yield {scene.__name__: pool.submit(play, scene, tmp_path_factory.mktemp(scene.__name__)) for scene in SCENES}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_real_client(playing, scene):
    playing[scene.__name__].result(3 * PATIENCE)
