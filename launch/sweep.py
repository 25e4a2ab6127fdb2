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
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import SieveError, SweepError
from core.options import OWN
from core.store import folder_of
from core.values import Again, as_text
from launch.command import Command
from launch.distributions import BOUNDS, DEFAULTS
from launch.located_yaml import Document, Located
from launch.parameter import Parameter, given
from launch.points import Point
from launch.schema import read_parameters
from launch.sweep_keys import ON_THE_SERVER, check_top, method_of, name_of

OURS = {"run.sweep": "the sweep's name:", "run.dir": "--dir"} | dict.fromkeys(OWN, "the options")
MOST = 100_000  # more points at once than this are a mistake in the file
Resolve = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Sweep:
    """The contents of a sweep file.

    Attributes:
        document: the file.
        name: folder of the results, below run.dir.
        method: grid, random, or what only W&B can do: bayes, custom.
        program: the script that does one run, relative to the toolkit's folder.
        run_cap: at most so many points, or None.
        parameters: by dotted option name, in the order of the file.
        command: what a W&B agent starts.
        fixed: the options that the command itself gives every run.
    """

    document: Document
    name: str
    method: str
    program: str
    run_cap: int | None
    parameters: dict[str, Parameter]
    command: Command
    fixed: dict[str, str]

    @classmethod
    def read(cls, path: str | Path) -> Sweep:
        """Read a sweep file.

        Raises:
            SweepError: the file is missing, is not YAML, or says something that is not in the schema; the text
                names the file and the line.
        """
        document = Document(path)
        root = document.root
        check_top(document)
        if "parameters" not in root:
            raise document.error(0, "no parameters:; a sweep needs at least task: {value: ...} there")
        name, program = name_of(document), root.get("program", Located("main.py", 0)).value
        command = Command.read(document, program)
        fixed = command.arguments({})
        sweep = fixed.pop("run.sweep", name)
        if sweep != name:
            text = f"command: has --run.sweep={sweep} but name: is {name}; they must agree"
            raise document.error(command.line, text)
        parameters = read_parameters(document, root["parameters"])
        for option, where in OURS.items():
            if option in parameters:
                raise document.error(parameters[option].line, f"{option} is not a parameter; it comes from {where}")
        cap = root["run_cap"].value if "run_cap" in root else None
        return cls(
            document, name, method_of(document), program, None if cap is None else int(cap), parameters, command, fixed
        )

    def program_in(self, root: Path) -> Path:
        """Return the path of the script, which lies in the toolkit's folder.

        Raises:
            SweepError: it is not there, or no Python.
        """
        path, item = root / self.program, self.document.root.get("program", Located(self.program, 0))
        if not path.is_file():
            raise self.document.error(item.line, f"program: there is no {self.program} in {root}")
        if path.suffix != ".py" or root.resolve() not in path.resolve().parents:
            raise self.document.error(
                item.line, f"program: {self.program} is no Python script in {root}, as main.py is"
            )
        return path

    def with_values(self, values: Mapping[str, str]) -> Sweep:
        """Return the sweep with parameters set (or added) to one value each."""
        return replace(
            self,
            parameters=self.parameters | {name: given(name, text) for name, text in values.items()},
            command=self.command.without(values),
            fixed={name: text for name, text in self.fixed.items() if name not in values},
        )

    def config(self, values: Mapping[str, str], runs: int | None, run_dir: str | None) -> dict[str, Any]:
        """Return the sweep as the W&B server takes it.

        Args:
            values: parameters set (or added) to one value each.
            runs: at most so many points; None leaves the file's run_cap.
            run_dir: the folder of all results, or None for the one beside main.py.
        """
        config = Located(self.document.root, 0).plain() | {"name": self.name, "program": self.program}
        config["parameters"] = exact(config["parameters"])
        for name, text in values.items():
            _remove(config["parameters"], name)
            config["parameters"][name] = {"value": text}
        if runs is not None:
            config["run_cap"] = runs
        words = list(self.command.without([*values, *(["run.dir"] if run_dir else [])]).words)
        more = [f"--run.dir={Path(run_dir).resolve()}"] if run_dir else []
        if "run.sweep" not in self.command.arguments({}):
            more.append(f"--run.sweep={self.name}")
        return config | {"command": [*words, *more]}

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
        grids = {name: parameter.grid(self.document, MOST) for name, parameter in self.parameters.items()}
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
            for name, text in self.fixed.items():  # an agent gives both
                values[name] = Again(text, values[name]) if name in values else text
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
        if self.method in ON_THE_SERVER:
            line = self.document.root["method"].line
            raise self.document.error(line, f"method: {self.method} needs the W&B server; add --wandb")
        if self.method == "random":
            if cap is None:
                raise self.document.error(0, "method: random has no end; give run_cap: N there, or --runs N")
            self._check_size("search", cap, cap)
            for index in range(cap):
                yield {name: parameter.draw(index) for name, parameter in self.parameters.items()}
            return
        size = math.prod(parameter.count(self.document) for parameter in self.parameters.values())
        wanted = size if cap is None else min(size, cap)
        self._check_size("grid", size, wanted)
        lists = [parameter.grid(self.document, wanted) for parameter in self.parameters.values()]
        for values in itertools.islice(itertools.product(*lists), wanted):
            yield dict(zip(self.parameters, values, strict=True))

    def _check_size(self, what: str, size: int, wanted: int) -> None:
        if wanted > MOST:
            text = f"the {what} has {size} points; more than {MOST} need run_cap: N or --runs N"
            raise self.document.error(0, text)

    def _at_its_line(self, text: str, located: Mapping[str, Located]) -> SweepError:
        """Name the line of the parameter that `text`, an error of `resolve`, is about."""

        def position(name: str) -> int:
            quoted = [re.escape(repr(word)) for word in (name, located[name].value) if isinstance(word, str)]
            match = re.search(rf"(?<![\w.]){re.escape(name)}(=| is given twice)|{'|'.join(quoted)}", text)
            return match.start() if match else len(text)

        name = min(located, key=position)
        if position(name) == len(text):
            return self.document.error(0, text)
        line = located[name].line
        return self.document.error(line, text) if line else SweepError(f"--set: {text}")


def exact(block: Any) -> Any:
    """Return parameters with every whole number beyond 2^53 as text: as a number, the server may round it."""
    if isinstance(block, dict):
        return {name: item if name in (*BOUNDS, *DEFAULTS) else exact(item) for name, item in block.items()}
    if isinstance(block, list):
        return [exact(item) for item in block]
    return str(block) if isinstance(block, int) and abs(block) > 2**53 else block


def _remove(block: dict[str, Any], name: str) -> None:
    """Take a parameter out of a plain `parameters:` block, also where it is nested."""
    block.pop(name, None)
    for group, entry in block.items():
        if name.startswith(f"{group}.") and "parameters" in entry:
            _remove(entry["parameters"], name.removeprefix(f"{group}."))
