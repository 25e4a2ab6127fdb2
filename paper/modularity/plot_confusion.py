"""Which operation the answers belong to when only one operation's weights are kept or removed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from core.store import Run
from paper.figure import DARK, Plot
from paper.measure import Measure, Row, said, with_numbers
from paper.modularity.arithmetic import HEADING, subtasks, word
from paper.results import array

PANELS = (
    ("network", "confusion_network"),
    ("mask of +", "confusion_add"),
    ("mask of ×", "confusion_mul"),
    ("control mask", "confusion_control"),
    ("inverted mask of +", "confusion_inverse_add"),
    ("inverted mask of ×", "confusion_inverse_mul"),
)
OPERATIONS = ("add", "mul")
ANSWERS = ("+", "×", "neither")


def table(runs: Sequence[Run]) -> list[Row]:
    """Return for each subnet and operation asked for how often each operation is carried out."""
    rows = []
    for subnet, name in PANELS if subtasks(runs) == OPERATIONS else ():
        shares = [(run, share) for run in runs if (share := _shares(run, name)) is not None]
        for j, asked in enumerate(OPERATIONS):
            cells = {
                f"answer is {answer}": Measure.of(((run, share[i, j]) for run, share in shares), "%")
                for i, answer in enumerate(ANSWERS)
            }
            rows.append({"subnet": subnet, "asked for": word(asked)} | cells)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw one heat map of 2 x 3 for each subnet."""
    subnets = list(dict.fromkeys(row["subnet"] for row in rows))
    columns = min(3, len(subnets))
    lines = -(-len(subnets) // columns)
    fig = Figure(figsize=(0.6 + 2.35 * columns, 1.0 + 1.55 * lines))
    panels = list(fig.subplots(lines, columns, squeeze=False).flat)
    for axes, subnet in zip(panels, subnets, strict=False):
        part = [row for row in rows if row["subnet"] == subnet]
        means = np.array([[100 * row[f"answer is {a}"].mean for a in ANSWERS] for row in part])
        axes.imshow(means, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        for i, row in enumerate(part):
            for j, answer in enumerate(ANSWERS):
                measure = row[f"answer is {answer}"]
                text = measure.text().replace(" %", "").replace(" ± ", "\n± ") + said([measure], "\n")
                colour = "white" if means[i, j] > 60 else DARK
                axes.text(j, i, text, ha="center", va="center", color=colour)
        axes.set_title(subnet)
        axes.set_xticks(range(len(ANSWERS)), ANSWERS)
        axes.set_yticks(range(len(part)), [row["asked for"] for row in part])
        if axes in panels[::columns]:
            axes.set_ylabel("asked for")
        axes.grid(False)
        axes.spines[:].set_visible(False)
    for axes in panels[len(subnets) :]:
        axes.remove()
    fig.supxlabel("answer is correct for [%]", fontsize=9)
    return fig


def _shares(run: Run, name: str) -> np.ndarray | None:
    counts = _counts(run, name)
    asked = [_asked(run, j, operation) for j, operation in enumerate(OPERATIONS)]
    return counts / np.array(asked) if counts is not None and all(asked) else None


def _asked(run: Run, column: int, operation: str) -> float | None:
    """Return how often an operation was asked for.

    The counts alone do not tell, as some answers count twice; but those for the operation are right answers.
    """
    for subnet in ("network", "control"):
        counts = _counts(run, f"confusion_{subnet}")
        accuracy = run.summary.get(f"final/{subnet}/test/accuracy/{operation}")
        if counts is not None and accuracy is not None:
            # without a right answer none counts twice
            return counts[column, column] / accuracy if accuracy else counts[:, column].sum()
    return None


def _counts(run: Run, name: str) -> np.ndarray | None:
    counts = array(run, name, "counts")
    shape = (len(ANSWERS), len(OPERATIONS))
    return counts if counts is not None and counts.shape == shape else None


PLOT = Plot(
    table=table,
    draw=draw,
    title="Which operation is performed",
    caption=(
        "Fraction of the answers that are correct for +, correct for ×, or neither, by the operation asked for, on "
        "the test set (operand pairs never seen in training, unless data.split says otherwise): mean ± sample "
        "standard deviation over seeds. Each row of a panel sums to 100 %, or slightly more, because an answer that "
        "is correct for both (2 + 2 = 2 × 2) counts for both."
    ),
    family=HEADING,
    order=4,
    sweeps=("addmul_ff_big", "addmul_ff", "addmul_rnn"),
    per="group",
)
