"""One setting of every task that trains for a second."""

from __future__ import annotations

from typing import Any

QUIET = {"log": "none", "run.quiet": True}
DIGITS = {"data.name": "digits", "data.train_size": 100, "data.test_size": 40} | QUIET
LEARNED = {"train.batch_size": 8, "mask.lr": 0.1, "train.eval_every": 5, "run.checkpoint_every": 4} | QUIET

ARITHMETIC = {
    "data.train_size": 300, "data.eval_size": 60, "data.seen_size": 40, "mask.steps": 11, "mask.init": 0.3,
    "train.steps": 12, **LEARNED,
}  # fmt: skip
FEED_FORWARD = {"layer_sizes": "16,16", **ARITHMETIC}
RECURRENT = {"state_size": 8, "n_layers": 1, **ARITHMETIC, "mask.steps": 6, "train.steps": 6}
TRANSFORMER = {
    "state_size": 8, "transformer.n_heads": 2, "transformer.encoder_n_layers": 1, "transformer.decoder_n_layers": 1,
    "train.buckets": 3, "train.steps": 14, "mask.steps": 10, "mask.samples": 4, **LEARNED,
}  # fmt: skip
CLASSES = {
    **DIGITS, "data.augment": True, "width": 0.2, "train.steps": 12, "mask.steps": 10, **LEARNED,
}  # fmt: skip
RANDOM = {
    "layer_sizes": "16,16", **DIGITS, "data.train_size": 60, "data.test_size": 20, "run.checkpoint_every": 3,
    "train.batch_size": 25,
}  # fmt: skip
MANY = {
    "layer_sizes": "16,16", **DIGITS, "data.train_size": 60, "data.test_size": 20, "train.batch_size": 10,
    "infer.batch_size": 20, "run.checkpoint_every": 4, "train.steps": 12, "train.lr": 0.01,
}  # fmt: skip

TINY = {
    "tuple": {"tuple.delay": 2, **RECURRENT},
    "tuple_ff": FEED_FORWARD,
    "tuple_ff_copyweight": FEED_FORWARD,
    "addmul": RECURRENT,
    "addmul_ff": FEED_FORWARD,
    "scan": {
        "scan.analyze_splits": "length", "state_size": 8, "n_layers": 1, "train.buckets": 4, "train.steps": 12,
        "mask.steps": 8, "seen_size": 12, **LEARNED,
    },
    "trafo_scan": {"scan.analyze_splits": "jump", "seen_size": 12, **TRANSFORMER},
    "deepmind_math": {"dm_math.modules": "toy__add", **TRANSFORMER},
    "cifar10_class_removal": {"class_removal.classes": 3, **CLASSES},
    "cifar10_resnet_hp_class_removal": {
        "class_removal.classes": 3, **CLASSES, "train.steps": 2, "train.decay_at": 2, "mask.steps": 2,
        "mask.samples": 2, "data.train_size": 50, "data.test_size": 10, "run.checkpoint_every": 1,
    },
    "cifar10_mask_stability": {"mask_stability.pairs": 1, **CLASSES},
    "cifar10_grad_cos_distance": CLASSES,
    "permuted_mnist": {
        **DIGITS, "layer_sizes": "16,12", "transfer.permutations": 3, "mask.steps": 14, "mask.batch_size": 16,
        "mask.lr": 0.1, "eval_every": 5, "transfer.mask_new_init": 0.5, "run.checkpoint_every": 4,
    },
    "cnn_elcn": {
        "model": "digits", **DIGITS, "data.canvas": 12, "data.train_size": 60, "data.test_size": 20, "train.epochs": 2,
        "train.batch_size": 20, "train.momentum": 0.5, "split.at": "0,2", "split.epochs": 2, "paths.points": 3,
        "paths.epochs": 1, "sharpness": 10, "run.checkpoint_every": 2,
    },
    "induction_math": {
        "data.operands": 9, "layers": 1, "width": 8, "heads": 2, "dropout": 0.1, "train.steps": 12, "train.warmup": 2,
        "train.batch_size": 8, "train.eval_every": 5, "mask.steps": 10, "mask.lr": 0.05, "mask.init": 0.0,
        "transfer.conditions": "subnet,complement,scratch", "transfer.disambiguating": 4, "transfer.epochs": 6,
        "transfer.batch_size": 5, "transfer.evaluations": 4, "run.checkpoint_every": 3, **QUIET,
    },
    "induction_vision": {
        "data.base_size": 24, "data.mask_size": 12, "data.transfer_size": 12, "data.test_size": 30,
        "data.ambiguous_size": 12, "train.steps": 6, "train.batch_size": 8, "train.warmup": 1, "train.eval_every": 4,
        "mask.steps": 6, "mask.batch_size": 6, "mask.eval_every": 4, "mask.init": -0.25, "transfer.steps": 5,
        "transfer.batch_size": 6, "transfer.warmup": 1, "transfer.eval_every": 3, "transfer.disambiguating": 3,
        "transfer.conditions": "subnet,complement,full", "run.checkpoint_every": 2, **QUIET,
    },
    "edge_popup": {"model": "fc", **RANDOM, "train.epochs": 12},
    "supsup": {
        **MANY, "outputs": 20, "tasks.count": 5, "tasks_at_once": 2, "evaluate_at": 2, "train.eval_every": 6,
    },
    "supsup_nns": {**MANY, "tasks.count": 2, "check_every": 6, "threshold": 1.02},
    "hopsupsup": {
        **DIGITS, "layer_sizes": "40,30", "train.batch_size": 10, "tasks.count": 3, "infer.batch_size": 5,
        "run.checkpoint_every": 3,
    },
}  # fmt: skip

# Besides the one of each task: what else is killed and resumed.
MORE = {
    "normalised": {
        "task": "supsup", **{k: v for k, v in MANY.items() if k != "infer.batch_size"}, "data.train_size": 120,
        "model": "gem_resnet18", "width": 0.1, "tasks.kind": "split", "infer.strategy": "none", "tasks.count": 4,
        "tasks_at_once": 2, "train.eval_every": 6, "data.augment": True,
    },
    "annealed": {
        "task": "edge_popup", **TINY["edge_popup"], "mask.method": "continuous-sparsification", "mask.unit": "output",
        "mask.penalty": 0.01,
    },
    "relaxed": {
        "task": "edge_popup", **TINY["edge_popup"], "mask.method": "hard-concrete", "mask.unit": "input",
        "mask.init": 0.2,
    },
}  # fmt: skip


def line(setting: dict[str, Any], **more: Any) -> list[str]:
    """Return the command line of a setting."""
    return [f"--{name}={value}" for name, value in (setting | more).items()]
