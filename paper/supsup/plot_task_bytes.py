"""Storage per task: accuracy against the bytes of all tasks, with the task given."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from core.store import Run
from paper.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, Plot, figure
from paper.marks import line
from paper.measure import Measure, Row, measured, with_numbers
from paper.supsup.many_tasks import HEADING

UPPER = "upper bound"
STYLES = {
    "SupSup": BLUE, "Transfer": ORANGE, "BatchE, random weights": GREEN, "heads, random trunk": VERMILLION,
    "heads, trunk of the first task": PURPLE, UPPER: GREY,
}  # fmt: skip


def table(runs: Sequence[Run]) -> list[Row]:
    """Return accuracy and bytes for each set of tasks, learner and budget."""
    mine = [run for run in runs if run.task == "supsup" and run.options["tasks.kind"] == "split"]
    rows: list[Row] = []
    for tasks in dict.fromkeys(_tasks(run) for run in mine):
        here = [run for run in mine if _tasks(run) == tasks]
        for learner in sorted({_learner(run) for run in here}, key=list(STYLES).index):
            part = [run for run in here if _learner(run) == learner]
            for budget in sorted({_budget(run) for run in part}):
                key = "final/after" if learner == UPPER else "final/gg"
                at = [run for run in part if _budget(run) == budget]
                both = [run for run in at if None not in (_bytes(run), run.summary.get(key))]
                rows.append({
                    "tasks": tasks, "learner": learner, "budget": budget,
                    "bytes": Measure.of((run, _bytes(run)) for run in both), "accuracy": measured(both, key),
                })  # fmt: skip
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw a panel for each set of tasks."""
    every = list(dict.fromkeys(row["tasks"] for row in rows))
    fig, panels = figure(2.4 + 3.6 * len(every), 3.8, len(every), squeeze=False)
    entries: dict[str, Artist] = {}
    for axes, tasks in zip(panels[0], every, strict=True):
        here = [row for row in rows if row["tasks"] == tasks]
        for learner in dict.fromkeys(row["learner"] for row in here):
            part = sorted((row for row in here if row["learner"] == learner), key=lambda row: row["bytes"].mean)
            colour = STYLES.get(learner, SKY)
            line(axes, [row["bytes"].mean for row in part], [row["accuracy"] for row in part], learner, color=colour)
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xlim(low / 1.8, high * 1.8)  # a decade to read off even for two alike
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(tasks, loc="left")
        axes.set_xlabel("bytes of all tasks")
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    panels[0][0].set_ylabel("accuracy on the test sets [%]")
    fig.legend(entries.values(), entries.keys(), loc="outside right center")
    return fig


def _tasks(run: Run) -> str:
    options = run.options
    words = f"{options['tasks.count']} x {options['tasks.classes']} classes, {options['data.name']}"
    return words + ("" if options["model"] == "fc" else f", {options['model'].replace('_', ' ')}")


def _learner(run: Run) -> str:
    options = run.options
    if options["learner"] == "masks":
        return "Transfer" if options["transfer"] == "scores" else "SupSup"
    if options["learner"] == "batch_ensemble":
        return "BatchE, random weights"
    trained = options["train_weights_for"]
    return UPPER if trained is None else "heads, trunk of the first task" if trained else "heads, random trunk"


def _budget(run: Run) -> float:
    return float(run.options.get("mask.er_scale") or 0)


def _bytes(run: Run) -> float | None:
    own, statistics, network = (run.summary.get(f"final/bytes/{name}") for name in ("own", "statistics", "network"))
    if own is None or statistics is None or network is None:
        return None
    networks: int = run.options["tasks.count"] if _learner(run) == UPPER else 1
    return own + statistics + networks * network


PLOT = Plot(
    table=table,
    draw=draw,
    title="Accuracy against storage for all tasks",
    caption=(
        "Classes split into tasks, with the task given (GG): mean accuracy over the tasks' test sets after all are "
        "learned, against the bytes of everything that cannot be regenerated from the seed: masks (bits or 16-bit "
        "indices, whichever is smaller), layers and vectors in float32, batch-normalisation statistics, and the "
        "network's weights if they are trained. SupSup: one mask per task, for several Erdős-Rényi budgets; Transfer: "
        "scores are initialised to the mean of earlier ones. Upper bound: all weights are trained for each task; "
        "accuracy right after training, bytes of one network per task. Points: mean; error bars: sample standard "
        "deviation over seeds; small dots: single seeds. The accuracy axis need not start at 0."
    ),
    family=HEADING,
    order=3,
    sweeps=("supsup_gg", "supsup_gg_batch_ensemble", "supsup_gg_heads", "supsup_gg_upper", "supsup_gg_imagenet"),
    paper=(
        "SplitImageNet: upper bound 92.55 % (10,222.81 MB), SupSup 89.58, 88.68, 86.37 % (195.18, 100.98, 65.50 MB), "
        "BatchE 81.50 % (124.99 MB). SplitCIFAR-100: SupSup is above baselines of the same size, Transfer above "
        "SupSup; curves only."
    ),
)
