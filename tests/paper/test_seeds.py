"""Every figure that averages over seeds: no line joins different seeds, and n stands wherever it differs."""

import json
import re
import zlib
from dataclasses import dataclass, field

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from paper.marks import bars, level, line
from paper.measure import Measure, with_numbers
from paper.results import load
from paper.run_all import discover
from tests.paper.conftest import task_of

SEEDS = (1, 2, 3)
RUNS = {
    "tuple_ff": {}, "two": {"task": "tuple_ff", "layer_sizes": ("16,16", "8,8")}, "addmul_ff": {},
    "addmul_penalty": {"task": "addmul_ff", "mask.penalty": (0.1, 0.2, 0.3)}, "cnn_elcn": {},
    "keep": {"task": "edge_popup", "mask.keep": (0.1, 0.5, 0.9)},
    "wide": {"task": "edge_popup", "width": (0.5, 1.0, 2.0)}, "supsup": {},
    "rotated": {"task": "supsup", "tasks.kind": "rotated"},
    "split": {"task": "supsup", "tasks.kind": "split", "data.name": "digits", "mask.method": "edge-popup",
              "mask.er_scale": (1.0, 2.0, 3.0)},
    "supsup_nns": {}, "scan": {}, "deepmind_math": {}, "cifar10_class_removal": {}, "cifar10_mask_stability": {},
    "cifar10_grad_cos_distance": {}, "permuted_mnist": {},
    "induction_vision": {}, "induction_math": {}, "deep": {"task": "induction_math", "layers": (1, 2, 3)},
}  # fmt: skip
OF = {
    "penalty_sensitivity": "addmul_penalty", "keep": "keep", "width": "wide", "task_inference": "supsup",
    "rotated": "rotated", "task_bytes": "split", "stream": "supsup_nns", "hard_questions": "deepmind_math",
    "class_confusion": "cifar10_class_removal", "class_drop": "cifar10_class_removal",
    "mask_stability": "cifar10_mask_stability", "gradient_similarity": "cifar10_grad_cos_distance",
    "transfer_sharing": "permuted_mnist", "iou": "tuple_ff", "performance": "tuple_ff",
    "weight_proportion": "tuple_ff", "half_mask": "two", "mask_histogram": "two",
    "confusion": "addmul_ff", "sharing_vs_size": "addmul_ff", "removed_words": "scan", "scan_accuracies": "scan",
    "scan_baseline": "scan", "paths": "cnn_elcn", "split_accuracy": "cnn_elcn", "untied_energy": "cnn_elcn",
    "untying": "cnn_elcn", "margins": "cnn_elcn",
    "induction_curve": "induction_math", "induction_depth": "deep", "induction_donor": "induction_math",
    "induction_rules": "induction_math", "shape_bias": "induction_vision", "vision_curves": "induction_vision",
}  # fmt: skip
LINES = {
    "penalty_sensitivity", "keep", "width", "task_inference", "rotated", "task_bytes", "gradient_similarity",
    "transfer_sharing", "paths", "split_accuracy", "untied_energy", "untying",
    "induction_curve", "induction_depth", "induction_donor", "vision_curves",
}  # fmt: skip


FILES = {"confusion_mul", "confusion_inverse_add", "confusion_without_1"}  # arrays that the second seed lacks
KEPT = re.compile(r"final/(control|without_0|jump/jump)/")
MORE = {f"{key}/{n}": 0.5 for key in ("gg", "gnu", "inferred") for n in range(1, 9)}
PARTS = {"control": 0.8, "without_0": 0.5, "without_1": 0.6}
MORE |= {f"final/{part}/test/accuracy/{i}": value for part, value in PARTS.items() for i in (*range(10), "total")}


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
    for axes in fig.axes:
        for drawn in axes.get_lines():
            if drawn.get_linestyle() == "None" or drawn.get_transform() != axes.transData:  # points; across the axes
                continue
            found = [seeds.get(round(float(value), 9)) for value in drawn.get_ydata()]
            yield from ((a, b) for a, b in zip(found, found[1:], strict=False) if a and b)


def by_mean(cells):
    """Return mean as drawn -> seeds; a mean that two different sets of seeds have tells nothing and is left out."""
    found = {}
    for cell in (cell for cell in cells if cell.n):
        found.setdefault(round(cell.factor * float(np.mean(cell.values)), 9), set()).add(frozenset(cell.seeds))
    return {mean: next(iter(sets)) for mean, sets in found.items() if len(sets) == 1}


def perforate(run, chosen, rng, salt):
    """Give a stored run numbers that no other run has, and take about a third of them from one seed."""

    def changed(number):
        return number * rng.uniform(0.95, 1.05)

    def kept(mapping, place=""):
        def lacks(key):
            return chosen and not KEPT.match(key) and zlib.crc32(f"{key}{place}{salt}".encode()) % 3 == 0

        there = {k: v for k, v in mapping.items() if not lacks(k) or isinstance(v, int)}
        there |= {k: 5.0 for k in there if k.endswith("per_margin")}  # null where nothing has been learned
        return {k: changed(v) if isinstance(v, float) else v for k, v in there.items()}

    run.write_summary(kept(run.summary))
    history = [json.dumps(kept(row, i)) + "\n" for i, row in enumerate(run.history())]
    run.path("history.jsonl").write_text("".join(history))
    for path in sorted(run.path("arrays").glob("*.npz")):
        if chosen and (path.stem in FILES or path.stem.startswith(("path_string", "margins_elcn"))):
            path.unlink()
        elif path.stem.startswith("path_"):
            arrays = run.arrays(path.stem)
            run.write_arrays(path.stem, **{k: v if k == "alpha" else changed(v) for k, v in arrays.items()})
    if chosen:
        run.path("masks", "jump.npz").unlink(missing_ok=True)


def runs_for(plot):
    """Return the settings of a figure's runs: those of RUNS, or else those of the first sweep that it reads."""
    if plot.name in OF:
        return dict(RUNS[OF[plot.name]])
    return {"task": task_of(plot.sweeps[0])}


@pytest.fixture(scope="module")
def holes(make_run, tmp_path_factory):
    """Return a function from a figure to runs of three seeds for it; seed 2 lacks many numbers, the salt says which."""
    found = {}

    def runs_of(plot, salt):
        name = OF.get(plot.name, plot.sweeps[0])
        if (name, salt) in found:
            return found[name, salt]
        root, options, rng = tmp_path_factory.mktemp(name), runs_for(plot), np.random.default_rng(0)
        task = options.pop("task", name)
        several = next((key for key, value in options.items() if isinstance(value, tuple)), None)
        for i, value in enumerate(options.get(several, (None,))):
            for seed in SEEDS if i or not several else (1, 3):  # the second has yet to be run there
                chosen = options | ({several: value} if several else {})
                run = make_run(root, f"small/{name}", task, MORE, seed=seed, **chosen)
                perforate(run, seed == 2 and not several, rng, salt)
        return found.setdefault((name, salt), load(root))

    return runs_of


def test_settings_are_those_of_figures_that_exist():
    assert {plot.name for plot in discover()} >= OF.keys() | LINES and {*OF.values()} <= RUNS.keys()


@pytest.mark.parametrize("plot", discover(), ids=lambda plot: plot.name)
def test_no_line_joins_different_seeds_and_n_stands_where_it_differs(plot, holes):
    for salt in ("", "a", "b", "c"):  # a figure of few numbers may have lost none, or all
        rows = spies(plot.table(holes(plot, salt)))
        cells = [cell for row in rows for cell in row.values() if isinstance(cell, Spy)]
        if {cell.n for cell in cells} >= {3} and any(cell.n == 2 and 2 not in cell.seeds for cell in cells):
            break
    else:
        raise AssertionError("no holes")
    assert all(cell.usual == 3 for cell in cells)
    fig = plot.draw(rows)
    seen = [cell for cell in cells if cell.drawn]
    assert any(cell.n == 2 for cell in seen), "no hole is drawn"
    text = words(fig)
    for n in {cell.n for cell in seen if cell.n} - {3}:
        assert re.search(rf"n = (\d, )*{n}\b", text), f"{n} seeds are drawn, but {text}"
    joined = list(curves(fig, by_mean(seen)))
    assert all(a == b for a, b in joined), "a line joins the means of different seeds"
    assert bool(joined) == (plot.name in LINES), "there is nothing to see"


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
    assert np.allclose(main.get_ydata().astype(float), [1.5, 3, np.nan, np.nan, 4.5, np.nan], equal_nan=True)
    hollow = {tuple(*drawn.get_xydata()) for drawn in axes.get_lines() if drawn.get_markerfacecolor() == "white"}
    assert hollow == {(2.0, 7.0), (5.0, 9.0)}
    assert [text.get_text() for text in axes.texts] == ["n = 1", "n = 1"]


def test_seeds_that_never_meet_are_not_joined():
    (row,) = with_numbers([{"a": of({1: 1.0}), "b": of({2: 2.0}), "c": of({3: 3.0})}])
    axes = Figure().subplots()
    line(axes, range(3), list(row.values()))
    assert np.isnan(axes.get_lines()[0].get_ydata().astype(float)).all()
    assert [text.get_text() for text in axes.texts] == ["n = 1"], "once for places that follow each other"


def test_one_run_has_no_error_bar():
    (row,) = with_numbers([{"a": of({1: 1.0}), "b": of({1: 2.0})}])
    axes = Figure().subplots()
    line(axes, range(2), list(row.values()))
    bars(axes, [0], [row], {"a": "a"}, ["red"])
    bars_drawn = [c.get_segments() for c in axes.collections if isinstance(c, LineCollection)]
    assert bars_drawn and not any(len(segment) for segments in bars_drawn for segment in segments)


def test_bars_and_levels_say_a_smaller_n():
    (row,) = with_numbers(
        [{"a": of({1: 1, 2: 2}), "a, chance": of({1: 1}), "b": of({1: 1}), "b, chance": of({1: 1, 2: 1})}]
    )
    axes = Figure().subplots()
    bars(axes, [0], [row], {"a": "a", "b": "b"}, ["red", "blue"], "chance")
    level(axes, row["b"], "b")
    level(axes, row["a"], "a")
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["dashes n = 1", "n = 1", "n = 1"]
