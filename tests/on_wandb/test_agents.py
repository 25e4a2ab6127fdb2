"""Agents and the runs they start: every point once, requeued runs bit-equal, agents that die."""

import os
import re
import signal

import pytest

from core import exit_codes as code
from core.store import Run
from launch.sweep import Sweep
from tasks.options import resolve
from tests.on_wandb.conftest import TINY, output, wait_for
from tests.on_wandb.test_runs import assert_whole, local, the_run

# every spelling that W&B may pass on: text, lists, booleans, none, null, 5e-2, nested
KINDS = """
program: main.py
name: many/kinds
method: grid
parameters:
  task: {value: tuple_ff}
  layer_sizes: {value: "16,16"}
  data.train_size: {value: 2000}
  data.eval_size: {value: 100}
  data.seen_size: {value: 50}
  mask: {parameters: {steps: {value: 25}, init: {value: 0.3}, batch_size: {value: none}, bias: {values: [true, false]}}}
  mask.lr: {value: 5e-2}
  train.lr: {value: 0.002}
  train: {parameters: {steps: {value: 30}, batch_size: {value: 16}, grad_clip: {value: null}}}
  inverse_io: {value: [none, ones]}
  run.quiet: {value: true}
  seed: {values: [1, 2]}
"""
LONG = {"train.steps": 1500, "train.eval_every": 25, "mask.steps": 100}  # two seconds


def sweep_file(folder, name, **parameters):
    """Write a sweep of tiny runs with these parameters."""
    lines = [f"name: {name}", "program: main.py", "method: grid", "parameters:", "  task: {value: tuple_ff}"]
    lines += [f"  {key}: {{value: {value!r}}}" for key, value in TINY.items() if key not in parameters]
    lines += [
        f"  {key}: {{{'values' if isinstance(value, list) else 'value'}: {value}}}" for key, value in parameters.items()
    ]
    path = folder / "sweep.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def create(machine, path, folder):
    """Create a sweep as a person would, with `wandb sweep`; its results go below `folder`."""
    name = Sweep.read(path).name
    text = path.read_text()
    words = ["${env}", "${interpreter}", "${program}", f"--run.sweep={name}", f"--run.dir={folder}", "${args}"]
    path.write_text(text + f"command: {words}\n".replace("'", '"'))
    ended, said = machine.run("-m", "wandb", "sweep", path)
    assert ended == 0, said
    return re.search(r"wandb agent (\S+)", said)[1]


def agent(machine, path, *options, **env):
    return machine.start("-m", "wandb", "agent", "--forward-signals", *options, path, **env)


def test_two_agents_of_run_py_do_each_point_once_with_the_right_types(server, machine, tmp_path):
    file = tmp_path / "kinds.yaml"
    file.write_text(KINDS)
    ended, text = machine.run("run.py", file, "--wandb", "--jobs", "2", "--dir", tmp_path / "r")
    assert ended == code.DONE, text
    points = Sweep.read(file).points(resolve, str(tmp_path / "r"))
    runs = Run.query(tmp_path / "r")
    assert {run.signature for run in runs} == {point.signature for point in points} and len(runs) == 4
    (sweep,) = [sweep for sweep in server.state.sweeps.values() if sweep.config["name"] == "many/kinds"]
    assert sweep.state == "FINISHED" and len(sweep.runs) == len(sweep.points) == 4
    for run in runs:
        assert_whole(server, run)
        assert run.options["inverse_io"] == ("none", "ones") and run.options["mask.batch_size"] is None
        assert run.options["train.grad_clip"] is None and run.options["mask.lr"] == 0.05
    assert {run.options["mask.bias"] for run in runs} == {True, False}
    assert {run.sweep for run in runs} == {"many/kinds"} == {run.group for run in sweep.runs}
    secret = server.key.encode()
    assert not [p for p in (tmp_path / "r").rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert f"on any other machine: wandb agent --forward-signals lab/sieve/{sweep.id}\n" in text
    assert f"lab/sieve/{sweep.id} is finished; its runs of 4: 4 finished\n" in text


class Preempted:
    """A sweep of one point whose run gets a signal in the middle."""

    def __init__(self, machine, folder, number):
        self.machine, self.folder, self.number = machine, folder / number.name, number
        self.folder.mkdir()
        seed, long = int(number), [f"--{name}={value}" for name, value in LONG.items()]
        self.path = create(machine, sweep_file(self.folder, number.name, seed=seed, **LONG), self.folder / "r")
        self.whole = machine.start(*machine.main(self.folder / "w", f"--seed={seed}", "--log=none", *long))
        self.agent = agent(machine, self.path)

    def interrupt(self):
        wait_for(lambda: Run.query(self.folder / "r", state="running"), "the agent's run")
        self.run = local(self.folder / "r")
        wait_for(lambda: len(self.run.history()) > 5, "rows")
        pid = self.run.status["pid"]
        for _ in range(2):  # a scheduler signals every process of a job, and the agent passes on what it gets
            os.kill(self.agent.pid, self.number)
            os.kill(pid, self.number)
        wait_for(lambda: self.run.state == "stopped", "the run to save")
        assert 0 < len(self.run.history()) < 60, "it was too quick to be preempted"


def test_preempted_runs_are_requeued_and_end_with_the_same_bits(server, machine, tmp_path):
    term, usr2 = (Preempted(machine, tmp_path, number) for number in (signal.SIGTERM, signal.SIGUSR2))
    term.interrupt()
    usr2.interrupt()  # does not end the agent, which gets its own run back
    assert term.agent.wait(60) == 0, output(term.agent)
    there = the_run(server, term.run.signature)
    assert there.state == "preempted" and there.exitcode == code.RESUME
    term.agent = agent(machine, term.path)
    for case in (term, usr2):
        assert case.agent.wait(100) == 0, output(case.agent)
        assert_whole(server, case.run)
        there = the_run(server, case.run.signature)
        assert len(there.history) == len({row["_step"] for row in there.history}), "rows were sent twice"
        assert case.whole.wait(60) == code.DONE
        alone = local(case.folder / "w")
        for file in ("history.jsonl", "summary.json", *(f"masks/{name}.npz" for name in ("control", "pair1", "pair2"))):
            assert case.run.path(file).read_bytes() == alone.path(file).read_bytes()


def test_an_agent_that_is_killed_leaves_its_point_and_the_others_to_be_done(server, machine, tmp_path):
    path = create(machine, sweep_file(tmp_path, "killed", seed=[21, 22], **LONG), tmp_path / "r")
    first = agent(machine, path)
    wait_for(lambda: Run.query(tmp_path / "r", state="running"), "the agent's run")
    first.send_signal(signal.SIGKILL)
    first.wait(10)  # its run goes on without it
    second = agent(machine, path)
    assert second.wait(100) == 0, output(second)
    wait_for(lambda: len(Run.query(tmp_path / "r")) == 2, "both points")
    for run in Run.query(tmp_path / "r"):
        wait_for(lambda run=run: the_run(server, run.signature).state == "finished", "the run's end on W&B")
        assert_whole(server, run)


def test_ctrl_c_stops_the_agents_and_says_how_to_go_on(server, machine, tmp_path):
    file = sweep_file(tmp_path, "interrupted", seed=[31, 32], **LONG)
    first = machine.start("run.py", file, "--wandb", "--jobs", "2", "--dir", tmp_path / "r")
    wait_for(lambda: len(Run.query(tmp_path / "r", state="running")) == 2, "two runs")
    wait_for(lambda: all(len(run.history()) > 3 for run in Run.query(tmp_path / "r", state=None)), "rows")
    first.send_signal(signal.SIGINT)
    assert first.wait(100) == code.RESUME, output(first)
    assert {run.state for run in Run.query(tmp_path / "r", state=None)} == {"stopped"}
    again = re.search(r"to go on: run\.py (.*)", output(first))[1].split()
    ended, text = machine.run("run.py", *again)
    assert ended == code.DONE, text
    for run in Run.query(tmp_path / "r", state=None):
        assert_whole(server, run)


def test_an_option_that_does_not_exist_stops_the_first_run(server, machine, tmp_path):
    file = sweep_file(tmp_path, "misspelt", **{"mask.stesp": 3})
    ended, text = machine.run("run.py", file, "--check")
    assert ended == code.BAD_INPUT and "unknown option 'mask.stesp'; did you mean 'mask.steps'?" in text
    path = create(machine, file, tmp_path / "r")
    ended, text = machine.run("-m", "wandb", "agent", "--count", "1", path)
    assert text.count("main.py: unknown option 'mask.stesp'; did you mean 'mask.steps'?") == 1
    (run,) = server.state.sweeps[path.rpartition("/")[2]].runs
    assert run.state == "failed" and "did you mean 'mask.steps'?" in run.summary["error"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--wandb", "--only", "1"], "--only does not go with --wandb"),
        (["--sweep", "x", "--set", "seed=1"], "--set does not go with --sweep"),
        (["--sweep", "lab/sieve/nothing1"], "W&B: "),
        (["--wandb", "--set", "log=tb"], "log=tb keeps W&B empty; leave log out, or log=all"),
    ],
)
def test_mistakes_are_one_line(machine, tmp_path, arguments, text):
    ended, said = machine.run("run.py", sweep_file(tmp_path, "mistakes"), *arguments)
    assert ended == code.BAD_INPUT and said.count("\n") == 1 and text in said, said
