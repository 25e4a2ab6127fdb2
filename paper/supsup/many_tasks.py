"""Shared by the figures of many tasks in one network: accuracy and inference against the number of tasks learned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, figure
from paper.marks import line
from paper.measure import Row, measured, with_numbers
from paper.names import short

HEADING = "Supermasks in superposition"
GIVEN = {"batch_ensemble": "BatchE, task given", "rotation": "PSP, task given"}
COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE)
STYLES = {
    "BatchE, task given": {"color": GREY, "linestyle": "--"},
    "PSP, task given": {"color": GREY, "linestyle": ":"},
}
COUNT = re.compile(r"gg/(\d+)")


def inference_table(runs: Sequence[Run], kind: str) -> list[Row]:
    """Return accuracy and inference for each network, way to learn, and number of tasks learned.

    Args:
        runs: of the task supsup; others have none of it.
        kind: of the tasks.
    """
    mine = [run for run in runs if run.task == "supsup" and run.options["tasks.kind"] == kind]
    rows: list[Row] = []
    for network in dict.fromkeys(_network(run) for run in mine):
        here = [run for run in mine if _network(run) == network]
        for way in sorted({_way(run) for run in here}, key=lambda w: (w in GIVEN.values(), len(w), w)):
            part = [run for run in here if _way(run) == way]
            counts = sorted({int(found[1]) for run in part for key in run.summary if (found := COUNT.fullmatch(key))})
            for n in counts:
                told = way in GIVEN.values()
                rows.append(
                    {
                        "network": network,
                        "learned by": way,
                        "tasks": n,
                        "task given": measured(part, f"gg/{n}"),
                        "accuracy": measured(part, f"gg/{n}" if told else f"gnu/{n}"),
                        "task inferred": measured([] if told else part, f"inferred/{n}"),
                    }
                )
    return with_numbers(rows)


def draw_inference(rows: list[Row]) -> Figure:
    """Draw a row of two panels for each network: accuracy, and how often the task is inferred correctly."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    fig, _ = figure(8.2, 1.0 + 2.6 * len(networks), 1)
    fig.clear()
    grid = fig.subplots(len(networks), 2, squeeze=False, sharey=True)
    entries: dict[str, Artist] = {}
    ways = dict.fromkeys(row["learned by"] for row in rows)
    colours = dict(zip((way for way in ways if way not in STYLES), cycle(COLOURS), strict=False))
    for (left, right), network in zip(grid, networks, strict=True):
        here = [row for row in rows if row["network"] == network]
        for way in dict.fromkeys(row["learned by"] for row in here):
            part = [row for row in here if row["learned by"] == way]
            style: dict[str, Any] = STYLES.get(way) or {"color": colours[way]}
            counts = [row["tasks"] for row in part]
            line(left, counts, [row["accuracy"] for row in part], way, **style)
            line(right, counts, [row["task inferred"] for row in part], way, **style)
        for axes in (left, right):
            axes.set_xlabel("tasks learned")
            axes.set_xlim(left=0)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.set_ylim(0, 104)
            handles, labels = axes.get_legend_handles_labels()
            entries |= dict(zip(labels, handles, strict=True))
        left.set_title(network, loc="left")
        left.set_ylabel("accuracy on the test sets [%]")
        right.set_title("task inferred correctly [%]", loc="left")
    fig.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3)
    return fig


def _network(run: Run) -> str:
    options = run.options
    sizes = short(",".join(map(str, options["layer_sizes"]))) if options["model"] == "fc" else options["model"]
    return f"{sizes}, {options['tasks.count']} tasks, {options['data.name']}"


def _way(run: Run) -> str:
    options = run.options
    if options["learner"] in GIVEN:
        return GIVEN[options["learner"]]
    images = "1 image" if options["infer.images"] == 1 else f"{options['infer.images']} images"
    outputs = options["outputs"] or "no superfluous"
    return f"{outputs} outputs, {options['infer.objective']}, {images}"
