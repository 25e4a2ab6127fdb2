"""Agents of a W&B server as tasks of a real Slurm: each does one run, with the code that was submitted."""

from core.provenance import read_environment
from core.store import Run
from tests.cluster.conftest import real_sweep
from tests.on_wandb.conftest import machine, server, wait_for  # noqa: F401


def test_each_task_is_an_agent_for_one_run(make, machine, server):  # noqa: F811
    sweep = make(real_sweep("[1, 2]", log="wandb"), **machine.env)
    said = sweep.run("--wandb", "--slurm", "time=5", "--jobs", "1")
    assert "2 agents of " in said
    (created,) = server.state.sweeps.values()
    wait_for(lambda: "2 COMPLETED" in sweep.run("--list"), "both agents to end", 300)
    runs = Run.query(sweep.runs)
    assert sorted(run.options["seed"] for run in runs) == [1, 2] and len(created.runs) == 2
    assert all(read_environment(run.folder)[-1]["snapshot"] for run in runs)
    assert [run.state for run in created.runs] == ["finished", "finished"]
    assert sweep.states() == ["done", "done"]
