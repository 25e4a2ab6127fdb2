"""The base of all tasks: options, a device, and the stages that `core.fit` runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch

from core.errors import OptionError
from core.fit import Stage
from core.option_groups import TaskOptions
from core.store import Run
from core.trackers import Mirrors

OptionsT = TypeVar("OptionsT", bound=TaskOptions)


class Task(ABC, Generic[OptionsT]):
    """Base of all tasks.

    Constructing a task builds its network and rejects everything that the options, the network and the outline of the
    data rule out; the data itself is loaded on first use. So `run.py --check` constructs tasks to find mistakes.

    Args:
        options: the task's options dataclass, of the class that the task names: Task[OptionsT].
        run: where results are written.
        mirrors: trackers that also display them.
    """

    def __init__(self, options: OptionsT, run: Run, mirrors: Mirrors):
        self.options, self.run, self.mirrors = options, run, mirrors
        self.device = pick_device(options.run.device)

    @abstractmethod
    def stages(self) -> Iterator[Stage]:
        """Yield the stages in order; see `core.fit.Trainable`."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything that training changes."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""


def pick_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is cuda where there is one, else the CPU.

    Raises:
        OptionError: torch knows no such device, or this machine has none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        reason = str(error).splitlines()[0][:80]
        raise OptionError(f"run.device={name} is not usable here ({reason}); auto, cpu, cuda, cuda:1, mps") from None
    return device
