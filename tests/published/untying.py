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
    "the test images choose nothing here; an epoch has a fifth fewer steps; data.hold_out=false",
)  # fmt: skip
ORDER = Difference("train.shuffle", False, True, "one order of the images there; train.shuffle=false")
SEEDS = Difference("seed", 0, [1, 2, 3, 4, 5], "a spread")
FROM_0 = Difference("split.at", SPLITS, (0, *SPLITS), "an untied network that never was a CNN is the other end")
ANY = ("split.count",)  # belongs to no split.at


PAGE = Page(
    "docs/untying.md",
    {
        "cnn_elcn": Published(
            "experiments.py with the values of job.sh and run_all.sh", ELCN,
            differs=(HELD_OUT, ORDER, SEEDS, FROM_0, Difference(
                "split.branches", ("elcn",), ("control", "elcn", "lcn"),
                "without a control it is not known what untying does and what the learning rate",
            )),
            free=ANY,
        ),
        "cnn_efcn": Published(  # main.py --convert_to fc at a tenth of the learning rate
            "main.py of anarchitectural-search, its defaults and README",
            COMMON | {
                "model": ["alexnet", "skinny"], "data.name": ["cifar10", "cifar100"], "train.epochs": 100,
                "train.lr": 0.1, "split.at": (), "split.epochs": 100, "split.lr": (0.01,),
                "split.branches": ("efcn", "fcn"), "split.count": "to be given",
            },
            differs=(
                HELD_OUT, ORDER, SEEDS,
                Difference("split.count", "to be given", 8, "one switch for each run of the program"),
                Difference("split.branches", ("efcn", "fcn"), ("control", "efcn", "fcn"), "as for cnn_elcn"),
            ),
        ),
        "cnn_elcn_multiplier": Published(
            "not in the papers; the values of cnn_elcn", ELCN,
            differs=(
                HELD_OUT, ORDER, Difference("seed", 0, [1, 2, 3], "a spread"), FROM_0,
                Difference("train.lr", 0.05, 0.1, "one CNN is enough for the question"),
                Difference("split.lr", (0.01, 0.005), (0.01,), "one learning rate is enough for the question"),
                Difference("split.branches", ("elcn",), ("control", "elcn"), "as for cnn_elcn"),
                Difference("split.multiplier", "one", ["one", "sqrt", "sites"], "it is the question"),
            ),
            free=ANY,
        ),
    },
    free={
        "run.*": "where a run is done",
        "log": "where it is shown",
        "train.eval_batch_size": "how many images at once; no number depends on it",
        "train.evaluations": "how often the CNN is measured",
        "split.evaluations": "how often a branch is measured",
        "split.at_once": "how many branches in one product; no number depends on it",
        "sharpness": "a measurement of ours",
        "paths.*": "ways between networks; another program there, run by hand on two files",
    },
)  # fmt: skip
