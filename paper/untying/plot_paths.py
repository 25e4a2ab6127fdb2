"""Loss and accuracy along paths between the CNN and the networks untied from it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from core.store import Run
from paper.figure import BLUE, GREEN, ORANGE, PURPLE, Plot, figure
from paper.marks import line
from paper.measure import PERCENT, Measure, Row, with_numbers
from paper.results import array
from paper.untying.untying import HEADING, NAMES, rates, splits

METHODS = {"linear": BLUE, "curvilinear": GREEN, "string": ORANGE, "average": PURPLE}
PANELS = {"train loss": "train_loss", "test accuracy": "test_accuracy"}
MOST = 5


def table(runs: Sequence[Run], branch: str = "") -> list[Row]:
    """Return loss and accuracy at every point of every path.

    Args:
        runs: runs of one group.
        branch: elcn or efcn; by default efcn where there are paths to one.
    """
    for kind in [branch] if branch else ["efcn", "elcn"]:
        found: list[Row] = []
        for lr in rates(runs)[:1]:
            for split in _some(splits(runs, kind, lr)):
                for method in METHODS:
                    found += _points(runs, kind, lr, split, method)
        if with_numbers(found):
            return with_numbers(found)
    return []


def draw(rows: list[Row]) -> Figure:
    """Draw the loss above the accuracy, one column of panels for each split."""
    places = sorted({row["split"] for row in rows})
    fig, _ = figure(1.4 + 1.75 * len(places), 4.6, 1)
    fig.clear()
    grid = fig.subplots(2, len(places), sharex=True, sharey="row", squeeze=False)
    for i, split in enumerate(places):
        for axes, column in zip(grid[:, i], PANELS, strict=True):
            for method, colour in METHODS.items():
                part = [row for row in rows if row["split"] == split and row["path"] == method]
                alphas = [row["from CNN to branch"] for row in part]
                line(axes, alphas, [row[column] for row in part], method, "band", color=colour)
        grid[0, i].set_title(f"split at {split}", loc="left")
        grid[1, i].set_xticks([0, 0.5, 1], ["0", "½", "1"])
    grid[0, 0].set_ylabel("loss, training set")
    grid[1, 0].set_ylabel("accuracy, test set [%]")
    fig.supxlabel(f"from the CNN (0) to the {NAMES[rows[0]['branch']]} (1)", fontsize=9)
    fig.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside right center")
    return fig


def _some(found: list[int]) -> list[int]:
    """Return at most five, from the first to the last."""
    if len(found) <= MOST:
        return found
    return [found[round(i * (len(found) - 1) / (MOST - 1))] for i in range(MOST)]


def _points(runs: Sequence[Run], kind: str, lr: str, split: int, method: str) -> list[Row]:
    name = f"path_{method}_{kind}_{lr}_{split}"
    paths = [
        (run, alpha, {column: array(run, name, key) for column, key in PANELS.items()})
        for run in runs if (alpha := array(run, name, "alpha")) is not None
    ]  # fmt: skip
    found: list[Row] = []
    alphas = paths[0][1] if paths else ()
    same = [(run, values) for run, places, values in paths if len(places) == len(alphas)]
    for i, alpha in enumerate(alphas):
        row: Row = {"branch": kind, "split": split, "path": method, "from CNN to branch": float(alpha)}
        for column in PANELS:
            values = ((run, float(there[i])) for run, v in same if (there := v[column]) is not None)
            row[column] = Measure.of(values, PERCENT if "accuracy" in column else "")
        found.append(row)
    return found


PLOT = Plot(
    table=table,
    draw=draw,
    title="From the CNN to untied networks",
    caption=(
        "Training loss and test accuracy along paths from the CNN at the end of its training (0) to an untied network "
        "at the end of its own (1), for up to five splits. Linear: interpolated weights; curvilinear: each tensor "
        "rescaled to the interpolated norm; average: interpolated logits; string: points between the ends, connected "
        "by springs, trained for paths.epochs. Lines: mean; bands: sample standard deviation over seeds. By default "
        "the paths to eFCNs if there are any; --set branch=elcn shows those to eLCNs. First learning rate of the "
        "branches."
    ),
    family=HEADING,
    order=4,
    sweeps=("cnn_elcn", "cnn_efcn"),
    per="group",
    options={"branch": ("elcn", "efcn")},
    paper=(
        "d'Ascoli et al.: there is a barrier on the straight line to an early eFCN, and hardly any along the string; "
        "averaging the logits of CNN and eFCN improves accuracy."
    ),
)
