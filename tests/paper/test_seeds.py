"""Every figure that averages over seeds: no line joins different seeds, and n stands wherever it differs."""

import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper.marks import bars, level, line
from paper.measure import Measure, with_numbers
from paper.results import load
from paper.run_all import discover

SEEDS = (1, 2, 3)
RUNS = {
    "tuple_ff": {}, "addmul_ff": {}, "addmul_penalty": {"task": "addmul_ff", "mask.penalty": (0.1, 0.2, 0.3)},
    "cnn_elcn": {}, "keep": {"task": "edge_popup", "mask.keep": (0.1, 0.5, 0.9)},
    "wide": {"task": "edge_popup", "width": (0.5, 1.0, 2.0)}, "supsup": {},
    "rotated": {"task": "supsup", "tasks.kind": "rotated"},
    "split": {"task": "supsup", "tasks.kind": "split", "data.name": "digits", "mask.method": "edge-popup",
              "mask.er_scale": (1.0, 2.0, 3.0)},
    "supsup_nns": {}, "scan": {}, "deepmind_math": {}, "cifar10_class_removal": {}, "cifar10_mask_stability": {},
    "cifar10_grad_cos_distance": {}, "permuted_mnist": {},
}  # fmt: skip
OF = {
    "penalty_sensitivity": "addmul_penalty", "keep": "keep", "width": "wide", "task_inference": "supsup",
    "rotated": "rotated", "task_bytes": "split", "stream": "supsup_nns", "hard_questions": "deepmind_math",
    "class_confusion": "cifar10_class_removal", "class_drop": "cifar10_class_removal",
    "mask_stability": "cifar10_mask_stability", "gradient_similarity": "cifar10_grad_cos_distance",
    "transfer_sharing": "permuted_mnist", "iou": "tuple_ff", "performance": "tuple_ff",
    "weight_proportion": "tuple_ff", "half_mask": "tuple_ff", "mask_histogram": "tuple_ff",
    "confusion": "addmul_ff", "sharing_vs_size": "addmul_ff", "removed_words": "scan", "scan_accuracies": "scan",
    "scan_baseline": "scan", "paths": "cnn_elcn", "split_accuracy": "cnn_elcn", "untied_energy": "cnn_elcn",
    "untying": "cnn_elcn", "margins": "cnn_elcn",
}  # fmt: skip
LINES = {
    "penalty_sensitivity", "keep", "width", "task_inference", "rotated", "task_bytes", "gradient_similarity",
    "transfer_sharing", "paths", "split_accuracy", "untied_energy", "untying",
}  # fmt: skip


@dataclass(frozen=True)
class Spy(Measure):
    """A measure that notes whether a figure has drawn its mean."""

    drawn: list = field(default_factory=list)

    @property
    def mean(self):
        self.drawn.append(True)
        return super().mean


def watched(rows, holes):
    """Return the table with its means watched, and seed 2 taken from every other measure if it is to have holes."""
    found = []
    for i, row in enumerate(rows):
        cells = {}
        for j, (column, cell) in enumerate(row.items()):
            if isinstance(cell, Measure):
                whole = not holes or cell.n < 3 or (i + j) % 2
                pairs = [(v, s) for v, s in zip(cell.values, cell.seeds, strict=True) if whole or s != 2]
                # a value of its own for each cell, so that what a picture shows can be told
                values = tuple(v * (1 + 0.001 * (7 * i + j)) for v, _ in pairs)
                cell = Spy(values, cell.unit, tuple(s for _, s in pairs), 3)
            cells[column] = cell
        found.append(cells)
    return found


def words(fig):
    return " | ".join(text.get_text() for text in fig.findobj(Text))


def curves(fig, seeds):
    """Yield the seeds of every two means that a line connects: neighbours without a gap between them."""
    for drawn in fig.findobj(Line2D):
        if drawn.get_linestyle() == "None":
            continue
        y = [seeds.get(round(float(value), 9)) for value in np.ravel(drawn.get_ydata())]
        for a, b in zip(y, y[1:], strict=False):
            if a and b:
                yield a, b


@pytest.fixture(scope="module")
def stored(make_run, tmp_path_factory):
    """Return runs of three seeds for every figure."""
    found = {}
    for name, options in RUNS.items():
        root, options = tmp_path_factory.mktemp(name), dict(options)
        task = options.pop("task", name)
        several = next((key for key, value in options.items() if isinstance(value, tuple)), None)
        for value in options.get(several, (None,)):
            for seed in SEEDS:
                chosen = options | ({several: value} if several else {})
                run = make_run(root, f"small/{name}", task, seed=seed, **chosen)
                if task == "cifar10_class_removal":  # tiny networks never recognise some of the classes
                    rng = np.random.default_rng(seed)
                    run.write_summary({k: v or rng.uniform(0.2, 0.9) for k, v in run.summary.items()})
        found[name] = load(root)
    return found


def test_every_figure_is_looked_at():
    assert {plot.NAME for plot in discover()} == OF.keys() and LINES <= OF.keys()


@pytest.mark.parametrize("plot", discover(), ids=lambda plot: plot.NAME)
def test_no_line_joins_different_seeds_and_n_stands_where_it_differs(plot, stored):
    table = plot.table(stored[OF[plot.NAME]])
    assert bool(drawn(plot, watched(table, holes=False))[1]) >= (plot.NAME in LINES), "there is no line to see"
    rows = watched(table, holes=True)
    seen, joined = drawn(plot, rows)
    assert {2, 3} <= {cell.n for cell in seen}, "no holes"
    assert all(a == b for a, b in joined), "a line joins the means of different seeds"


def drawn(plot, rows):
    """Draw a table; return the measures it shows, each told by the picture to be of fewer seeds, and what it joins."""
    fig = plot.draw(rows)
    seen = [cell for row in rows for cell in row.values() if isinstance(cell, Spy) and cell.drawn]
    text = words(fig)
    for n in {cell.n for cell in seen if cell.n} - {3}:
        assert re.search(rf"n = (\d, )*{n}\b", text), f"{n} seeds are drawn, but {text}"
    means = {round(cell.factor * Measure.mean.fget(cell), 9): frozenset(cell.seeds) for cell in seen if cell.n}
    return seen, list(curves(fig, means))


def of(values):
    """Return the measure of seed -> value."""
    return Measure(tuple(values.values()), "", tuple(values))


@pytest.mark.parametrize("spread", ["dots", "band", "none"])
def test_a_line_is_broken_where_a_seed_lacks(spread):
    measures = [of({1: 1, 2: 2}), of({1: 2, 2: 4}), of({1: 7}), of({}), of({1: 3, 2: 6}), of({2: 9})]
    (row,) = with_numbers([dict(zip("abcdef", measures, strict=True))])
    axes = Figure().subplots()
    line(axes, range(6), list(row.values()), "x", spread)
    main = axes.get_lines()[0]
    assert np.allclose(np.array(main.get_ydata(), float), [1.5, 3, np.nan, np.nan, 4.5, np.nan], equal_nan=True)
    hollow = {tuple(*drawn.get_xydata()) for drawn in axes.get_lines() if drawn.get_markerfacecolor() == "white"}
    assert hollow == {(2.0, 7.0), (5.0, 9.0)}
    assert [text.get_text() for text in axes.texts] == ["n = 1", "n = 1"]


def test_seeds_that_never_meet_are_not_joined():
    (row,) = with_numbers([{"a": of({1: 1.0}), "b": of({2: 2.0}), "c": of({3: 3.0})}])
    axes = Figure().subplots()
    line(axes, range(3), list(row.values()))
    assert np.isnan(np.array(axes.get_lines()[0].get_ydata(), float)).all()
    assert [text.get_text() for text in axes.texts] == ["n = 1"], "once for places that follow each other"


def test_one_run_has_no_error_bar():
    (row,) = with_numbers([{"a": of({1: 1.0}), "b": of({1: 2.0})}])
    axes = Figure().subplots()
    line(axes, range(2), list(row.values()))
    bars(axes, [0], [row], {"a": "a"}, ["red"])
    segments = [s for drawn in axes.collections if hasattr(drawn, "get_segments") for s in drawn.get_segments()]
    assert not any(np.isfinite(point).all() for segment in segments for point in segment)


def test_bars_and_levels_say_a_smaller_n():
    (row,) = with_numbers([{
        "a": of({1: 1, 2: 2}), "a, chance": of({1: 1}), "b": of({1: 1}), "b, chance": of({1: 1, 2: 1})
    }])
    axes = Figure().subplots()
    bars(axes, [0], [row], {"a": "a", "b": "b"}, ["red", "blue"], "chance")
    level(axes, row["b"], "b")
    level(axes, row["a"], "a")
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["dashes n = 1", "n = 1", "n = 1"]
