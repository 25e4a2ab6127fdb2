"""Stored runs for the figures: keys come from really running main.py, numbers are chosen by the tests."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import main as program
from core.store import Run
from paper.run_all import main as run_all
from tasks.options import resolve

TINY = {
    "layer_sizes": "16,16", "data.train_size": "2000", "data.eval_size": "100", "data.seen_size": "50",
    "train.steps": "30", "mask.steps": "20", "train.batch_size": "16", "log": "none",
    "mask.method": "threshold",
}
TINY_CNN = {
    "model": "digits", "data.name": "digits", "data.canvas": "12", "data.train_size": "60", "data.test_size": "30",
    "train.epochs": "2", "train.batch_size": "30", "split.at": "0,2", "split.epochs": "2", "split.lr": "0.05,0.1",
    "paths.points": "3", "paths.epochs": "1", "sharpness": "0", "log": "none",
}  # fmt: skip
TINY_RANDOM = {
    "model": "fc", "layer_sizes": "16,16", "data.name": "digits", "data.train_size": "60", "data.test_size": "30",
    "train.epochs": "2", "train.batch_size": "30", "log": "none",
}  # fmt: skip
TINY_TASKS = {
    "layer_sizes": "16,16", "data.name": "digits", "data.train_size": "60", "data.test_size": "30", "tasks.count": "2",
    "train.steps": "4", "train.batch_size": "10", "infer.batch_size": "15", "log": "none",
}  # fmt: skip
OF_IMAGES = {
    "cnn_elcn": TINY_CNN, "edge_popup": TINY_RANDOM, "supsup": TINY_TASKS | {"evaluate_at": "1,2"},
    "supsup_nns": TINY_TASKS | {"check_every": "2"},
}  # fmt: skip
MakeRun = Callable[..., Run]


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Return one real run of each feed-forward task and of each task on images."""
    root, handlers = tmp_path_factory.mktemp("real"), logging.root.handlers[:]
    for task, tiny in {"tuple_ff": TINY, "addmul_ff": TINY, **OF_IMAGES}.items():
        where = {"run.quiet": "true", "run.sweep": f"small/{task}", "run.dir": str(root)}
        options = {"task": task} | tiny | where
        assert program.main([f"--{name}={value}" for name, value in options.items()]) == 0
    logging.root.handlers[:] = handlers  # main.py logs into the run's folder
    return {run.task: run for run in Run.query(root)}


@pytest.fixture(scope="session")
def make_run(real: dict[str, Run]) -> MakeRun:
    """Return a function that stores a finished run: a real one's keys and arrays, some numbers replaced."""

    def make(
        root: Path, sweep: str, task: str = "tuple_ff", numbers: dict[str, Any] | None = None,
        arrays: dict[str, dict[str, np.ndarray]] | None = None, state: str = "done", **options: Any,
    ) -> Run:
        pattern = real[task if task in real else "addmul_ff" if task.startswith("addmul") else "tuple_ff"]
        values = {"task": task, "run.dir": str(root), "run.sweep": sweep}
        values |= OF_IMAGES.get(task, {"mask.method": "threshold"})
        run = Run.create(resolve(values | {k.replace("__", "."): v for k, v in options.items()}))
        run.write_summary(pattern.summary | (numbers or {}))
        shutil.copy(pattern.path("history.jsonl"), run.folder)
        for path in pattern.path("arrays").glob("*.npz"):
            if not path.stem.startswith(("scores", "weights")):
                run.write_arrays(path.stem, **pattern.arrays(path.stem))
        for name, content in (arrays or {}).items():
            run.write_arrays(name, **content)
        run.write_status(state)
        return run

    return make


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory, make_run: MakeRun) -> tuple[Path, Path, list[str]]:
    """Return the runs' folder, the figures' folder and what was said, of a few runs of every kind."""
    root, out = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("out")
    for seed in (1, 2, 3):
        make_run(root, "small/tuple_ff", seed=seed, layer_sizes="16,16")
    for seed in (1, 2):
        make_run(root, "small/addmul_ff", "addmul_ff", seed=seed, layer_sizes="16,16")
        more = {"size/total": 9999.0}
        make_run(root, "small/addmul_ff_big", "addmul_ff", more, seed=seed, layer_sizes="32,32")
        make_run(root, "small/addmul_ff_penalty", "addmul_ff", seed=1, mask__penalty=10.0**-seed)
        make_run(root, "small/cnn_elcn", "cnn_elcn", seed=seed)
        for keep in (0.1, 0.5):
            make_run(root, "small/edge_popup_fc", "edge_popup", seed=seed, mask__keep=keep)
            make_run(root, "small/edge_popup_wide", "edge_popup", seed=seed, width=keep)
        make_run(root, "small/supsup_gnu", "supsup", seed=seed)
        make_run(root, "small/supsup_rotated", "supsup", seed=seed, tasks__kind="rotated")
        make_run(root, "small/supsup_gg", "supsup", seed=seed, tasks__kind="split")
        make_run(root, "small/supsup_nns", "supsup_nns", seed=seed)
    for mode in ("together", "same_io"):
        make_run(root, "small/tuple_rnn", "tuple", seed=1, tuple__mode=mode)
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paper.run_all._say", lines.append)
        assert run_all(["--runs", str(root), "--out", str(out)]) == 0
    return root, out, lines
