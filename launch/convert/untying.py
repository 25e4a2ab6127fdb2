"""Command lines of cnn-weight-tying and anarchitectural-search, whose experiments are the task cnn_elcn here."""

from __future__ import annotations

import math
from typing import Any

from core.errors import SweepError
from launch.convert.original import Original, Translation

# of experiments.py and job.sh
SPLITS: dict[str, Any] = {
    "script": "", "positions": (), "epochs": 100, "n_splits": 20, "cnn_lr": 0.1, "lc_lr": 0.01, "exec": 0,
}  # fmt: skip
JOB = {"cnn_lr": 0.1, "lc_lr": 0.01, "epochs": 150, "n_splits": 10}  # in this order
# of main.py
ONE: dict[str, Any] = {
    "dataset": "cifar10", "path": "~/data", "data_size": 0, "model": "alexnetprime", "convert_to": "nil",
    "load_model": "", "save_dir": "results", "n_saves": 20, "bs_train": 250, "bs_eval": 1000, "lr": 0.1, "mom": 0,
    "wd": 0, "seed": 0, "double": False, "no_cuda": False, "load_opt": False,
}  # fmt: skip
# of interp.py, whose other defaults are its own
PATHS: dict[str, Any] = {
    "net1_path": None, "net2_path": None, "interp_method": "linear", "n_points": 5, "stiffness": 1,
    "data_path": "~/data", "log_path": "./log", "device": "cpu",
}  # fmt: skip
DROPPED = {
    "exec": "there it says whether anything runs at all",
    "path": "downloads lie in run.cache",
    "data_path": "downloads lie in run.cache",
    "save_dir": "results lie in run.dir",
    "log_path": "results lie in run.dir",
    "device": "run.device, where a run is executed",
    "no_cuda": "run.device, where a run is executed",
    "load_opt": "a branch begins with a new optimiser, as there without it",
    "net1_path": "paths lead from the CNN to each of its branches, of the same run",
    "net2_path": "paths lead from the CNN to each of its branches, of the same run",
}
MODELS = {"skinnyprime": "skinny", "alexnetprime": "alexnet", "skinnycnnplusfc": "skinny_plus_fc"}


def translate(run: Translation) -> None:
    """Say a command line in Sieve's options."""
    run.values |= {"task": "cnn_elcn", "paths.methods": ()}
    run.drop(DROPPED)
    run.note("the original uses one order of the images (train.shuffle=false) and trains on all training images "
             "(data.hold_out=false)")  # fmt: skip
    if "interp_method" in run.given or run.words["net1_path"]:
        _interp(run)
    elif run.given & (set(ONE) - {"seed"}) or str(run.words["script"]).endswith("main.py"):
        _main(run)
    else:
        _experiments(run)


def split_epochs(last: int, count: int) -> tuple[int, ...]:
    """Return the epochs at which experiments.py splits: whole parts of log-spaced numbers from 1, without doubles."""
    spaced = (10 ** (math.log10(last) * n / (count - 1)) for n in range(count)) if count > 1 else iter((1.0,))
    return tuple(sorted({min(last, int(epoch + 1e-9)) for epoch in spaced}))


def _experiments(run: Translation) -> None:
    words = run.words
    if str(words["script"]).endswith(".sh"):
        words.update(JOB)
        if words["positions"]:
            words.update(zip(JOB, words["positions"]))  # noqa: B905 - the later ones have defaults
            run.given |= set(JOB)
    epochs = int(words["epochs"])
    run.values |= {"model": "skinny", "train.batch_size": 250, "train.momentum": 0.0, "train.weight_decay": 0.0}
    run.put("train.epochs", epochs, "epochs")
    run.put("split.epochs", epochs, "epochs")
    run.put("train.lr", words["cnn_lr"], "cnn_lr")
    run.put("split.lr", (float(words["lc_lr"]),), "lc_lr")
    run.put("split.at", split_epochs(epochs, int(words["n_splits"])), "n_splits")
    run.put("split.branches", ("elcn",), "script")
    run.note("split.branches has elcn alone, as there; control continues the CNN at the branches' learning rate")


def _main(run: Translation) -> None:
    words = run.words
    model = str(words["model"])
    if model not in MODELS:
        raise SweepError(f"model={model} is none of the original's: {', '.join(MODELS)}")
    run.put("model", MODELS[model], "model")
    run.put("data.name", words["dataset"], "dataset")
    if words["data_size"]:
        run.put("data.train_size", words["data_size"], "data_size")
        run.put("data.test_size", words["data_size"], "data_size")
    run.rename({"bs_train": "train.batch_size", "bs_eval": "train.eval_batch_size", "seed": "seed",
                "mom": "train.momentum", "wd": "train.weight_decay"})  # fmt: skip
    branch = {"nil": None, "none": None, "fc": "efcn", "lc": "elcn"}.get(str(words["convert_to"]).lower())
    if words["double"]:
        run.note("double=True cannot be said: numbers have single precision")
    if branch is None:
        run.put("train.epochs", words["epochs"], "epochs")
        run.put("train.lr", words["lr"], "lr")
        run.put("train.evaluations", words["n_saves"], "n_saves")
        run.values |= {"split.at": (0,), "split.branches": ("control",), "split.epochs": 1}
        run.note("a CNN alone is no task of Sieve: the branch is a copy of it, of one epoch")
        return
    run.put("split.branches", (branch,), "convert_to")
    run.put("split.epochs", words["epochs"], "epochs")
    run.put("split.lr", (float(words["lr"]),), "lr")
    run.put("split.evaluations", words["n_saves"], "n_saves")
    if words["load_model"]:
        run.note(f"load_model={words['load_model']} is dropped: the CNN is trained in the same run, for as many epochs "
                 "(train.epochs) at ten times the learning rate (train.lr); or start names weights of Sieve, and "
                 "split.at=0")  # fmt: skip
        run.values |= {"split.at": (int(words["epochs"]),), "train.epochs": words["epochs"]}
        run.values["train.lr"] = float(f"{10 * float(words['lr']):.12g}")
    else:
        run.values |= {"split.at": (0,), "train.epochs": words["epochs"]}
        run.note("without load_model an untrained CNN is untied: split.at=0")


def _interp(run: Translation) -> None:
    words = run.words
    method = str(words["interp_method"])
    run.put("paths.methods", (method,), "interp_method", "net1_path")
    run.put("paths.points", words["n_points"], "n_points")
    if method == "string":
        run.put("paths.epochs", words["epochs"] if "epochs" in run.given else 3, "epochs")
        run.put("paths.lr", words["lr"], "lr")
        stiffness = float(words["stiffness"])
        if stiffness < 0.5:
            run.put("paths.stiffness", stiffness, "stiffness")
        else:
            run.note(
                f"stiffness={stiffness:g} cannot be said: from 0.5 on a string swings; the default is in its place"
            )
    run.note("the rest is the default of cnn_elcn: the two networks are of one run here")


UNTYING = Original(
    "chsanford/cnn-weight-tying and sdascoli/anarchitectural-search",
    SPLITS | ONE | PATHS,
    frozenset({"n_splits", "cnn_lr", "lc_lr", "convert_to", "load_model", "bs_train", "bs_eval", "n_saves", "net1_path",
               "net2_path", "interp_method", "n_points"}),
    translate,
    scripts=r"(^|/)(experiments\.py|interp\.py|main\.py|job\.sh)$",
    aliases={"lcn_lr": "lc_lr"},
    joined=("split.lr",),
)  # fmt: skip
