"""How many disambiguating examples a transfer needs, by what it begins with."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import DASHES, Plot, figure
from paper.induction.cells import (
    COLOURS,
    HEADING,
    KINDS,
    NAMES,
    WHAT_VARIES,
    accuracy,
    chosen,
    count_axis,
    counts,
    curves,
    frozen_first,
    majority,
    of_task,
)
from paper.marks import level, line
from paper.measure import Row, with_numbers


def table(runs: Sequence[Run], selected: str = "last") -> list[Row]:
    """Return the accuracy for each condition and number of disambiguating pairs."""
    runs = of_task(runs)
    rows: list[Row] = []
    for condition in chosen(runs, "conditions"):
        for count in counts(runs):
            found = accuracy(runs, condition, count, frozen_first(runs, condition), selected)
            row: Row = {"condition": condition, "pairs": count, "accuracy": found}
            rows.append(row | {"majority": majority(runs)})
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a line for each condition."""
    fig, axes = figure(7.6, 4.0)
    level(axes, rows[0]["majority"], "most frequent answer", **DASHES)
    for condition, (places, measures) in curves(rows).items():
        line(axes, places, measures, NAMES[condition], color=COLOURS[condition])
    count_axis(axes, sorted({row["pairs"] for row in rows}))
    axes.set_ylabel("accuracy on the test pairs [%]")
    fig.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Accuracy against the number of disambiguating examples",
    caption=(
        "Accuracy of the target rule on test pairs, none of which was trained on, after the last step (--set "
        "selected=valid or oracle: at the step that was best on validation pairs, or on these very test pairs), "
        "against the number of training pairs that tell the target from its rivals. The donor's part is frozen, if "
        "some transfers have it so. Dashes: always the most frequent answer. Points and bars: "
        + WHAT_VARIES
        + " Small dots: single seeds. The accuracy axis need not start at 0."
    ),
    family=HEADING,
    order=1,
    sweeps=(
        "induction_math",
        "induction_math_8_layers",
        "induction_math_repeats",
        "induction_math_computations",
        "induction_math_ambiguous",
    ),
    per="group",
    options={"selected": tuple(KINDS)},
    paper=(
        "GPT-2 of 2 to 12 layers, best of 100 epochs by unambiguous pairs, mean over depths, one run of each, in % "
        "at n = 64, 160, 400, 1000: subnet 52, 70, 90, 98; whole base 52, 63, 82, 97; sampled 41, 43, 50, 69 (its "
        "mask keeps what it should drop); from scratch 35, 42, 47, 51. Most frequent answer: 26.5."
    ),
)
