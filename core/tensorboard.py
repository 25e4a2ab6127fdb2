"""TensorBoard as a mirror: the run's tb/ folder, for `tensorboard --logdir`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from core.store import Run


class TensorBoard:
    """See core.trackers.Tracker."""

    @staticmethod
    def check() -> None:
        pass  # a folder is all it needs

    def __init__(self, run: Run):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(run.path("tb")))

    def row(self, row: dict[str, Any]) -> None:
        self.results({k: v for k, v in row.items() if isinstance(v, (int, float)) and k != "step"}, row["step"])

    def results(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def histogram(self, name: str, values: np.ndarray) -> None:
        self.writer.add_histogram(name, values)

    def image(self, name: str, pixels: np.ndarray) -> None:
        self.writer.add_image(name, pixels, dataformats="HW")

    def close(self, code: int) -> None:
        self.writer.close()
