"""How measures are drawn: bars, lines and levels, annotated where they are based on fewer seeds.

A mean line is a comparison of its places, so it runs only through places that have a value of every seed which the
line has anywhere. Elsewhere it is broken, and the mean of the seeds there is a hollow point. Wherever n is not the
picture's usual one, which stands in its head, it is written beside what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from matplotlib.axes import Axes

from paper.figure import DARK, DASHES
from paper.measure import Measure, Row, said

DOT: dict[str, Any] = {"s": 9, "facecolor": "white", "linewidth": 0.6, "zorder": 5}
SMALL: dict[str, Any] = {"fontsize": 6.5, "color": DARK, "zorder": 8, "annotation_clip": False}
Spread = Literal["dots", "band", "none"]
MOST_WORDS = 4  # stretches of another n that a line names one by one


def bars(
    axes: Axes,
    positions: Sequence[float],
    rows: Sequence[Row],
    columns: Mapping[str, str],
    colours: Sequence[str],
    chance: str = "",
) -> None:
    """Draw a group of bars for each row: means, with sample standard deviations and single runs as dots.

    Args:
        axes: where.
        positions: centre of each row's group.
        rows: the table.
        columns: the measured columns to draw, side by side, and what the legend calls them.
        colours: one for each column; they begin again where there are more columns.
        chance: dashes stand at the mean of the column "<column>, <chance>", where there is one.
    """
    width = 0.76 / len(columns)
    for i, (column, label) in enumerate(columns.items()):
        centres = [x + (i - (len(columns) - 1) / 2) * width for x in positions]
        means = [row[column].factor * row[column].mean for row in rows]
        axes.bar(centres, means, width * 0.92, color=colours[i % len(colours)], label=label, zorder=2)
        for x, row in zip(centres, rows, strict=True):
            measure, expected = row[column], row.get(f"{column}, {chance}")
            _spread(axes, x, width, measure)
            words = [said([measure])]
            if chance and expected is not None and expected.n:
                axes.hlines(expected.factor * expected.mean, x - width / 2, x + width / 2, zorder=6, **DASHES)
                words.append(said([expected], "dashes "))
            _foot(axes, x, ", ".join(filter(None, words)))


def line(
    axes: Axes,
    places: Sequence[float],
    measures: Sequence[Measure],
    label: str = "",
    spread: Spread = "dots",
    color: Any = DARK,
    **style: Any,
) -> None:
    """Draw a line through means, and say where it has fewer seeds.

    Args:
        axes: where.
        places: x of each measure, ascending.
        measures: y; in per cent where that is their unit.
        label: for the legend.
        spread: sample standard deviations as error bars with single runs as dots, as a band, or not at all.
        color: of the line.
        **style: of the line.
    """
    everyone = {seed for measure in measures for seed in measure.seeds}
    if not any(measure.n for measure in measures):
        return
    whole = [bool(measure.n) and {*measure.seeds} == everyone for measure in measures]
    means = [m.factor * m.mean if all_there else math.nan for m, all_there in zip(measures, whole, strict=True)]
    sds = [m.factor * m.sd if all_there else math.nan for m, all_there in zip(measures, whole, strict=True)]
    hollow = [(x, m) for x, m, all_there in zip(places, measures, whole, strict=True) if m.n and not all_there]
    style |= {"color": color, "linewidth": style.get("linewidth", 1.4)}
    if spread == "dots":
        axes.errorbar(places, means, sds, label=label, marker="o", markersize=4, capsize=2.5, **style)
    else:
        axes.plot(places, means, label=label, **style)
        # a place between two gaps would not show without a point
        alone = [i for i in range(len(means)) if whole[i] and not any(whole[max(i - 1, 0) : i] + whole[i + 1 : i + 2])]
        axes.plot([places[i] for i in alone], [means[i] for i in alone], "o", color=color, markersize=3)
    if spread == "band":
        low, high = ([m + sign * d for m, d in zip(means, sds, strict=True)] for sign in (-1, 1))
        axes.fill_between(places, low, high, color=color, alpha=0.15, linewidth=0)
    for x, m in hollow:
        sd = m.factor * m.sd if spread != "none" else None
        axes.errorbar(x, m.factor * m.mean, sd, fmt="o", markersize=4, markerfacecolor="white", color=color,
                      linewidth=1, capsize=2.5)  # fmt: skip
    if spread == "dots":
        pairs = [(x, m.factor * value) for x, m in zip(places, measures, strict=True) for value in m.values]
        axes.scatter(*zip(*pairs, strict=True), edgecolor=color, **DOT)
    _beside_points(axes, list(zip(places, measures, whole, strict=True)), color)


def level(axes: Axes, measure: Measure, label: str, **style: Any) -> None:
    """Draw a mean that is the same at all places as a line across the axes."""
    if measure.n:
        y = measure.factor * measure.mean
        axes.axhline(y, label=label, **style)
        axes.annotate(said([measure]), (1, y), (0, 2), xycoords=axes.get_yaxis_transform(), ha="right",
                      textcoords="offset points", **SMALL)  # fmt: skip


def _beside_points(axes: Axes, points: Sequence[tuple[float, Measure, bool]], color: Any) -> None:
    """Write n where it is not the usual one, or not all of the line's; once for places that follow each other."""
    words = [(x, m, said([m]) or ("" if all_there else f"n = {m.n}")) for x, m, all_there in points if m.n]
    stretches = [(text, list(same)) for text, same in groupby(words, lambda word: word[2]) if text]
    if len(stretches) > MOST_WORDS:
        several = sorted({m.n for _, same in stretches for _, m, _ in same})
        stretches = [(f"n = {', '.join(map(str, several))}", stretches[-1][1])]
    for text, same in stretches:
        x, measure, _ = same[-1]
        axes.annotate(text, (x, measure.factor * measure.mean), (3, 3), textcoords="offset points",
                      **SMALL | {"color": color})  # fmt: skip


def _foot(axes: Axes, x: float, text: str) -> None:
    """Write upright at the foot of a bar."""
    if text:
        paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
        axes.annotate(text, (x, 0), (0, 3), textcoords="offset points", rotation=90, ha="center", va="bottom",
                      bbox=paper, **SMALL)  # fmt: skip


def _spread(axes: Axes, x: float, width: float, measure: Measure) -> None:
    n, factor = measure.n, measure.factor
    if n > 1:
        axes.errorbar(x, factor * measure.mean, factor * measure.sd, color=DARK, linewidth=1, capsize=2.5, zorder=4)
    places = [x + width * 0.5 * (i / (n - 1) - 0.5) for i in range(n)] if n > 1 else [x] * n
    axes.scatter(places, [factor * value for value in measure.values], edgecolor=DARK, clip_on=False, **DOT)
