"""The sweeps of supermasks in superposition: the repository RAIVNLab/supsup, folder experiments; args.py for defaults.

Lengths are steps here. MNIST: `iter_lim` is 1,000. SplitCIFAR-100: a task has 5 x 500 images, 20 batches of 128, the
last one smaller; 250 epochs are 5,000 steps, also where some images are held out. SplitImageNet: a task has 10 x 1,281
images in the mean, 51 batches of 256; 100 epochs are 5,100 steps, 5 of warm-up 255.
"""

from __future__ import annotations

from typing import Any

from tests.published.table import Difference, Page, Published

DATA = {
    "data.name": "mnist", "data.augment": False, "data.hold_out": False, "data.file": None, "data.canvas": None,
    "data.noise": 0.0, "data.train_size": None, "data.test_size": None,
}  # fmt: skip
MASK = {"mask.unit": "weight", "mask.include": ("*",), "mask.exclude": ("*embedding*",)}
THRESHOLD = MASK | {"mask.method": "threshold", "mask.threshold": 0.0, "mask.init": None, "mask.penalty": 0.0}
BUDGET = MASK | {"mask.method": "edge-popup", "mask.rank": "abs", "mask.scope": "layer"}
SEEDS = [0, 1, 2, 3, 4]  # --seeds 5, and the text of mnist.ipynb
NETWORK = {"task": "supsup", "width": 1.0, "scale": "none", "affine": False, "init": "signed_constant", "seed": SEEDS}
TRAINING = {  # their RMSprop is made without weight decay and momentum, and Adam with torch's betas
    "train.optimizer": "rmsprop", "train.lr": 1e-4, "train.weights_lr": None, "train.weight_decay": 0.0,
    "train.schedule": "constant", "train.warmup": 0, "train.grad_clip": None, "train.steps": 1000,
    "train.batch_size": 128,
}  # fmt: skip
KNOWN = {"learner": "masks", "transfer": "none", "train_weights_for": 0, "tasks_at_once": 1}
CONSTANT = ("scale", "affine", "train.weights_lr", "train.schedule", "train.warmup")  # no options of a stream
INFERENCE = {
    "infer.strategy": "one-shot", "infer.objective": "H", "infer.images": 1, "infer.batch_size": 128,
    "infer.batches": None,
}  # fmt: skip
LENET, FC1024 = (300, 100), (1024, 1024)
EVERY_50 = (10, 50, 100, 150, 200, 250)  # the last in every program, as it is the last
MNIST = NETWORK | TRAINING | DATA | KNOWN | INFERENCE | THRESHOLD | {
    "model": "fc", "layer_sizes": LENET, "tasks.kind": "permuted", "tasks.count": 250, "evaluate_at": EVERY_50,
}  # fmt: skip
ROTATED = {
    "tasks.kind": "rotated", "tasks.count": 36, "tasks.angle": 10.0, "layer_sizes": FC1024,
    "evaluate_at": (2, 5, 10, 15, 20, 25, 30, 35),
}  # fmt: skip
TOLD = {"infer.strategy": "none", "outputs": None}  # ten outputs, as many as classes
ENSEMBLE = TOLD | {
    "learner": "batch_ensemble", "init": "kaiming_normal", "train_weights_for": 1, "train.optimizer": "adam",
    "train.lr": 1e-2, "train.weights_lr": 1e-4, "train.weight_decay": 1e-4,
}  # fmt: skip
ROTATION = TOLD | {"learner": "rotation", "init": "xavier_normal", "train_weights_for": None}
CIFAR = NETWORK | TRAINING | DATA | KNOWN | INFERENCE | TOLD | {
    "model": "gem_resnet18", "data.name": "cifar100", "data.augment": True, "tasks.kind": "split", "tasks.count": 20,
    "tasks.classes": 5, "tasks.ordered": False, "tasks.relabel": True, "train.optimizer": "adam",
    "train.schedule": "cosine", "train.weight_decay": 1e-4, "train.steps": 250 * 20, "train.lr": 1e-3,
    "evaluate_at": (),
}  # fmt: skip
STANDARD = CIFAR | {"init": "standard"}

HELD_OUT = Difference("data.hold_out", False, True, "no selection on test images; data.hold_out=false")
OURS = Difference("seed", SEEDS, [1, 2, 3, 4, 5], "as in the other sweeps; originally a task's seed is seed + task")
TEN = Difference("infer.batches", None, 10, "2,500 tasks of 79 batches, six times, would take longer than the training")
# options of other kinds of tasks, of other ways to infer, of masks that are not learned
KINDS, OTHER = ("tasks.*",), ("infer.*", "mask.*")


def _gnu(source: str, values: dict[str, Any], *differs: Difference, **rest: Any) -> Published:
    return Published(source, MNIST | values, differs=(HELD_OUT, OURS, *differs), free=KINDS, **rest)


def _told(source: str, values: dict[str, Any]) -> Published:
    return Published(source, MNIST | values, differs=(HELD_OUT, OURS), free=(*KINDS, *OTHER))


def _gg(source: str, values: dict[str, Any], *free: str) -> Published:
    return Published(source, values, differs=(HELD_OUT, OURS), free=(*KINDS, "layer_sizes", *free))


PAGE = Page(
    "docs/supsup.md",
    {
        "supsup_gnu": _gnu(  # the widths of figure 6; the program of figure 4 has 100
            "GNu/MNISTPerm/LeNet-250-tasks, supsup_h and supsup_g",
            {"outputs": [25, 100, 200], "infer.objective": ["H", "G"]},
        ),
        "supsup_gnu_fc": _gnu(
            "GNu/MNISTPerm/FC-250-tasks, supsup_h and supsup_g",
            {"outputs": 500, "infer.objective": ["H", "G"], "layer_sizes": FC1024},
        ),
        "supsup_gnu_2500": _gnu(
            "GNu/MNISTPerm/LeNet-2500-tasks, supsup_h and supsup_g",
            {"outputs": 500, "infer.objective": ["H", "G"], "tasks.count": 2500,
             "evaluate_at": (10, 500, 1000, 1500, 2000, 2500)}, TEN,
        ),
        "supsup_batch_ensemble": _told(
            "GNu/MNISTPerm, batche of both networks", ENSEMBLE | {"layer_sizes": [LENET, FC1024]}
        ),
        "supsup_rotation": _told("GNu/MNISTPerm, psp of both networks", ROTATION | {"layer_sizes": [LENET, FC1024]}),
        "supsup_rotated": _gnu(
            "GNu/MNISTRotate/supsup",
            ROTATED | {"outputs": 200, "infer.strategy": "binary", "infer.images": 128},
            Difference("infer.images", 128, [1, 128], "to show the benefit of a whole batch"),
        ),
        "supsup_rotated_batch_ensemble": _told("GNu/MNISTRotate/batche", ROTATED | ENSEMBLE),
        "supsup_rotated_rotation": _told("GNu/MNISTRotate/psp", ROTATED | ROTATION),
        "supsup_nns": Published(
            "NNs/supsup, trainers/nns",
            {name: value for name, value in (MNIST | {
                "task": "supsup_nns", "outputs": 500, "tasks.count": 2500, "check_every": 100, "threshold": 1.125,
                "references": 5, "budget": None,
            }).items() if name not in (*KNOWN, *CONSTANT, "evaluate_at")},
            differs=(HELD_OUT, OURS, TEN), free=KINDS,
        ),
        "supsup_gg": _gg(  # sparsity with er_sparsity
            "GG/splitcifar100, rn18-supsup and rn18-supsup-transfer",
            CIFAR | BUDGET | {"mask.er_scale": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0], "transfer": ["none", "scores"]},
            "mask.keep", "infer.*",
        ),
        "supsup_gg_batch_ensemble": _gg(
            "GG/splitcifar100, rn18-batche-randw", STANDARD | {"learner": "batch_ensemble", "train.lr": 0.1}, *OTHER
        ),
        "supsup_gg_heads": _gg(  # where no weights are trained, weights_lr plays no part
            "GG/splitcifar100, rn18-separate-heads and rn18-separate-heads-randw",
            STANDARD | {"learner": "heads", "train_weights_for": [0, 1], "train.lr": 0.01, "train.weights_lr": 1e-3},
            *OTHER,
        ),
        "supsup_gg_upper": _gg(
            "GG/splitcifar100, rn18-upperbound",
            STANDARD | {"learner": "heads", "train_weights_for": None, "affine": True}, *OTHER,
        ),
        "supsup_gg_imagenet": Published(
            "GG/splitimagenet, rn50-supsup-adam",
            CIFAR | BUDGET | {
                "model": "imagenet_resnet50", "data.name": "imagenet", "tasks.count": 100, "tasks.classes": 10,
                "train.weight_decay": 0.0, "train.batch_size": 256, "train.steps": 100 * 51, "train.warmup": 5 * 51,
                "mask.er_scale": [4.0, 8.0, 16.0, 32.0], "seed": 1,
            },
            differs=(HELD_OUT, Difference("seed", 1, [1, 2, 3], "for a standard deviation")),
            free=(*KINDS, "layer_sizes", "mask.keep", "infer.*"),
        ),
        "hopsupsup": Published(
            "GNu/SplitMNIST/hopsupsup, models/small, adaptors",
            DATA | {
                "mask.unit": "weight", "task": "hopsupsup", "seed": SEEDS,
                "layer_sizes": (2048, 2048), "init": "signed_constant",
                "tasks.kind": "split", "tasks.count": 5, "tasks.classes": 2, "tasks.ordered": True,
                "tasks.relabel": False, "train.epochs": 1, "train.batch_size": 128, "train.lr": 0.1,
                "train.momentum": 0.9, "train.weight_decay": 1e-4, "mask.method": "threshold", "mask.threshold": 0.0,
                "mask.init": 1e-8, "infer.batch_size": 64, "infer.passes": 1, "infer.strength": 1.5e-3,
                "infer.lr": 500.0, "infer.weight_decay": 1e-4,
            },  # their scores begin at 0, where a mask is on; here a mask is on above 0
            differs=(
                HELD_OUT, OURS,
                Difference("infer.passes", 1, [1, 2], "to show the effect of a second pass over the images"),
            ),
            free=("tasks.angle",),
        ),
    },
    free={
        "run.*": "where a run is executed",
        "log": "where it is displayed",
        "train.eval_batch_size": "images per forward pass; no result depends on it",
        "train.eval_every": "evaluation period while a task is learned; in the original after every epoch",
        "train.momentum": "of sgd, which only hopsupsup uses",
    },
    absent={
        "`mnist.ipynb`": (
            "a demonstration; `./main.py --task=supsup --layer_sizes=300,300,100 --outputs=100 --tasks.count=5 "
            "--train.steps=375`"
        ),
        "the upper bound and BatchE of SplitImageNet": "in the paper's table, but there is no program for them",
    },
)  # fmt: skip
