"""What the launch tests share: the options of a toy task, and sweeps of a program that pretends to run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from core.errors import OptionError
from core.option_groups import RunOptions, TaskOptions
from core.options import build, open_groups

ROOT = Path(__file__).resolve().parents[2]
FAKE_MAIN = Path(__file__).with_name("fake_main.py")


@dataclass(frozen=True)
class MaskPart:
    lr: float = 0.01
    bias: bool = True
    steps: int = 10


@dataclass(frozen=True)
class FakeOptions(TaskOptions):
    log: str = "none"
    layer_sizes: tuple[int, ...] = (8,)
    mask: MaskPart = dataclasses.field(default_factory=MaskPart)
    run: RunOptions = dataclasses.field(default_factory=RunOptions)


def fake_resolve(values):
    """Check values as tasks.options.resolve does, for one small task."""
    if values.get("task") != "toy":
        raise OptionError(f"unknown task {values.get('task')!r}; allowed: toy")
    return build(FakeOptions, open_groups(values, lambda name: False))


def tuple_sweep(seeds: str, program: str = "tests/launch/fake_main.py") -> str:
    """A sweep of a real task whose runs are done by the pretending program."""
    return (
        f"program: {program}\nname: pretend\nmethod: grid\nparameters:\n"
        f"  task: {{value: tuple_ff}}\n  log: {{value: none}}\n  seed: {{values: {seeds}}}\n"
    )
