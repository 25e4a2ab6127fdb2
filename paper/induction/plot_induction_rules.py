"""Which of the rules that agree on the ambiguous pairs a transfer has adopted."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from data.induction_rules import rivals
from paper.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, Plot, figure
from paper.induction.cells import HEADING, WHAT_VARIES, accuracy, chosen, counts, frozen_first, of_task
from paper.marks import bars
from paper.measure import Row, measured, with_numbers
from tasks.induction.rule_names import slug

CHANCE, NONE = "chance", "none of these"
RULES = (BLUE, ORANGE, VERMILLION, GREEN, PURPLE, SKY)


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the agreement with every rule for each condition, with the fewest disambiguating pairs there are."""
    runs = [run for run in of_task(runs) if run.options["transfer.ambiguous"]]
    if not runs:
        return []
    count, options = counts(runs)[0], runs[0].options
    others = rivals(options["transfer.rule"], options["data.modulus"])
    rows: list[Row] = []
    for condition in chosen(runs, "conditions"):
        row: Row = {"condition": condition, "pairs": count}
        trained = frozen_first(runs, condition)
        for rule in (options["transfer.rule"], *others):
            row[rule] = accuracy(runs, condition, count, trained, key=f"agrees/{slug(rule)}")
        row[NONE] = accuracy(runs, condition, count, trained, key="agrees/none")
        for rule in others:
            row[f"{rule}, {CHANCE}"] = measured(runs, f"chance/{slug(rule)}")
        rows.append(row)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a group of bars for each condition."""
    names = [name for name in rows[0] if name not in ("condition", "pairs") and not name.endswith(f", {CHANCE}")]
    columns = {name: name.replace("^2", "²").replace("^3", "³") for name in names}
    fig, axes = figure(2.2 + 1.15 * max(3, len(rows)), 3.6)
    bars(axes, range(len(rows)), rows, columns, [*(RULES[i % len(RULES)] for i in range(len(names) - 1)), GREY], CHANCE)
    axes.set_xticks(range(len(rows)), [row["condition"] for row in rows])
    axes.set_xlabel(f"transfers with {rows[0]['pairs']} disambiguating pairs")
    axes.set_ylabel("answers on the test pairs [%]")
    fig.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="Which rule is adopted with the fewest disambiguating examples?",
    caption=(
        "Answers on the test pairs of networks that were trained on pairs a = b alone, or on as few others as were "
        "run: the fraction that is the target's, that is each rival's, and that is none of them. Several rules can "
        "give one answer, so the bars add up to more than 100 %. Dashes: what a network has there that follows the "
        "target. Bars: " + WHAT_VARIES + " Dots: single seeds."
    ),
    family=HEADING,
    order=4,
    sweeps=("induction_math", "induction_math_8_layers", "induction_math_repeats", "induction_math_ambiguous"),
    per="group",
    paper=(
        "With n = 0, 12 layers, best epoch by unambiguous pairs, right answers: subnet 37 %, whole base 37 %, from "
        "scratch 30 %."
    ),
)
