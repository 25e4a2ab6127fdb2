"""Configurations and scripts of RAIVNLab/supsup, which are the tasks supsup, supsup_nns and hopsupsup here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from core.errors import SweepError
from core.registry import nearest
from launch.convert.original import Original, Translation, steps_of
from launch.convert.supsup_scripts import SCRIPTS, recipe

DEFAULTS: dict[str, Any] = {
    "script": "", "config": None, "optimizer": "sgd", "batch_size": 128, "test_batch_size": 128, "epochs": 100,
    "lr": 0.1, "momentum": 0.9, "wd": 1e-4, "seed": 1, "log_interval": 10, "workers": 4, "output_size": 10,
    "real_neurons": 10, "name": "default", "data": None, "log_dir": None, "resume": None, "sparsity": 0.5, "gamma": 0,
    "width_mult": 1, "hop_weight": 1e-3, "conv_type": "StandardConv", "bn_type": "StandardBN", "conv_init": "default",
    "model": None, "multigpu": None, "eval_ckpts": None, "mode": "fan_in", "nonlinearity": "relu", "num_tasks": None,
    "adaptor": "gt", "set": None, "er_sparsity": False, "trainer": None, "log_base": 2, "save": False,
    "train_weight_tasks": 0, "train_weight_lr": 0.1, "individual_heads": False, "no_scheduler": False, "iter_lim": -1,
    "ortho_group": False, "lr_policy": None, "task_eval": None, "dummy": None, "warmup_length": 0,
    "reinit_most_recent_k": None, "reinit_adapt": "binary", "data_to_repeat": 1, "unshared_labels": False,
    "hard_alphas": None, "adapt": None, "adapt_lrs": None, "temp": None, "gpu_sets": None, "seeds": None,
}  # fmt: skip
DROPPED = {
    "log_interval": "a run says by itself how far it is",
    "workers": "there are none; data lies in memory",
    "data": "downloads lie in run.cache",
    "log_dir": "results lie in run.dir",
    "name": "run.sweep, the name of this sweep",
    "resume": "the same command goes on where it was",
    "save": "masks are always saved",
    "multigpu": "where a run is executed: --gpus of run.py, run.device of main.py",
    "gpu_sets": "where runs are executed: --gpus of run.py",
    "hop_weight": "the original reads it nowhere",
    "adapt_lrs": "the original reads it nowhere",
    "dummy": "it is of the original's own tests",
    "unshared_labels": "both are measured: keys with gnu count an answer in the wrong task as an error, gns not",
    "task_eval": "one run learns all tasks",
    "ortho_group": "rotations are always orthogonal",
}
MASKS = {
    "MaskConv": "edge-popup", "MultitaskMaskConv": "edge-popup", "FastMultitaskMaskConv": "threshold",
    "StackedFastMultitaskMaskConv": "threshold",
}  # fmt: skip
LEARNERS = {
    "VectorizedBatchEnsembles": "batch_ensemble", "BatchEnsembles": "batch_ensemble", "IndividualHeads": "heads",
    "StandardConv": "heads", "PSPRotation": "rotation",
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "LeNet": {"model": "fc", "layer_sizes": (300, 100)},
    "FC1024": {"model": "fc", "layer_sizes": (1024, 1024)},
    "GEMResNet18": {"model": "gem_resnet18"},
    "ResNet50": {"model": "imagenet_resnet50"},
    "BNNet": {},
}
IMAGES = {"mnist": 60_000, "cifar100": 50_000, "cifar10": 50_000, "imagenet": 1_281_167}
CLASSES = {"mnist": 10, "cifar100": 100, "cifar10": 10, "imagenet": 1000}
INITS = {"default": "standard"}


def expand(words: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the runs that a command line starts: those of its script, for each seed."""
    script = str(words.get("script", ""))
    found = recipe(script) | dict(words)
    if script and not recipe(script) and "main.py" not in script and "set" not in words:
        raise SweepError(
            f"{script}: no script of the original; its scripts: {', '.join(SCRIPTS)}{nearest(script, SCRIPTS)}"
        )
    if found.get("seeds") is not None:
        found["seed"] = list(range(int(found["seeds"])))
    several = {word: value if isinstance(value, list) else [value] for word, value in found.items()}
    if isinstance(words.get("eval_ckpts"), list):
        several["eval_ckpts"] = [words["eval_ckpts"]]
    return [dict(zip(several, one, strict=True)) for one in itertools.product(*several.values())]


def translate(run: Translation) -> None:
    """Say a run in Sieve's options."""
    words = run.words
    hopfield = "Hop" in str(words["bn_type"]) or str(words["adaptor"]).startswith("hopfield")
    stream = words["trainer"] == "nns"
    run.values["task"] = "hopsupsup" if hopfield else "supsup_nns" if stream else "supsup"
    run.drop(DROPPED)
    if words["num_tasks"] is None:
        raise SweepError("num_tasks must be given, as in the original")
    run.put("seed", words["seed"], "seed", "seeds")
    run.note("the seed of task n is seed + n there; here every task has a stream of its own")
    run.note("its networks are tested on test images alone (data.hold_out=false); here a part is held out")
    classes = _tasks(run)
    if str(words["model"]) not in MODELS:
        raise SweepError(f"model={words['model']} has no counterpart in Sieve; these have: {', '.join(MODELS)}")
    network = MODELS[str(words["model"])]
    run.values |= network
    init = str(words["conv_init"])
    run.put("init", INITS.get(init, init), "conv_init")
    if init == "xavier_constant":
        run.note("conv_init=xavier_constant goes by the inputs of a unit there, and by inputs and outputs here")
    run.cannot("mode", "the scale of the initialisation goes by the inputs of a unit", "fan_in")
    run.cannot("nonlinearity", "the scale of the initialisation is that for ReLU", "relu")
    if hopfield:
        _hopfield(run)
        return
    run.put("width", float(words["width_mult"]), "width_mult")
    if int(words["output_size"]) > classes:
        run.put("outputs", words["output_size"], "output_size")
    elif stream:
        run.values["outputs"] = None
    _training(run, classes)
    _learner(run, stream)
    _inference(run)
    if stream:
        run.values = {name: value for name, value in run.values.items() if name not in NOT_OF_A_STREAM}


NOT_OF_A_STREAM = ("learner", "transfer", "train_weights_for", "evaluate_at", "train.weights_lr", "train.schedule",
                   "train.warmup", "affine")  # fmt: skip


def _tasks(run: Translation) -> int:
    """Set the tasks; return how many classes one has."""
    words, name = run.words, str(run.words["set"]).lower()
    data = next((one for one in ("cifar100", "cifar10", "imagenet", "mnist") if one in name), "")
    kind = {"perm": "permuted", "rotat": "rotated", "split": "split", "partition": "split"}
    found = next((here for there, here in kind.items() if there in name), "")
    if not data or not found or "fashion" in name:
        raise SweepError(f"set={words['set']} has no counterpart in Sieve: permuted, rotated or split mnist, cifar10, "
                         "cifar100, imagenet")  # fmt: skip
    count = int(words["num_tasks"])
    run.values |= {"data.name": data, "tasks.kind": found, "data.augment": data != "mnist"}
    run.put("tasks.count", count, "num_tasks")
    if found == "rotated":
        run.put("tasks.angle", float(360 // count), "num_tasks")
    if found != "split":
        return CLASSES[data]
    classes = 2 if data == "mnist" else int(words["output_size"])
    run.values |= {"tasks.classes": classes, "tasks.ordered": data == "mnist", "tasks.relabel": data != "mnist"}
    return classes


def _training(run: Translation, classes: int) -> None:
    words = run.words
    data = str(run.values["data.name"])
    split = run.values["tasks.kind"] == "split"
    examples = IMAGES[data] * classes // CLASSES[data] if split else IMAGES[data]
    batch, limit = int(words["batch_size"]), int(words["iter_lim"])
    epochs = words["epochs"]
    run.put("train.batch_size", batch, "batch_size")
    run.put("train.steps", limit if limit > 0 else steps_of(epochs, examples, batch), "iter_lim", "epochs")
    if limit <= 0:
        run.note(f"epochs are steps here: one of {examples} images has {steps_of(1, examples, batch)}")
    run.put("train.warmup", steps_of(words["warmup_length"], examples, batch), "warmup_length")
    run.put("train.schedule", "constant" if words["no_scheduler"] else "cosine", "no_scheduler", "lr_policy")
    run.put("train.optimizer", words["optimizer"], "optimizer")
    decay = 0.0 if words["optimizer"] == "rmsprop" else words["wd"]
    run.put("train.weight_decay", decay, "wd")
    if words["optimizer"] == "sgd":
        run.put("train.momentum", words["momentum"], "momentum")
    trained = int(words["train_weight_tasks"])
    run.put("train_weights_for", None if trained < 0 else trained, "train_weight_tasks")
    run.put("train.lr", words["train_weight_lr"] if trained < 0 else words["lr"], "lr")
    if trained > 0 or (trained == 0 and "train_weight_lr" in run.given):
        run.put("train.weights_lr", words["train_weight_lr"], "train_weight_lr")
    if words["eval_ckpts"]:
        at = words["eval_ckpts"]
        at = at if isinstance(at, (list, tuple)) else [int(n) for n in str(at).split(",")]
        run.put("evaluate_at", tuple(at), "eval_ckpts")


def _learner(run: Translation, stream: bool) -> None:
    words, kind = run.words, str(run.words["conv_type"])
    if words["individual_heads"]:
        kind = "IndividualHeads"
    if kind not in MASKS:
        if kind not in LEARNERS:
            raise SweepError(
                f"conv_type={kind} has no counterpart in Sieve; these have: {', '.join((*MASKS, *LEARNERS))}"
            )
        run.put("learner", LEARNERS[kind], "conv_type", "individual_heads")
    elif MASKS[kind] == "edge-popup":
        run.values["mask.method"] = "edge-popup"
        if words["er_sparsity"]:
            run.put("mask.er_scale", float(words["sparsity"]), "sparsity")
            run.note("sparsity with er_sparsity is the factor of the layers' budget: mask.er_scale")
        else:
            run.put("mask.keep", words["sparsity"], "sparsity")
            run.note("sparsity is the part of the weights that is kept: mask.keep")
    if words["bn_type"] == "StandardBN" and int(words["train_weight_tasks"]) and "resnet" in run.values["model"]:
        run.put("affine", True, "bn_type")
    if words["trainer"] == "reinit":
        run.put("transfer", "scores", "trainer", "reinit_adapt")
        if words["reinit_adapt"] != "running_mean":
            run.note(
                f"reinit_adapt={words['reinit_adapt']} cannot be said: transfer=scores begins with the mean of all"
            )
    elif not stream and words["trainer"] not in (None, "default"):
        run.note(f"trainer={words['trainer']} cannot be said")


def _inference(run: Translation) -> None:
    words, adaptor = run.words, str(run.words["adaptor"])
    low = adaptor.lower()
    if adaptor == "gt":
        run.values["infer.strategy"] = "none"
        return
    strategy = next((here for there, here in {
        "binary": "binary", "one": "one-shot", "exhaust": "exhaustive", "grad": "gradient",
    }.items() if there in low), "")  # fmt: skip
    if not strategy or low.startswith("se_be"):
        run.values["infer.strategy"] = "none"
        run.note(f"adaptor={adaptor} cannot be said: infer.strategy is none, one-shot, binary, gradient or exhaustive")
        return
    run.put("infer.strategy", strategy, "adaptor")
    if strategy != "exhaustive":
        run.put("infer.objective", "G" if low.startswith("g") or low.endswith("g") else "H", "adaptor")
    run.put("infer.images", words["data_to_repeat"], "data_to_repeat")
    run.put("infer.batch_size", words["test_batch_size"], "test_batch_size")
    run.cannot("log_base", "the set of tasks is halved", 2)


def _hopfield(run: Translation) -> None:
    run.values["layer_sizes"] = (2048, 2048)
    run.rename({
        "epochs": "train.epochs", "batch_size": "train.batch_size", "lr": "train.lr", "momentum": "train.momentum",
        "wd": "train.weight_decay", "gamma": "infer.strength", "test_batch_size": "infer.batch_size",
    })  # fmt: skip


SUPSUP = Original(
    "RAIVNLab/supsup",
    DEFAULTS,
    frozenset({
        "num_tasks", "adaptor", "er_sparsity", "train_weight_tasks", "train_weight_lr", "individual_heads",
        "no_scheduler", "iter_lim", "eval_ckpts", "real_neurons", "conv_init", "output_size", "unshared_labels",
        "data_to_repeat", "reinit_adapt", "hop_weight", "gpu_sets", "seeds",
    }),
    translate,
    scripts=r"(GG|GNu|NNs)/|(^|/)(main|rn18-[\w-]+|rn50-[\w-]+|supsup(_[hg])?|batche|psp|hopsupsup)\.py$",
    expand=expand,
)  # fmt: skip
