"""The points of a sweep, and what is wrong with its configuration, as the published schema has it."""

import itertools
import math
import random
import re
from collections.abc import Iterator
from typing import Any

TOP_KEYS = {
    "apiVersion", "kind", "controller", "description", "program", "job", "image_uri", "entity", "project", "method",
    "command", "name", "run_cap", "metric", "metrics", "scheduler", "early_terminate", "parameters",
}  # fmt: skip
METHODS = ("grid", "random", "bayes")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
BOUNDS, BELL, BETA = {"min", "max"}, {"mu", "sigma"}, {"a", "b"}
# distribution -> the keys it must have, the keys it may have
DISTRIBUTIONS: dict[str, tuple[set[str], set[str]]] = {
    "constant": ({"value"}, set()),
    "categorical": ({"values"}, set()),
    "categorical_w_probabilities": ({"values", "probabilities"}, set()),
    "uniform": (BOUNDS, set()),
    "int_uniform": (BOUNDS, set()),
    "log_uniform": (BOUNDS, set()),
    "log_uniform_values": (BOUNDS, set()),
    "inv_log_uniform": (BOUNDS, set()),
    "inv_log_uniform_values": (BOUNDS, set()),
    "q_uniform": (BOUNDS, {"q"}),
    "q_log_uniform": (BOUNDS, {"q"}),
    "q_log_uniform_values": (BOUNDS, {"q"}),
    "normal": (set(), BELL),
    "log_normal": (set(), BELL),
    "q_normal": (set(), BELL | {"q"}),
    "q_log_normal": (set(), BELL | {"q"}),
    "beta": (set(), BETA),
    "q_beta": (set(), BETA | {"q"}),
}


def distribution(parameter: dict[str, Any]) -> str:
    if "distribution" in parameter:
        return parameter["distribution"]
    if "value" in parameter:
        return "constant"
    if "values" in parameter:
        return "categorical_w_probabilities" if "probabilities" in parameter else "categorical"
    whole = all(isinstance(parameter.get(bound), int) for bound in BOUNDS)
    return "int_uniform" if whole else "uniform"


def parameter_errors(name: str, parameter: Any, method: str) -> Iterator[str]:
    if not NAME.fullmatch(str(name)):
        yield f"{name!r} is not a name of a parameter"
    if not isinstance(parameter, dict):
        yield f"{name}: {parameter!r} is not an object"
        return
    if "parameters" in parameter:
        for extra in sorted(set(parameter) - {"parameters"}):
            yield f"{name}: {extra!r} was unexpected beside 'parameters'"
        yield from parameters_errors(parameter["parameters"], method, f"{name}.")
        return
    kind = distribution(parameter)
    if kind not in DISTRIBUTIONS:
        yield f"{name}: {kind!r} is not a distribution; it is one of {sorted(DISTRIBUTIONS)}"
        return
    needed, allowed = DISTRIBUTIONS[kind]
    for missing in sorted(needed - set(parameter)):
        yield f"{name}: {missing!r} is a required property"
    for extra in sorted(set(parameter) - needed - allowed - {"distribution"}):
        yield f"{name}: {extra!r} was unexpected"
    if "values" in parameter and (not isinstance(parameter["values"], list) or not parameter["values"]):
        yield f"{name}: values must be a list that is not empty, not {parameter['values']!r}"
    for key in sorted((BOUNDS | BELL | BETA | {"q"}) & set(parameter)):
        if isinstance(parameter[key], bool) or not isinstance(parameter[key], (int, float)):
            yield f"{name}: {key} must be a number, not {parameter[key]!r}"
    if method == "grid" and kind not in ("constant", "categorical", "categorical_w_probabilities", "int_uniform"):
        yield f"{name}: a grid needs value or values, not the distribution {kind!r}"


def parameters_errors(parameters: Any, method: str, prefix: str = "") -> Iterator[str]:
    if not isinstance(parameters, dict) or not parameters:
        yield f"{prefix}parameters must be an object that is not empty, not {parameters!r}"
        return
    for name, parameter in parameters.items():
        yield from parameter_errors(f"{prefix}{name}", parameter, method)


def errors(config: Any) -> list[str]:
    """Why no run can be made of this configuration; such a sweep is refused."""
    if not isinstance(config, dict):
        return [f"the configuration must be an object, not {config!r}"]
    found = []
    method = config.get("method")
    if "method" not in config:
        found.append("'method' is a required property")
    elif method not in METHODS:
        found.append(f"method: {method!r} is not one of {list(METHODS)}")
    if "parameters" not in config:
        found.append("'parameters' is a required property")
    else:
        found += parameters_errors(config["parameters"], str(method))
    cap = config.get("run_cap", 1)
    if isinstance(cap, bool) or not isinstance(cap, int) or cap < 1:
        found.append(f"run_cap: {cap!r} is not a whole number above 0")
    if not isinstance(config.get("command", []), list):
        found.append(f"command: {config['command']!r} is not a list")
    metric = config.get("metric", {"name": ""})
    if not isinstance(metric, dict) or "name" not in metric:
        found.append("metric: 'name' is a required property")
    elif metric.get("goal", "minimize") not in ("minimize", "maximize"):
        found.append(f"metric: goal {metric['goal']!r} is not one of ['minimize', 'maximize']")
    return found


def warnings(config: dict[str, Any]) -> list[str]:
    """What the server finds odd but accepts; the client prints it."""
    found = [f"Additional properties are not allowed ({key!r} was unexpected)" for key in config if key not in TOP_KEYS]
    if config["method"] == "bayes" and "metric" not in config:
        found.append("method 'bayes' needs a metric")
    return found


def grid_values(parameter: dict[str, Any]) -> list[Any]:
    if "parameters" in parameter:
        return list(grid(parameter["parameters"]))
    if "value" in parameter:
        return [parameter["value"]]
    if "values" in parameter:
        return parameter["values"]
    return list(range(parameter["min"], parameter["max"] + 1))


def grid(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All points: names sorted, the last varies fastest; a nested group is one value, a dict."""
    names = sorted(parameters)
    for values in itertools.product(*(grid_values(parameters[name]) for name in names)):
        yield dict(zip(names, values, strict=True))


def draw(parameter: dict[str, Any], rng: random.Random) -> Any:
    if "parameters" in parameter:
        return {name: draw(parameter["parameters"][name], rng) for name in sorted(parameter["parameters"])}
    kind = distribution(parameter)
    low, high = parameter.get("min", 0.0), parameter.get("max", 1.0)
    mu, sigma = parameter.get("mu", 0.0), parameter.get("sigma", 1.0)
    plain = kind.removeprefix("q_")
    if plain == "constant":
        return parameter["value"]
    if plain in ("categorical", "categorical_w_probabilities"):
        return rng.choices(parameter["values"], parameter.get("probabilities"))[0]
    if plain == "int_uniform":
        return rng.randint(low, high)
    if plain == "uniform":
        value = rng.uniform(low, high)
    elif plain in ("log_uniform", "inv_log_uniform"):
        value = math.exp(rng.uniform(low, high))
    elif plain in ("log_uniform_values", "inv_log_uniform_values"):
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
    elif plain == "normal":
        value = rng.gauss(mu, sigma)
    elif plain == "log_normal":
        value = math.exp(rng.gauss(mu, sigma))
    else:
        value = rng.betavariate(parameter.get("a", 1), parameter.get("b", 1))
    if kind.startswith("q_"):
        step = parameter.get("q", 1.0)
        value = round(value / step) * step
    return value


def next_point(config: dict[str, Any], handed_out: list[dict[str, Any]], seed: str) -> dict[str, Any] | None:
    """The next point of a sweep, or None when it has no more.

    A point of a grid whose run was deleted is no longer among those handed out, so it comes again.
    """
    if len(handed_out) >= config.get("run_cap", math.inf):
        return None
    if config["method"] == "grid":
        left = list(handed_out)
        for point in grid(config["parameters"]):
            if point not in left:
                return point
            left.remove(point)
        return None
    rng = random.Random(f"{seed}/{len(handed_out)}")
    return {name: draw(config["parameters"][name], rng) for name in sorted(config["parameters"])}


def expected(config: dict[str, Any]) -> int | None:
    """How many runs a sweep will have, if it ever ends."""
    cap = config.get("run_cap")
    if config["method"] != "grid":
        return cap
    size = sum(1 for _ in grid(config["parameters"]))
    return size if cap is None else min(size, cap)
