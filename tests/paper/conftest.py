"""Stored runs for the figures: keys come from really running main.py, numbers are chosen by the tests."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import main as program
from core.store import Run
from launch.sweep import Sweep
from paper.results import load, twins
from paper.run_all import discover
from paper.run_all import main as run_all
from tasks.options import resolve
from tests.active import active
from tests.launch.pretend import ROOT
from tests.tiny_data import tiny_math, tiny_scan

TINY = {
    "layer_sizes": "16,16",
    "data.train_size": "2000",
    "data.eval_size": "100",
    "data.seen_size": "50",
    "train.steps": "30",
    "mask.steps": "20",
    "train.batch_size": "16",
    "log": "none",
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
SHORT = {"train.steps": "3", "mask.steps": "3", "train.batch_size": "8", "log": "none"}
TINY_LSTM = {"state_size": "8", "n_layers": "1", **SHORT}
TINY_TRAFO = {
    "state_size": "8", "transformer.n_heads": "2", "transformer.encoder_n_layers": "1",
    "transformer.decoder_n_layers": "1", **SHORT,
}  # fmt: skip
TINY_MATH = {"dm_math.modules": "toy__add", "mask.samples": "4", **TINY_TRAFO}
TINY_CLASSES = {
    "data.name": "digits", "data.train_size": "200", "data.test_size": "80", "seen_size": "50", "width": "0.1", **SHORT,
}  # fmt: skip
TINY_REMOVAL = {"class_removal.classes": "0,1", **TINY_CLASSES}
TINY_PERMUTED = {
    "data.name": "digits", "data.train_size": "200", "data.test_size": "80", "layer_sizes": "16,16",
    "transfer.permutations": "3", "mask.steps": "3", "mask.batch_size": "8", "log": "none",
}  # fmt: skip
TINY_INDUCTION = {
    "data.operands": "9", "layers": "1", "width": "8", "heads": "2", "train.steps": "2", "train.warmup": "0",
    "train.batch_size": "8", "mask.steps": "2", "transfer.steps": "1", "transfer.evaluations": "1",
    "transfer.donor": "frozen,trained", "transfer.disambiguating": "0,4", "log": "none",
}  # fmt: skip
TINY_VISION = {
    "data.base_size": "24", "data.mask_size": "12", "data.transfer_size": "12", "data.test_size": "30",
    "data.ambiguous_size": "12", "train.steps": "1", "train.batch_size": "8", "train.warmup": "0", "mask.steps": "3",
    "mask.batch_size": "6", "mask.init": "-0.25", "transfer.steps": "4", "transfer.batch_size": "6",
    "transfer.warmup": "0", "transfer.eval_every": "2", "transfer.conditions": "subnet,random,scratch,augmented",
    "log": "none",
}  # fmt: skip
MORE = {
    "cnn_elcn": TINY_CNN, "edge_popup": TINY_RANDOM, "supsup": TINY_TASKS | {"evaluate_at": "1,2"},
    "supsup_nns": TINY_TASKS | {"check_every": "2"}, "scan": TINY_LSTM, "trafo_scan": TINY_TRAFO,
    "deepmind_math": TINY_MATH, "cifar10_class_removal": TINY_REMOVAL, "cifar10_grad_cos_distance": TINY_CLASSES,
    "cifar10_mask_stability": TINY_CLASSES | {"mask_stability.pairs": "1"}, "permuted_mnist": TINY_PERMUTED,
    "induction_math": TINY_INDUCTION, "induction_vision": TINY_VISION,
}  # fmt: skip
ALL = ("tuple_ff", "addmul_ff", *MORE)
LIKE = {"cifar10_resnet_hp_class_removal": "cifar10_class_removal"}  # slow to run: with the keys of another task
MakeRun = Callable[..., Run]


class RealRuns(Mapping[str, Run]):
    """One real run of each feed-forward task, and of each task on text and on images; each is run when first read."""

    def __init__(self, root: Path, cache: Path):
        self.root, self.cache, self.done = root, cache, {}

    def __iter__(self) -> Iterator[str]:
        return iter(ALL)

    def __len__(self) -> int:
        return len(ALL)

    def __getitem__(self, task: str) -> Run:
        if task not in self.done:
            self.done[task] = self.run(task)
        return self.done[task]

    def __contains__(self, task: object) -> bool:  # Mapping's own would run it
        return task in ALL

    def run(self, task: str) -> Run:
        """Run main.py on tiny settings of a task."""
        options = {"task": task} | MORE.get(task, TINY) | {"run.quiet": "true", "run.dir": str(self.root / task)}
        handlers = logging.root.handlers[:]
        with pytest.MonkeyPatch.context() as patch:
            if task in ("scan", "trafo_scan"):
                tiny_scan(self.cache, patch)
                options["run.cache"] = str(self.cache)
            if task == "deepmind_math":
                archive = tiny_math(self.cache / "math.tar.gz")
                options |= {"run.cache": str(self.cache), "dm_math.archive": str(archive)}
            assert program.main([f"--{name}={value}" for name, value in options.items()]) == 0
        logging.root.handlers[:] = handlers  # main.py logs into the run's folder
        (run,) = Run.query(self.root / task)
        return run


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Run]:
    """Return real runs by their task."""
    return RealRuns(tmp_path_factory.mktemp("real"), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def make_run(real: Mapping[str, Run]) -> MakeRun:
    """Return a function that stores a finished run: a real one's keys and arrays, some numbers replaced."""

    def make(
        root: Path,
        sweep: str,
        task: str = "tuple_ff",
        numbers: dict[str, Any] | None = None,
        arrays: dict[str, dict[str, np.ndarray]] | None = None,
        state: str = "done",
        **options: Any,
    ) -> Run:
        like = LIKE.get(task, "addmul_ff" if task.startswith("addmul") else "tuple_ff")
        pattern = real[task if task in real else like]
        values = {"task": task, "run.dir": str(root), "run.sweep": sweep}
        values |= MORE.get(LIKE.get(task, task), {"mask.method": "threshold"})
        run = Run.create(resolve(active(values | {k.replace("__", "."): v for k, v in options.items()})))
        run.write_summary(pattern.summary | (numbers or {}))
        shutil.copy(pattern.path("history.jsonl"), run.folder)
        for path in pattern.path("arrays").glob("*.npz"):
            if not path.stem.startswith(("scores", "weights")):
                run.write_arrays(path.stem, **pattern.arrays(path.stem))
        if task in ("scan", "trafo_scan"):
            shutil.copytree(pattern.path("masks"), run.path("masks"))
        for name, content in (arrays or {}).items():
            run.write_arrays(name, **content)
        run.write_status(state)
        return run

    return make


@pytest.fixture
def two(make_run: MakeRun, tmp_path: Path) -> Callable[..., list[Run]]:
    """Return a function that stores two seeds which differ in the given numbers."""

    def store(task: str, numbers: dict[str, tuple[Any, Any]], sweep: str = "small/x", **options: Any) -> list[Run]:
        for seed in (0, 1):
            values = {key: value[seed] for key, value in numbers.items()}
            make_run(tmp_path, sweep, task, values, seed=seed, **options)
        return load(tmp_path)

    return store


def task_of(sweep: str) -> str:
    """Return the task of the small twin of a sweep."""
    return Sweep.read(ROOT / "sweeps" / "small" / f"{sweep}.yaml").points(resolve, "runs")[0].options.task


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
        make_run(root, "small/scan", "scan", seed=seed)
        make_run(root, "small/trafo_scan", "trafo_scan", seed=seed)
        baseline = {"train_baseline": True, "scan.analyze_splits": "jump"}
        make_run(root, "small/scan_baseline", "scan", seed=seed, **baseline)
        make_run(root, "small/dm_math_sort", "deepmind_math", seed=seed)
        make_run(root, "small/cifar10", "cifar10_class_removal", seed=seed)
        make_run(root, "small/cifar10_mask_stability", "cifar10_mask_stability", seed=seed)
        make_run(root, "small/cifar10_grad_cos_distance", "cifar10_grad_cos_distance", seed=seed)
        make_run(root, "small/transfer_sharing", "permuted_mnist", seed=seed)
        make_run(root, "small/induction_math", "induction_math", seed=seed)
        make_run(root, "small/induction_vision_resnet18", "induction_vision", seed=seed)
    for mode in ("together", "same_io"):
        make_run(root, "small/tuple_rnn", "tuple", seed=1, tuple__mode=mode)
    for plot in discover():
        if not {sweep for sweep in twins(plot.sweeps) if (root / sweep).exists()}:
            make_run(root, f"small/{plot.sweeps[0]}", task_of(plot.sweeps[0]), seed=1)
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paper.run_all._say", lines.append)
        patch.setattr("paper.sweeps.SWEEPS", root)  # no sweep file: runs of these options are no trials
        assert run_all(["--runs", str(root), "--out", str(out)]) == 0
    return root, out, lines
