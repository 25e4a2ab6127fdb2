"""What the figures of subtask induction on images have in common: the transfers of a run, and how they are called."""

from __future__ import annotations

from collections.abc import Sequence

from core.store import Run
from paper.induction.cells import COLOURS as OF_CONDITION
from paper.induction.cells import NAMES as NAMED
from paper.induction.cells import chosen
from tasks.induction.conditions_options import WITH_MASK, Cell

NAMES = NAMED | {"full": "whole base", "augmented": "whole base, pooled images too"}
COLOURS = OF_CONDITION | {"augmented": "#8A6D3B"}
SWEEPS = ("induction_vision_resnet18", "induction_vision_vit")
WHAT_VARIES = (
    "mean and sample standard deviation over seeds, of which each has its own images, base, mask and transfers."
)


def of_task(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of the task."""
    return [run for run in runs if run.task == "induction_vision"]


def cells(runs: Sequence[Run]) -> list[Cell]:
    """Return every transfer that some run has, n by n, repeats taken together."""
    return [
        Cell(condition, count, donor == "trained")
        for count in sorted(chosen(runs, "disambiguating"))
        for condition in chosen(runs, "conditions")
        for donor in (chosen(runs, "donor") if condition in WITH_MASK else ("frozen",))
    ]


def label(cell: Cell, several: bool) -> str:
    """Return what a transfer is called; with its n where a picture has several."""
    words = NAMES[cell.condition] + ", trained" * cell.trained
    return f"{words}, n = {cell.count}" if several else words
