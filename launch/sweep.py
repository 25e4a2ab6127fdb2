"""A sweep: a YAML file in the W&B schema, expanded into checked points without W&B.

    program: main.py
    name: tuple_ff                  # results go to runs/<name>/
    method: grid                    # or random
    run_cap: 20                     # at most so many runs; random needs it (or --runs)
    parameters:
      task: {value: tuple_ff}
      mask.lr: {distribution: log_uniform_values, min: 0.001, max: 0.1}
      seed: {values: [1, 2, 3]}

`wandb sweep` reads the same file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import SieveError, SweepError
from core.limits import SweepName
from core.options import read_arguments
from core.registry import nearest
from core.store import folder_of
from core.values import as_text, said
from launch.located_yaml import Document, Located
from launch.parameter import MOST, Parameter, given
from launch.points import Point
from launch.schema import read_parameters

METHODS = ("grid", "random", "bayes")
ONLY_WANDB = ("project", "entity", "description", "early_terminate", "controller", "scheduler")
KEYS = ("program", "name", "method", "metric", "command", "parameters", "run_cap", *ONLY_WANDB)
COMMAND = ["${env}", "${interpreter}", "${program}", "${args}"]  # what an agent starts where the file says nothing
OURS = {"run.sweep": "the sweep's name:", "run.dir": "--dir"}
Resolve = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Sweep:
    """The contents of a sweep file.

    Attributes:
        document: the file.
        name: folder of the results, below run.dir.
        method: grid, random, or bayes (which only W&B can do).
        program: the script that does one run, relative to the toolkit's folder.
        run_cap: at most so many points, or None.
        parameters: by dotted option name, in the order of the file.
    """

    document: Document
    name: str
    method: str
    program: str
    run_cap: int | None
    parameters: dict[str, Parameter]

    @classmethod
    def read(cls, path: str | Path) -> Sweep:
        """Read a sweep file.

        Raises:
            SweepError: the file is missing, is not YAML, or says something that is not in the schema; the text
                names the file and the line.
        """
        document = Document(path)
        root = document.root
        document.check_keys(root, KEYS, "key")
        if "parameters" not in root:
            raise document.error(0, "no parameters:; a sweep needs at least task: {value: ...} there")
        name = _name(document)
        parameters = _fixed(document, name) | read_parameters(document, root["parameters"])
        for option, where in OURS.items():
            if option in parameters:
                raise document.error(parameters[option].line, f"{option} is not a parameter; it comes from {where}")
        _check_metric(document)
        return cls(document, name, _method(document), _program(document), _run_cap(document), parameters)

    def program_in(self, root: Path) -> Path:
        """Return the path of the script, which lies in the toolkit's folder.

        Raises:
            SweepError: it is not there.
        """
        if not (root / self.program).is_file():
            item = self.document.root.get("program", Located(self.program, 0))
            raise self.document.error(item.line, f"program: there is no {self.program} in {root}")
        return root / self.program

    def with_values(self, values: Mapping[str, str]) -> Sweep:
        """Return the sweep with parameters set (or added) to one value each."""
        return replace(self, parameters=self.parameters | {name: given(name, text) for name, text in values.items()})

    def config(self, values: Mapping[str, str], runs: int | None, run_dir: str | None) -> dict[str, Any]:
        """Return the sweep as the W&B server takes it.

        Args:
            values: parameters set (or added) to one value each.
            runs: at most so many points; None leaves the file's run_cap.
            run_dir: the folder of all results, or None for the one beside main.py.
        """
        config = Located(self.document.root, 0).plain() | {"name": self.name, "program": self.program}
        for name, text in values.items():
            _remove(config["parameters"], name)
            config["parameters"][name] = {"value": text}
        if runs is not None:
            config["run_cap"] = runs
        more = [f"--run.dir={Path(run_dir).resolve()}"] if run_dir else []
        if not any(word.startswith("--run.sweep=") for word in config.setdefault("command", COMMAND)):
            more.append(f"--run.sweep={self.name}")
        config["command"] = [*config["command"], *more]
        return config

    def has_end(self) -> bool:
        """Return whether the number of points is known."""
        return self.method == "grid" or (self.method == "random" and self.run_cap is not None)

    def choices(self) -> dict[str, tuple[Located, ...]]:
        """Return the parameters of a grid that have several values.

        Raises:
            SweepError: a random sweep has no values to choose from.
        """
        if self.method != "grid":
            raise self.document.error(
                self.document.root["method"].line, "a random sweep has no list to choose from; use --all or --only"
            )
        grids = {name: parameter.grid(self.document) for name, parameter in self.parameters.items()}
        return {name: values for name, values in grids.items() if len(values) > 1}

    def points(self, resolve: Resolve, run_dir: str, runs: int | None = None) -> list[Point]:
        """Return the points, each checked; a point with the signature of an earlier one is left out.

        Args:
            resolve: dotted names and values -> options, or a SieveError (`tasks.options.resolve`).
            run_dir: the folder of all results.
            runs: at most so many points; instead of the file's run_cap.

        Raises:
            SweepError: a value or option that its task does not have, with its line; too many points.
        """
        run = {"run.sweep": self.name, "run.dir": run_dir}
        found: dict[str, Point] = {}
        for located in self._combinations(self.run_cap if runs is None else runs):
            values = {name: item.value for name, item in located.items()}
            try:
                options = resolve(values | run)
            except SieveError as error:
                raise self._at_its_line(str(error), located) from None
            folder = folder_of(options)  # whose last part is the signature
            if folder.name not in found:
                found[folder.name] = Point(len(found) + 1, values, options, folder.name, folder)
        points = list(found.values())
        varying = tuple(name for name in self.parameters if len({as_text(point.values[name]) for point in points}) > 1)
        return [replace(point, varying=varying) for point in points]

    def _combinations(self, cap: int | None) -> Iterator[dict[str, Located]]:
        if self.method == "bayes":
            line = self.document.root["method"].line
            raise self.document.error(line, "method: bayes needs the W&B server; add --wandb")
        if self.method == "random":
            if cap is None:
                raise self.document.error(0, "method: random has no end; give run_cap: N there, or --runs N")
            for index in range(cap):
                yield {name: parameter.draw(index) for name, parameter in self.parameters.items()}
            return
        lists = [parameter.grid(self.document) for parameter in self.parameters.values()]
        size = 1
        for values in lists:
            size *= len(values)
        if min(size, cap or size) > MOST:
            raise self.document.error(0, f"the grid has {size} points; more than {MOST} need run_cap: N or --runs N")
        for values in itertools.islice(itertools.product(*lists), cap):
            yield dict(zip(self.parameters, values, strict=True))

    def _at_its_line(self, text: str, located: Mapping[str, Located]) -> SweepError:
        """Name the line of the parameter that `text`, an error of `resolve`, is about."""

        def position(name: str) -> int:
            quoted = [re.escape(repr(word)) for word in (name, located[name].value) if isinstance(word, str)]
            match = re.search(rf"(?<![\w.]){re.escape(name)}=|{'|'.join(quoted)}", text)
            return match.start() if match else len(text)

        name = min(located, key=position)
        if position(name) == len(text):
            return self.document.error(0, text)
        line = located[name].line
        return self.document.error(line, text) if line else SweepError(f"--set: {text}")


def _remove(block: dict[str, Any], name: str) -> None:
    """Take a parameter out of a plain `parameters:` block, also where it is nested."""
    block.pop(name, None)
    for group, entry in block.items():
        if name.startswith(f"{group}.") and "parameters" in entry:
            _remove(entry["parameters"], name.removeprefix(f"{group}."))


def _name(document: Document) -> str:
    item = document.root.get("name")
    if item is None:
        return document.path.stem
    refusal = SweepName().refusal(item.value) if isinstance(item.value, str) else f"is not {SweepName()}"
    if refusal:
        raise document.error(item.line, f"name: {said(item.plain())!r} {refusal}")
    return item.value


def _method(document: Document) -> str:
    if "method" not in document.root:
        raise document.error(0, f"no method:; allowed: {', '.join(METHODS)}")
    method, line = document.root["method"]
    if method not in METHODS:
        near = nearest(str(method), METHODS)
        raise document.error(line, f"unknown method {method!r}; allowed: {', '.join(METHODS)}{near}")
    return method


def _program(document: Document) -> str:
    program = document.root.get("program", Located("main.py", 0))
    if not isinstance(program.value, str):
        raise document.error(program.line, "program: must name a script, main.py")
    return program.value


def _run_cap(document: Document) -> int | None:
    item = document.root.get("run_cap", Located(None, 0))
    cap = item.value
    if cap is not None and (not isinstance(cap, int) or isinstance(cap, bool) or cap < 1):
        raise document.error(item.line, f"run_cap: {cap} is not a whole number above 0")
    return cap


def _check_metric(document: Document) -> None:
    metric = document.root.get("metric")
    if metric is None:
        return
    if not isinstance(metric.value, dict) or "name" not in metric.value:
        raise document.error(metric.line, "metric: needs name: and goal:")
    document.check_keys(metric.value, ("name", "goal", "target"), "key of metric:")
    goal, line = metric.value.get("goal", Located("minimize", 0))
    if goal not in ("minimize", "maximize"):
        raise document.error(line, f"goal: {goal} is not one of minimize, maximize")


def _fixed(document: Document, name: str) -> dict[str, Parameter]:
    """Return the options that `command:` gives to every run, so that they hold here as they do under W&B."""
    item = document.root.get("command")
    if item is None:
        return {}
    words = item.plain()
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise document.error(item.line, 'command: must be a list of words, such as ["${program}", "${args}"]')
    after = words[words.index("${program}") + 1 :] if "${program}" in words else []
    try:
        options = read_arguments([word for word in after if not word.startswith("${")])
    except SieveError as error:
        raise document.error(item.line, f"command: {error}") from None
    sweep = options.pop("run.sweep", name)
    if sweep != name:
        raise document.error(item.line, f"command: has --run.sweep={sweep} but name: is {name}; they must agree")
    return {option: given(option, text, item.line) for option, text in options.items()}
