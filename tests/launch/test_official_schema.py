"""What W&B's own schema and its client accept is accepted here, and nothing else: the schema itself is the referee."""

import copy
import math

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import SweepError
from launch.distributions import NEEDS
from launch.sweep import Sweep
from tests.launch.json_schema import valid

NUMBERS = st.sampled_from([0, 1, 2, -1, 0.0, 0.5, 2.0, 1e-3, "1", "1e-4", None, True, [1], {}, 3, 10**25])
WORDS = st.sampled_from([*NEEDS, "unifrom", 1, None, [], ""])
ANY = NUMBERS | st.sampled_from(["x", {"lr": 0.1, "bias": False}, [[1], None], False])
LISTS = st.lists(ANY, max_size=3) | st.sampled_from([[0.5, 0.5], [1], [0.2, 0.8], [0.5, 0.6], "x", None, {}])
PARAMETER_KEYS = {
    **dict.fromkeys(("min", "max", "q", "mu", "sigma", "a", "b"), NUMBERS),
    "value": ANY, "values": LISTS, "probabilities": LISTS, "distribution": WORDS, "valeu": ANY,
}  # fmt: skip
GOOD = [
    {"value": 1}, {"value": {"a": 1}}, {"values": [1, "a", None]}, {"values": [{"lr": 0.1, "bias": False}, {"lr": 1}]},
    {"values": [1, 2], "probabilities": [0.5, 0.5]}, {"min": 0, "max": 3}, {"min": 0.0, "max": 0.5},
    {"distribution": "uniform", "min": 0, "max": 0.5}, {"distribution": "normal"}, {"distribution": "beta", "a": 0},
    *({"distribution": kind, "min": 1, "max": 2} for kind in NEEDS if "uniform" in kind),
    *({"distribution": kind, "q": 2} for kind in ("q_normal", "q_log_normal", "q_beta")),
    {"distribution": "log_normal", "mu": -1, "sigma": 0}, {"parameters": {"x-y": {"value": 1}}},
]  # fmt: skip
METRIC = {"name": "a", "goal": "maximize", "target": 3, "impute": "best", "impute_while_running": "false"}
HYPERBAND = {"type": "hyperband", "min_iter": 1, "max_iter": 9, "s": 2, "eta": 2, "strict": True}
SCHEDULER = {"engine": "wandb", "source": "x.py", "optimizer": "f", "search_space": "g"}
TOP = {
    "apiVersion": "1", "kind": "sweep", "controller": {"type": "cloud", "more": 1}, "description": "x", "job": "j",
    "image_uri": "i", "entity": "e", "project": "p", "run_cap": 3, "metric": METRIC, "early_terminate": HYPERBAND,
    "scheduler": SCHEDULER, "metrics": [METRIC, METRIC], "method": "random", "nonsense": 1,
}  # fmt: skip
BASE = {"method": "random", "parameters": {"task": {"value": "toy"}}}


def accepted(config, tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    try:
        Sweep.read(path)
    except SweepError as error:
        text = str(error)
        assert text.isprintable() and text.startswith(str(path)) and len(text) < 1200
        return False
    return True


def official(config):
    """Return whether the schema accepts it, W&B's engine does (which compares numbers) and its client does."""
    if not valid(config):
        return False
    method, scheduler = config["method"], config.get("scheduler")
    if "metrics" in config and ("metric" in config or method != "custom"):
        return False
    if scheduler is not None:
        engines = {"wandb": ("grid", "random", "bayes"), "optuna": ("custom",), "ax": ("custom",)}
        local = config.get("controller", {}).get("type") == "local"
        if method not in engines[scheduler["engine"]] or "early_terminate" in config or local:
            return False
    return all(map(compares, config["parameters"].values()))


def compares(parameter):
    if "parameters" in parameter:
        return all(map(compares, parameter["parameters"].values()))
    if "min" in parameter:
        low, high = parameter["min"], parameter["max"]
        alike = isinstance(low, int) == isinstance(high, int)  # else the client calls it ambiguous
        return low < high and ("distribution" in parameter or alike)
    chances = parameter.get("probabilities")
    return chances is None or len(chances) == len(parameter["values"]) and math.isclose(sum(chances), 1)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_parameter_is_accepted_where_the_schema_accepts_it(data, tmp_path):
    parameter = copy.deepcopy(data.draw(st.sampled_from(GOOD)))
    for key in data.draw(st.lists(st.sampled_from(sorted(PARAMETER_KEYS)), max_size=2)):
        if data.draw(st.booleans()):
            parameter.pop(key, None)
        else:
            parameter[key] = data.draw(PARAMETER_KEYS[key])
    name = data.draw(st.sampled_from(["seed", "seed", "mask-lr", "a b", "1a", "a.b", "ä"]))
    config = BASE | {"parameters": BASE["parameters"] | {name: parameter}}
    assert accepted(config, tmp_path) == official(config), config


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_keys_at_the_top_are_accepted_where_the_schema_accepts_them(data, tmp_path):
    config = copy.deepcopy(BASE)
    config["method"] = data.draw(st.sampled_from(["random", "grid", "bayes", "custom"]))
    for key in data.draw(st.lists(st.sampled_from(sorted(TOP)), max_size=3, unique=True)):
        config[key] = copy.deepcopy(TOP[key])
        inner = config[key]
        if isinstance(inner, dict) and data.draw(st.booleans()):
            changed = data.draw(st.sampled_from(sorted(inner)))
            if data.draw(st.booleans()):
                del inner[changed]
            else:
                inner[changed] = data.draw(ANY | st.sampled_from(["local", "optuna", "hyperband", "minimize", "false"]))
        elif data.draw(st.integers(0, 3)) == 0:
            config[key] = data.draw(ANY | st.just("custom"))
    assert accepted(config, tmp_path) == official(config), config


@pytest.mark.parametrize("parameter", GOOD)
def test_each_good_example_is_good(parameter, tmp_path):
    config = BASE | {"parameters": BASE["parameters"] | {"x": parameter}}
    assert official(config) and accepted(config, tmp_path)
