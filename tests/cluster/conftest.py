"""A Slurm of our own (slurm.sh), shared by the tests of this folder; they are skipped, with the reason, where it cannot
be, and outside of `make test-cluster`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launch.pretend import ROOT
from tests.on_wandb.conftest import TINY, wait_for

SLURM = Path(__file__).with_name("slurm.sh")
PATIENCE = 300.0  # on a machine with nothing else to do nothing here takes a third of it


class Sweep:
    """A sweep on the test cluster.

    Args:
        env: of every program: where the cluster is.
        place: an empty folder for the file, the results and what else the test needs.
        text: of the sweep file.
        root: the code that is submitted.
    """

    def __init__(self, env: dict[str, str], place: Path, text: str, root: Path = ROOT):
        self.env, self.place, self.root = env, place, root
        self.file, self.runs = place / "sweep.yaml", place / "runs"
        self.file.write_text(text)

    def run(self, *more: str, code: int | None = 0, **env: str) -> str:
        """Call run.py, compare its exit code unless that is to be None, and return what it said."""
        command = [sys.executable, str(self.root / "run.py"), str(self.file), "--dir", str(self.runs), *more]
        ended = subprocess.run(
            command, env=self.env | env, cwd=self.place, capture_output=True, text=True, timeout=PATIENCE
        )
        said = ended.stdout + ended.stderr
        assert code is None or ended.returncode == code, said
        return said

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of --list."""
        lines = [line for line in self.run("--list").splitlines() if line[:1].isdigit() or line.startswith("run  ")]
        names = lines[0].split()
        return [dict(zip(names, line.split(None, len(names) - 1), strict=False)) for line in lines[1:]]

    def states(self) -> list[str]:
        """Return the states of --list."""
        return [row["state"] for row in self.rows()]

    def until(self, condition: Callable[[list[str]], Any], what: str, seconds: float = PATIENCE) -> None:
        """Wait until the states are as they should be."""
        try:
            wait_for(lambda: time.sleep(0.5) or condition(self.states()), what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run('--list')}\n{self.said()}") from None

    def all_done(self) -> None:
        """Wait until every run is done."""
        self.until(lambda states: {*states} == {"done"}, "every run to be done")

    def said(self) -> str:
        """Return what all tasks have printed."""
        return "".join(path.read_text() for path in sorted(self.runs.glob("*/.slurm/*/*_log.out")))

    def folders(self) -> list[Path]:
        """Return the folders of the runs, in the order of --list."""
        name = next(path.parent.name for path in self.runs.glob("*/.slurm"))
        return [self.runs / name / row["signature"] for row in self.rows()]

    def slurm(self, *command: str) -> str:
        """Call one of Slurm's programs and return what it printed."""
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True).stdout

    def records(self) -> list[dict[str, Any]]:
        """Return what lies in the submissions' files, oldest first."""
        found = [json.loads(path.read_text()) for path in self.runs.glob("*/.slurm/*.json")]
        return sorted(found, key=lambda one: one["time"])


def real_sweep(seeds: str, **options: str) -> str:
    """A sweep of real runs of a moment's training."""
    values = TINY | {"task": "tuple_ff", "log": "none"} | options
    lines = "".join(f"  {name}: {{value: '{value}'}}\n" for name, value in values.items())
    return f"program: main.py\nname: real\nmethod: grid\nparameters:\n{lines}  seed: {{values: {seeds}}}\n"


@pytest.fixture(scope="session")
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which the cluster is found; the cluster ends with the session."""
    if "SIEVE_TEST_CLUSTER" not in os.environ:
        pytest.skip("starts a Slurm of its own: make test-cluster")
    can = subprocess.run([SLURM, "can"], capture_output=True, text=True)
    if can.returncode:
        pytest.skip(f"no Slurm can be started here: {can.stdout.strip()}")
    place = Path(
        tempfile.mkdtemp(prefix="sieve-slurm-")
    )  # pytest's own are closed to other users, whose jobs read this
    place.chmod(0o755)
    try:
        subprocess.run([SLURM, "up", place], check=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        yield kept | {"SLURM_CONF": str(place / "etc" / "slurm.conf"), "OMP_NUM_THREADS": "1"}
    finally:
        subprocess.run([SLURM, "down", place], check=False)


@pytest.fixture
def make(cluster: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Sweep]]:
    """Make a sweep; what is left of its jobs is cancelled at the end."""
    made = []

    def sweep(text: str, root: Path = ROOT, **env: str) -> Sweep:
        made.append(Sweep(cluster | env, tmp_path, text, root))
        return made[-1]

    yield sweep
    for one in made:
        for record in one.records():
            subprocess.run(["scancel", "--name", record["name"]], env=one.env, check=False)
