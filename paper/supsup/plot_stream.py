"""A stream of tasks with unknown boundaries: which mask is trained when, and how familiar the stream is to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, DARK, GREY, VERMILLION, Plot, figure
from paper.measure import Measure, Row, measured, with_numbers
from paper.supsup.many_tasks import HEADING

COUNTS = {  # column -> the key it has now, and the one in older runs
    "masks": ("masks",),
    "started at a boundary": ("new_masks/at_boundary", "begun/border"),
    "started elsewhere": ("new_masks/elsewhere", "begun/elsewhere"),
}


def table(runs: Sequence[Run]) -> list[Row]:
    """Return a row of numbers over all seeds, and one for each question of the first seed."""
    runs = sorted((run for run in runs if run.task == "supsup_nns"), key=lambda run: run.options["seed"])
    if not runs:
        return []
    numbers = {name: _count(runs, *keys) for name, keys in COUNTS.items()}
    numbers |= {"accuracy": measured(runs, "final/gns"), "task inferred": measured(runs, "final/inferred")}
    options = runs[0].options
    rows = with_numbers([{"question": "all", "threshold": options["threshold"], "seed": options["seed"], **numbers}])
    if not rows:
        return []
    found = runs[0].arrays("stretches")
    for i, (task, mask, value) in enumerate(zip(*(found[n] for n in ("task", "mask", "familiarity")), strict=True)):
        steps = i * options["check_every"]
        row: Row = {"question": i, "steps": steps, "task": int(task), "mask": int(mask)}
        rows.append(row | {"familiarity": float(value)})
    return rows


def _count(runs: Sequence[Run], *keys: str) -> Measure:
    return Measure.of(
        (
            (run, next((run.summary[f"final/{key}"] for key in keys if f"final/{key}" in run.summary), None))
            for run in runs
        ),
        "",
    )


def draw(rows: list[Row]) -> Figure:
    """Draw familiarity over masks, against steps."""
    whole, questions = rows[0], rows[1:]
    fig, _ = figure(6.4, 4.2, 1)
    fig.clear()
    upper, lower = fig.subplots(2, 1, sharex=True)
    steps = np.array([row["steps"] for row in questions])
    upper.axhline(whole["threshold"], color=VERMILLION, linestyle="--", linewidth=1.2)
    upper.plot(steps, [row["familiarity"] for row in questions], marker="o", markersize=3.5, linewidth=1.2, color=BLUE)
    upper.set_ylabel("familiarity")
    lower.step(steps, [row["mask"] for row in questions], where="post", color=DARK, linewidth=1.6)
    lower.set_ylabel("mask")
    lower.set_xlabel("steps")
    lower.yaxis.get_major_locator().set_params(integer=True)
    for before, row in zip(questions, questions[1:], strict=False):
        if row["task"] != before["task"]:
            for axes in (upper, lower):
                axes.axvline(row["steps"], color=GREY, linewidth=0.8, zorder=0)
    masks, accuracy = whole["masks"], whole["accuracy"]
    numbers = {f"{masks.mean:g} masks on average": masks, f"accuracy {accuracy.text()}": accuracy}
    words = [f"{text} (n = {measure.n})" for text, measure in numbers.items() if measure.n]
    upper.set_title("; ".join([*words, f"curves: seed {whole['seed']}"]), loc="left")
    return fig


PLOT = Plot(
    table=table,
    draw=draw,
    title="A stream of tasks with unknown task boundaries",
    caption=(
        "At regular intervals the next batch is compared with all masks. Upper panel: k max softmax(-dH/dalpha), "
        "which is 1 if no mask stands out; below the line a new mask is started. Lower panel: the mask that is "
        "trained until the next check. Grey: true task boundaries, which the program is not given. The first seed is "
        "shown; the table has all of them. Accuracy: on the test sets of all tasks, with the mask inferred from one "
        "image (labels are shared)."
    ),
    family=HEADING,
    order=4,
    sweeps=("supsup_nns",),
    per="group",
    paper=(
        "2,500 permutations of MNIST: close to a network that is given the boundaries, with a final dip because 2,500 "
        "masks are not enough."
    ),
)
