"""Checks before training: the options of a run, and whether its task can be constructed from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from core.option_groups import TaskOptions
from core.options import signature
from core.trackers import Mirrors
from tasks.options import resolve
from tasks.registry import TASKS


class Checked:
    """`tasks.options.resolve`, and the task is made too: networks, masks and sizes are checked, nothing is loaded.

    Points that differ in the seed alone are made once.
    """

    def __init__(self) -> None:
        self._made: set[str] = set()

    def __call__(self, values: Mapping[str, Any]) -> TaskOptions:
        """Return the options.

        Raises:
            SieveError: as of `resolve`, and of making the task.
        """
        options = resolve(values)
        alike = signature(dataclasses.replace(options, seed=0))
        if alike not in self._made:
            TASKS[options.task](options, None, Mirrors((), None))  # type: ignore[arg-type]  # no run: nothing is written
            self._made.add(alike)
        return options
