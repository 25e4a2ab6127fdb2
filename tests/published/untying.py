"""The sweeps of cnn_elcn: chsanford/cnn-weight-tying (experiments.py, run_all.sh), sdascoli/anarchitectural-search.

Lengths are epochs in both; there an epoch is 50,000 images, here a fifth is held out and it has 161 steps, not 200.
"""

from __future__ import annotations

from tests.published.table import Difference, Page, Published

COMMON = {
    "task": "cnn_elcn", "model": "skinny", "channels": 64, "start": None, "seed": 0, "data.name": "cifar10",
    "data.file": None, "data.canvas": None, "data.noise": 0.0, "data.train_size": None, "data.test_size": None,
    "data.augment": False, "data.hold_out": False, "train.batch_size": 250, "train.momentum": 0.0,
    "train.weight_decay": 0.0, "train.shuffle": False, "split.multiplier": "one", "split.layers": ("*",),
}  # fmt: skip
SPLITS = (1, 3, 5, 9, 16, 28, 49, 85, 150)  # int(logspace(0, log10(150), 10)), without doubles
ELCN = COMMON | {
    "train.epochs": 150, "train.lr": [0.1, 0.05], "split.at": SPLITS, "split.epochs": 150, "split.lr": (0.01, 0.005),
    "split.branches": ("elcn",),
}  # fmt: skip
HELD_OUT = Difference(
    "data.hold_out", False, True,
    "no selection on test images; an epoch has a fifth fewer steps; data.hold_out=false",
)  # fmt: skip
ORDER = Difference("train.shuffle", False, True, "the original uses one order of the images; train.shuffle=false")
SEEDS = Difference("seed", 0, [1, 2, 3, 4, 5], "for a standard deviation")
FROM_0 = Difference("split.at", SPLITS, (0, *SPLITS), "the extreme case: untied before any training as a CNN")
ANY = ("split.count",)  # belongs to no split.at


PAGE = Page(
    "docs/untying.md",
    {
        "cnn_elcn": Published(
            "experiments.py with the values of job.sh and run_all.sh", ELCN,
            differs=(HELD_OUT, ORDER, SEEDS, FROM_0, Difference(
                "split.branches", ("elcn",), ("control", "elcn", "lcn"),
                "a control separates the effect of untying from that of the learning rate",
            )),
            free=ANY,
        ),
        "cnn_efcn": Published(  # main.py --convert_to fc at a tenth of the learning rate
            "main.py of anarchitectural-search, its defaults and README",
            COMMON | {
                "model": ["alexnet", "skinny"], "data.name": ["cifar10", "cifar100"], "train.epochs": 100,
                "train.lr": 0.1, "split.at": (), "split.epochs": 100, "split.lr": (0.01,),
                "split.branches": ("efcn", "fcn"), "split.count": "required",
            },
            differs=(
                HELD_OUT, ORDER, SEEDS,
                Difference("split.count", "required", 8, "the original program makes one switch per run"),
                Difference("split.branches", ("efcn", "fcn"), ("control", "efcn", "fcn"), "as for cnn_elcn"),
            ),
        ),
        "cnn_elcn_multiplier": Published(
            "not in the papers; the values of cnn_elcn", ELCN,
            differs=(
                HELD_OUT, ORDER, Difference("seed", 0, [1, 2, 3], "for a standard deviation"), FROM_0,
                Difference("train.lr", 0.05, 0.1, "one CNN is sufficient here"),
                Difference("split.lr", (0.01, 0.005), (0.01,), "one learning rate is sufficient here"),
                Difference("split.branches", ("elcn",), ("control", "elcn"), "as for cnn_elcn"),
                Difference("split.multiplier", "one", ["one", "sqrt", "sites"], "the subject of this sweep"),
            ),
            free=ANY,
        ),
    },
    free={
        "run.*": "where a run is executed",
        "log": "where it is displayed",
        "train.eval_batch_size": "images per forward pass; no result depends on it",
        "train.evaluations": "evaluation schedule of the CNN",
        "split.evaluations": "evaluation schedule of a branch",
        "split.at_once": "branches per matrix product; no result depends on it",
        "sharpness": "a measure that the originals do not have",
        "paths.*": "paths between networks; in the original a separate program, run by hand on two files",
    },
)  # fmt: skip
