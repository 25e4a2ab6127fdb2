"""Mirrors of the run store: places that show a run while it goes on. A mirror that fails never stops a run.

A tracker has `scalars(row, step)`, `histogram(name, values, step)` and `close()`;
a new one is a class here (or in a file of its own) and a name in `TRACKERS`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from core.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from core.store import Run

log = logging.getLogger("sieve")


class TensorBoard:
    """Scalars and histograms for `tensorboard --logdir`, in the run's tb/ folder."""

    def __init__(self, run: Run):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(run.path("tb")))

    def scalars(self, row: dict[str, float], step: int) -> None:
        for name, value in row.items():
            self.writer.add_scalar(name, value, step)

    def histogram(self, name: str, values: np.ndarray, step: int) -> None:
        self.writer.add_histogram(name, values, step)

    def close(self) -> None:
        self.writer.close()


TRACKERS = Registry("tracker", {"tb": "core.trackers:TensorBoard"})


class Mirrors:
    """The trackers of one run. The first failure of one is logged, and that one is left out from then on."""

    def __init__(self, names: tuple[str, ...], run: Run):
        self.trackers: dict[str, Any] = {}
        for name in names:
            self._guard(name, lambda name=name: self.trackers.__setitem__(name, TRACKERS[name](run)))

    def scalars(self, row: dict[str, Any], step: int) -> None:
        """Mirror the numbers of a history row."""
        numbers = {k: v for k, v in row.items() if isinstance(v, (int, float)) and k != "step"}
        self._each("scalars", numbers, step)

    def histogram(self, name: str, values: np.ndarray, step: int) -> None:
        """Mirror a distribution."""
        self._each("histogram", name, values, step)

    def close(self) -> None:
        """Flush and close every mirror."""
        self._each("close")

    def _each(self, method: str, *arguments: Any) -> None:
        for name, tracker in list(self.trackers.items()):
            self._guard(name, lambda tracker=tracker: getattr(tracker, method)(*arguments))

    def _guard(self, name: str, action: Any) -> None:
        try:
            action()
        except Exception as error:  # whatever a mirror does, the run goes on
            log.warning("the %s mirror failed and is off from here on: %s", name, error)
            self.trackers.pop(name, None)
