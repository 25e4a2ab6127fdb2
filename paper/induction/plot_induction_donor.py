"""Whether it matters that the donor's part stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, DARK, DASHES, ORANGE, Plot, figure, legend_below
from paper.induction.cells import HEADING, NAMES, WHAT_VARIES, accuracy, chosen, count_axis, counts, majority
from paper.induction.cells import of_task as runs_of_task
from paper.marks import level, line
from paper.measure import Row, with_numbers
from tasks.induction.conditions_options import WITH_MASK

DONORS = {"frozen": BLUE, "trained": ORANGE}


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the accuracy of every mask, frozen and trained, and of the whole base; [] where only one was run."""
    runs = runs_of_task(runs)
    if len(chosen(runs, "donor")) < 2:
        return []
    rows: list[Row] = []
    for condition in (name for name in chosen(runs, "conditions") if name in WITH_MASK):
        for count in counts(runs):
            row: Row = {"condition": condition, "pairs": count}
            row |= {donor: accuracy(runs, condition, count, donor == "trained") for donor in DONORS}
            rows.append(row | {"whole base": accuracy(runs, "full", count), "majority": majority(runs)})
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a panel for each mask."""
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    fig, panels = figure(1.2 + 2.9 * max(2, len(conditions)), 3.9, len(conditions), sharey=True, squeeze=False)
    for axes, condition in zip(panels[0], conditions, strict=True):
        mine = [row for row in rows if row["condition"] == condition]
        places = [row["pairs"] for row in mine]
        level(axes, mine[0]["majority"], "most frequent answer", **DASHES)
        line(axes, places, [row["whole base"] for row in mine], NAMES["full"], color=DARK)
        for donor, colour in DONORS.items():
            line(axes, places, [row[donor] for row in mine], donor, color=colour)
        count_axis(axes, places)
        axes.set_title(NAMES[condition], loc="left")
    panels[0][0].set_ylabel("accuracy on the test pairs [%]")
    legend_below(fig, panels[0][0], columns=4)
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="The donor's part, frozen or trained",
    caption=(
        "Accuracy of the target rule on test pairs after the last step, against the number of disambiguating "
        "training pairs, for what is kept of the base: the part from the base stays as it is (frozen), or is "
        "trained with the rest (trained). Black: the whole base, trained. Dashes: always the most frequent "
        "answer. Points and bars: " + WHAT_VARIES + " Small dots: single seeds. The accuracy axis need not start at 0."
    ),
    family=HEADING,
    order=3,
    sweeps=("induction_math", "induction_math_8_layers"),
    per="group",
    paper=(
        "Mean over depths, in %: the subnet frozen 82 and 95 at n = 250 and 640, trained 79 and 97; its sampled "
        "mask, of which it keeps what it should drop, frozen 45, trained 72, as the whole base, at n = 250."
    ),
)
