"""Distribution of mask probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from core.store import Run
from paper.figure import COLOURS, Plot, figure
from paper.measure import Measure, Row, said, with_numbers
from paper.modularity.arithmetic import HEADING
from paper.modularity.networks import networks
from paper.results import array

BINS = 50
SHARE = "share of the weights"


def table(runs: Sequence[Run]) -> list[Row]:
    """Return the share of the weights in each bin, for every network."""
    rows = []
    for name, part in networks(runs):
        shares = [(run, share) for run in part if (share := _shares(run)) is not None]
        rows += [
            {
                "network": name,
                "from": round(i / BINS, 6),
                "to": round((i + 1) / BINS, 6),
                SHARE: Measure.of(((run, share[i]) for run, share in shares), "%"),
            }
            for i in range(BINS)
        ]
    return with_numbers(rows)


def draw(rows: list[Row]) -> Figure:
    """Draw one line for each network, linear and logarithmic."""
    fig, (linear, logarithmic) = figure(7.4, 3.5, 2)
    for name, colour in zip(dict.fromkeys(row["network"] for row in rows), cycle(COLOURS), strict=False):
        part = [row for row in rows if row["network"] == name]
        edges = [row["from"] for row in part] + [1.0]
        means = np.array([100 * row[SHARE].mean for row in part])
        sds = np.nan_to_num([100 * row[SHARE].sd for row in part])  # a single run has no band
        label = name + said((row[SHARE] for row in part), ", ")
        for axes, first in ((linear, 1), (logarithmic, 0)):
            low, high = np.maximum(means - sds, 1e-12)[first:], (means + sds)[first:]
            axes.stairs(means[first:], edges[first:], baseline=None, color=colour, linewidth=1.5, label=label)
            axes.stairs(high, edges[first:], baseline=low, color=colour, alpha=0.2, fill=True)
    linear.set_ylim(0)
    logarithmic.set_yscale("log")
    smallest = min(100 * row[SHARE].mean for row in rows if row[SHARE].mean > 0)
    logarithmic.set_ylim(10 ** np.floor(np.log10(smallest)), 130)
    for axes, title in ((linear, "linear, from 0.02"), (logarithmic, "logarithmic, all")):
        axes.set_title(title, loc="left")
        axes.set_xlim(0, 1)
        axes.set_xlabel("probability of keeping a weight")
    linear.set_ylabel("fraction of the weights [%]")
    handles, labels = linear.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower left", ncols=2, handlelength=1.4)
    return fig


def _shares(run: Run) -> np.ndarray | None:
    counts = array(run, "histogram_control", "counts")
    if counts is None or counts.size % BINS or not counts.sum():
        return None
    return counts.reshape(BINS, -1).sum(1) / counts.sum()


PLOT = Plot(
    table=table,
    draw=draw,
    title="Distribution of mask probabilities",
    caption=(
        "Distribution of sigmoid(score), the probability of keeping a weight, over all masked weights at the end of "
        "the control mask's training, in bins of 0.02. Left: linear scale, without the first bin, which contains the "
        "weights almost certainly removed; right: all bins, logarithmic scale. Lines: mean; bands: ± sample standard "
        "deviation over seeds."
    ),
    family=HEADING,
    order=8,
    sweeps=("addmul_rnn", "addmul_ff_big", "tuple_rnn", "tuple_ff"),
    paper="Mask values polarise at 0 and 1.",
)
