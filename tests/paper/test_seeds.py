"""Every figure that averages over seeds: no line joins different seeds, and n stands wherever it differs."""

import json
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
    "untying": "cnn_elcn",
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


def spies(rows):
    return [
        {k: Spy(v.values, v.unit, v.seeds, v.usual) if isinstance(v, Measure) else v for k, v in row.items()}
        for row in rows
    ]


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


def perforate(run, chosen, rng):
    """Give a stored run numbers that no other run has, and take about half of them from one seed."""
    def kept(mapping):
        return {
            key: value * (1 + rng.uniform(-0.05, 0.05)) if isinstance(value, float) else value
            for key, value in mapping.items() if not (chosen and isinstance(value, float) and rng.random() < 0.5)
        }  # fmt: skip

    run.write_summary(kept(run.summary))
    run.path("history.jsonl").write_text("".join(json.dumps(kept(row)) + "\n" for row in run.history()))
    for path in sorted(run.path("arrays").glob("*.npz")) + sorted(run.path("masks").glob("*.npz")) if chosen else ():
        if rng.random() < 0.3 and path.stem != "stretches":
            path.unlink()


@pytest.fixture(scope="module")
def holes(make_run, tmp_path_factory):
    """Return runs of three seeds for every figure; seed 2 lacks many numbers."""
    found, rng = {}, np.random.default_rng(0)
    for name, options in RUNS.items():
        root, options = tmp_path_factory.mktemp(name), dict(options)
        task = options.pop("task", name)
        several = next((key for key, value in options.items() if isinstance(value, tuple)), None)
        for value in options.get(several, (None,)):
            for seed in SEEDS:
                chosen = options | ({several: value} if several else {})
                run = make_run(root, f"small/{name}", task, seed=seed, **chosen)
                perforate(run, seed == 2, rng)
        found[name] = load(root)
    return found


def test_every_figure_is_looked_at():
    assert {plot.NAME for plot in discover()} == OF.keys() and LINES <= OF.keys()


@pytest.mark.parametrize("plot", discover(), ids=lambda plot: plot.NAME)
def test_no_line_joins_different_seeds_and_n_stands_where_it_differs(plot, holes):
    rows = spies(plot.table(holes[OF[plot.NAME]]))
    cells = [cell for row in rows for cell in row.values() if isinstance(cell, Spy)]
    assert {cell.n for cell in cells} >= {3} and any(cell.n == 2 and 2 not in cell.seeds for cell in cells), "no holes"
    assert all(cell.usual == 3 for cell in cells)
    fig = plot.draw(rows)
    seen = [cell for cell in cells if cell.drawn]
    text = words(fig)
    for n in {cell.n for cell in seen if cell.n} - {3}:
        assert re.search(rf"n = (\d, )*{n}\b", text), f"{n} seeds are drawn, but {text}"
    of = {round(cell.factor * Measure.mean.fget(cell), 9): frozenset(cell.seeds) for cell in seen if cell.n}
    joined = list(curves(fig, of))
    assert all(a == b for a, b in joined), "a line joins the means of different seeds"
    assert bool(joined) == (plot.NAME in LINES), "there is nothing to see"


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
    assert np.allclose(main.get_ydata(), [1.5, 3, np.nan, np.nan, 4.5, np.nan], equal_nan=True)
    hollow = {tuple(*drawn.get_xydata()) for drawn in axes.get_lines() if drawn.get_markerfacecolor() == "white"}
    assert hollow == {(2.0, 7.0), (5.0, 9.0)}
    assert [text.get_text() for text in axes.texts] == ["n = 1", "n = 1"]


def test_seeds_that_never_meet_are_not_joined():
    (row,) = with_numbers([{"a": of({1: 1.0}), "b": of({2: 2.0}), "c": of({3: 3.0})}])
    axes = Figure().subplots()
    line(axes, range(3), list(row.values()))
    assert np.isnan(axes.get_lines()[0].get_ydata()).all()
    assert [text.get_text() for text in axes.texts] == ["n = 1"], "once for places that follow each other"


def test_one_run_has_no_error_bar():
    (row,) = with_numbers([{"a": of({1: 1.0}), "b": of({1: 2.0})}])
    axes = Figure().subplots()
    line(axes, range(2), list(row.values()))
    bars(axes, [0], [row], {"a": "a"}, ["red"])
    segments = [s for drawn in axes.collections if hasattr(drawn, "get_segments") for s in drawn.get_segments()]
    assert not np.isfinite([point for segment in segments for point in segment]).all(axis=-1).any() or not segments


def test_bars_and_levels_say_a_smaller_n():
    (row,) = with_numbers([{
        "a": of({1: 1, 2: 2}), "a, chance": of({1: 1}), "b": of({1: 1}), "b, chance": of({1: 1, 2: 1})
    }])
    axes = Figure().subplots()
    bars(axes, [0], [row], {"a": "a", "b": "b"}, ["red", "blue"], "chance")
    level(axes, row["b"], "b")
    level(axes, row["a"], "a")
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["dashes n = 1", "n = 1", "n = 1"]
