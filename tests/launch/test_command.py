"""`command:` means here what W&B makes of it: every macro, every kind of value, and every point is itself."""

import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import SweepError
from launch.as_agents_do import agent_lines
from launch.command import MACROS, expand, nested
from launch.sweep import Sweep
from tests.launch.pretend import fake_resolve

HEAD = "method: grid\nparameters:\n  task: {value: toy}\n"
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.sampled_from(
    [[1, "a"], {"lr": 0.1}, "none", "a b", 5e-2]
)  # fmt: skip
WORDS = st.sampled_from(
    [*(f"${{{name}}}" for name in (*MACROS, "argz", "", "envvar:", "envvar:NOT_THERE", "envvar:THERE", "envvar:low")),
     "python3", "main.py", "--train.steps", 10, 0.5, True, None, "--x=${args}", "--a=${envvar:THERE}/${envvar:X}", "${",
     "$${args}", "${args} ", ""]
)  # fmt: skip


@pytest.fixture(scope="module")
def wandbs_own(tmp_path_factory):
    """Return what the installed client would start: its agent's own method, with the process taken away."""
    from wandb import wandb_agent

    folder = tmp_path_factory.mktemp("agent")
    (folder / "wandb" / "sweep-None").mkdir(parents=True)

    def start(words, program, args):
        agent, started = object.__new__(wandb_agent.Agent), []
        agent.__dict__ |= {
            "_in_jupyter": False, "_sweep_command": list(words), "_function": None, "_forward_signals": False,
            "_run_processes": {}, "_last_report_time": None,
        }  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WANDB_DIR", str(folder))
            patch.delenv("WANDB_SWEEP_ID", raising=False)
            patch.setenv("WANDB_RUN_ID", "x")
            patch.setenv("WANDB_SWEEP_PARAM_PATH", "x")
            keep = types.SimpleNamespace(last_sigterm_time=None)
            patch.setattr(wandb_agent, "AgentProcess", lambda command, **_: started.append(command) or keep)
            patch.setattr(wandb_agent.config_util, "save_config_file_from_dict", lambda *_: None)
            agent._command_run({"run_id": "r", "program": program, "args": {k: {"value": v} for k, v in args.items()}})
        return started[0]

    return start, str(folder / "wandb" / "sweep-None" / "config-r.json")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, min_size=1, max_size=5), args=st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3))
def test_it_is_expanded_as_wandb_does(words, args, wandbs_own):
    start, json_file = wandbs_own
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THERE", "/somewhere")
        patch.delenv("NOT_THERE", raising=False)
        assert expand(words, "main.py", args, json_file) == start(words, "main.py", args)


def test_every_macro_of_the_client_is_known(wandbs_own):
    from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

    theirs = create_sweep_command_args({"args": {}}).keys() | {"env", "interpreter", "program", "args_json_file"}
    assert theirs == set(MACROS)


def lines(sweep_file, command, parameters="", name="toy.yaml"):
    path = sweep_file(f"command: {command}\n{HEAD}{parameters}", name)
    sweep = Sweep.read(path)
    return agent_lines(sweep, sweep.points(fake_resolve, "runs"), fake_resolve)


@pytest.mark.parametrize(
    ("command", "started"),
    [
        ("[python3, main.py, --mask.steps=5, '${args}']", "python3 main.py --mask.steps=5 --task=toy --seed=1"),
        ("['${env}', nice, python, -m, main, '${args}']", "/usr/bin/env nice python -m main --task=toy --seed=1"),
        ("[python, ./main.py, --mask.steps, 10, '${args_no_equals}']",
         "python ./main.py --mask.steps 10 --task toy --seed 1"),
        ("['${program}', '${args_no_boolean_flags}']", "main.py --task=toy --seed=1"),
        ("['${program}', '--run.cache=${envvar:CACHE_OF_MINE}', '${args}']",
         "main.py --run.cache=/data --task=toy --seed=1"),
    ],
)  # fmt: skip
def test_check_says_what_an_agent_starts(sweep_file, monkeypatch, command, started):
    monkeypatch.setenv("CACHE_OF_MINE", "/data")
    said = lines(sweep_file, command, "  seed: {values: [1, 2]}\n")
    assert said[1:3] == [f"run 1: {started}", f"run 2: {started.replace('seed=1', 'seed=2').replace('d 1', 'd 2')}"]


def test_what_the_command_fixes_holds_here_too(sweep_file):
    path = sweep_file(f"command: [python3, main.py, --mask.steps, 5, '${{args}}']\n{HEAD}")
    assert Sweep.read(path).points(fake_resolve, "runs")[0].options.mask.steps == 5
    changed = Sweep.read(path).with_values({"mask.steps": "7"})
    assert changed.points(fake_resolve, "runs")[0].options.mask.steps == 7
    assert changed.command.words == ("python3", "main.py", "${args}")


def test_where_results_would_lie_elsewhere_is_said(sweep_file):
    said = lines(sweep_file, "['${program}', '${args}']")
    assert "runs/single" in said[-1] and "--run.sweep=toy" in said[-1]
    assert "single" not in lines(sweep_file, "['${program}', --run.sweep=toy, '${args}']")[-1]
    assert (
        "OF_NOBODY is not set" in lines(sweep_file, "['${program}', '--run.cache=${envvar:OF_NOBODY}', '${args}']")[0]
    )


@pytest.mark.parametrize(
    ("command", "parameters", "expected"),
    [
        ("['${program}', '${args_json}']", "", "main.py cannot read what ${args_json} gives it (one JSON text)"),
        ("['${program}', '${args_json_file}']", "", "main.py cannot read what ${args_json_file} gives it"),
        ("['${program}', '${args_no_hyphens}']", "", "main.py cannot read what ${args_no_hyphens} gives it"),
        ("['${program}', '${args_append_hydra}']", "", "main.py cannot read what ${args_append_hydra} gives it"),
        ("['${program}', '${args_override_hydra}']", "", "main.py cannot read what ${args_override_hydra} gives it"),
        ("['${program}', '${argz}']", "", "${argz} is no macro of W&B; there are: "),
        ("['${program}', '--seed=${args}']", "", "--seed=${args} has a macro inside a word"),
        ("['${program}', '--run.cache=${HOME}/x', '${args}']", "", "has a macro inside a word"),
        ("['${env}', '${args}']", "", "does not start main.py"),
        ("[python, train.py, '${args}']", "", "does not start main.py"),
        ("[bash, -c, 'python main.py']", "", "does not start main.py"),
        ("['${program}', tuple_ff]", "", "'tuple_ff' is not an option"),
        ("['${program}', [x]]", "", "must be a list of words"),
        ("{a: 1}", "", "must be a list of words"),
        ("['${program}']", "", "an agent's run 1 would not be point 1: unknown task None"),
        ("['${args}', '${program}']", "", "would not be point 1: unknown task None"),
        ("['${program}', --task=toy, --seed=3]", "  seed: {values: [3, 4]}\n", "seed is given twice: 3 and 4"),
        ("['${program}', --task=toy]", "  seed: {values: [3, 4]}\n", "run 1 would not be point 1: seed=0, not 3"),
        ("['${program}', '${args_no_boolean_flags}']", "  mask.bias: {values: [true, false]}\n",
         "run 2 would not be point 2: mask.bias=true, not false"),
        ("['${program}', '${args}', --mask.steps=100]", "  mask.steps: {values: [1, 100]}\n",
         "mask.steps is given twice: 100 and 1"),
        ("['${program}', '--seed', '${args}']", "", "seed=true is not a whole number"),
    ],
)  # fmt: skip
def test_what_would_not_be_the_point_is_refused_by_name(sweep_file, command, parameters, expected):
    with pytest.raises(SweepError) as caught:
        lines(sweep_file, command, parameters)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_nested_and_joint_values_are_handed_out_as_mappings(sweep_file):
    parameters = "  mask: {values: [{lr: 0.5, bias: false}, {lr: 2.0}]}\n  layer-sizes: {value: [4, 5]}\n"
    path = sweep_file(HEAD + parameters)
    points = Sweep.read(path).points(fake_resolve, "runs")
    assert [(p.options.mask.lr, p.options.mask.bias) for p in points] == [(0.5, False), (2.0, True)]
    assert points[0].options.layer_sizes == (4, 5)
    said = agent_lines(Sweep.read(path), points, fake_resolve)
    assert (
        "'--mask={'\"'\"'lr'\"'\"': 0.5, '\"'\"'bias'\"'\"': False}'" in said[1] and "'--layer-sizes=[4, 5]'" in said[1]
    )
    sweep = Sweep.read(sweep_file(HEAD + "  mask: {parameters: {lr: {value: 0.5}, steps: {value: 3}}}\n"))
    args = nested(sweep.document.root["parameters"], {"task": "toy", "mask.lr": 0.5, "mask.steps": 3, "seed": 1})
    assert args == {"task": "toy", "mask": {"lr": 0.5, "steps": 3}, "seed": 1}


def test_a_value_given_jointly_and_alone_is_refused(sweep_file):
    path = sweep_file(HEAD + "  mask: {values: [{lr: 0.5}]}\n  mask.lr: {value: 1}\n")
    with pytest.raises(SweepError, match=r"mask.lr is given twice: 0.5 and 1"):
        Sweep.read(path).points(fake_resolve, "runs")
