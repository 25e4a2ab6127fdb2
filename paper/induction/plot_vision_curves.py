"""How networks learn that began with a subnetwork for shapes, or with a control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import Plot, figure, legend_below, per_cent
from paper.induction.cells import HEADING
from paper.induction.vision_cells import COLOURS, NAMES, SWEEPS, WHAT_VARIES, cells, of_task
from paper.marks import line
from paper.measure import PERCENT, Measure, Row, with_numbers
from tasks.induction.conditions_options import Cell, GraftOptions

PANELS = {
    "accuracy": "right on normal images [%]", "pooled_accuracy": "right on mean-pooled images [%]",
    "shape_bias": "shape bias [%]",
}  # fmt: skip


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the numbers of every condition at every measurement."""
    runs = of_task(runs)
    rows: list[Row] = []
    for cell in shown(cells(runs)) if runs else ():
        points = {run.signature: dict(measured(run, cell)) for run in runs}
        for step in sorted({step for of_run in points.values() for step in of_run}):
            at = [(run, points[run.signature].get(step, {})) for run in runs]
            row: Row = {"condition": cell.condition, "steps": step}
            for key, words in PANELS.items():
                row[words] = Measure.of(((run, found.get(f"{cell.name}/{key}")) for run, found in at), PERCENT)
            rows.append(row)
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a panel for each number, a line for each condition."""
    fig, panels = figure(11.4, 4.3, 3)
    for condition in dict.fromkeys(row["condition"] for row in rows):
        mine = [row for row in rows if row["condition"] == condition]
        for axes, words in zip(panels, PANELS.values(), strict=True):
            places, measures = [row["steps"] for row in mine], [row[words] for row in mine]
            line(axes, places, measures, NAMES[condition], "band", COLOURS[condition])
    for axes, words in zip(panels, PANELS.values(), strict=True):
        per_cent(axes, words)
        axes.set_xlabel("steps of the transfer")
    legend_below(fig, panels[0], columns=4)
    return fig


def shown(every: Sequence[Cell]) -> list[Cell]:
    """Return the first transfer of each condition, frozen before trained."""
    found: dict[str, Cell] = {}
    for cell in sorted(every, key=lambda cell: (cell.count, cell.trained)):
        found.setdefault(cell.condition, cell)
    return list(found.values())


def measured(run: Run, cell: Cell) -> Iterator[tuple[int, dict]]:
    """Yield (steps of the transfer, row of the history) of every measurement."""
    options = {name: run.options[f"transfer.{name}"] for name in ("conditions", "donor", "repeats")}
    order = [one.name for one in GraftOptions(**options).cells(run.options["transfer.disambiguating"])]
    if cell.name not in order:
        return
    rows = run.history()  # transfers are the last stages, and all as long
    after = (len(order) - order.index(cell.name)) * run.options["transfer.steps"]
    before = max((row["step"] for row in rows), default=0) - after
    yield from ((row["step"] - before, row) for row in rows if f"{cell.name}/accuracy" in row)


PLOT = Plot(
    table=table,
    draw=draw,
    title="Learning from normal images, after a transplant",
    caption=(
        "What the networks of the transfers do while they learn from normal images, against the steps taken: "
        "answers that "
        "are right on normal images and on mean-pooled ones, and the shape bias where the cues contradict each "
        "other. Of "
        "several numbers of contradicting training images the smallest, of several repeats the first, and the "
        "masked part "
        "frozen where it was. Lines and bands: " + WHAT_VARIES
    ),
    family=HEADING,
    order=6,
    sweeps=SWEEPS,
    per="group",
    paper=(
        "First and last measurement, in %: ResNet-18 from the subnetwork 45 to 83 on normal and 32 to 51 on "
        "mean-pooled images (59 after 4,600 steps, then less), from scratch 21 to 72 and 10 to 25; ViT-B/16 54 to 86 "
        "and 62 to 67, from scratch 14 to 65 and 12 to 24."
    ),
)
