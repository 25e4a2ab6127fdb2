"""The sweeps of addition and multiplication: RobertCsordas/modules, folder sweeps, and main.py for defaults.

Its runs have no seed; `sweep_id_for_grid_search` numbers them, as `seed` does here.
"""

from __future__ import annotations

from tests.published.table import Difference, Page, Published

RUNS = list(range(1, 11))
TRAINING = {
    "train.optimizer": "adam", "train.lr": 1e-3, "train.weight_decay": 0.0, "train.momentum": 0.9,
    "train.beta2": 0.999, "train.eps": 1e-8, "train.warmup": 0, "train.schedule": "constant", "train.decay_at": (),
    "train.decay": 0.1, "train.grad_clip": 1.0, "train.batch_size": 128, "train.eval_every": 1000,
}  # fmt: skip
MASKS = {  # mask.batch_size and mask.grad_clip: none is that of training, there and here
    "mask.method": "gumbel", "mask.temperature": 1.0, "mask.init": 2.0, "mask.samples": 4, "mask.lr": 1e-2,
    "mask.batch_size": None, "mask.warmup": 0, "mask.grad_clip": None, "mask.unit": "weight", "mask.bias": True,
    "mask.include": ("*",), "mask.exclude": ("*embedding*",), "only_control": False, "restore_pretrained": None,
}  # fmt: skip
COMMON = TRAINING | MASKS | {
    "seed": RUNS, "train.steps": 20_000, "mask.steps": 20_000, "mask.bias": False, "n_digits": 2,
    "data.train_size": 1_000_000, "data.eval_size": 10_000, "data.split": "seen", "inverse_io": ("none",),
}  # fmt: skip
SMALL, MIDDLE, BIG, HUGE = (400, 400, 200), (800,) * 4, (2000,) * 4, (4000,) * 4
RECURRENT = COMMON | {"state_size": 256, "n_layers": 2, "mask.penalty": 1e-4}
IN_TURN = {"task": "tuple", "tuple.mode": ["only_one_io", "together"], "tuple.delay": 0}
PENALTIES = [
    1e-5, 1.5e-5, 2e-5, 3e-5, 4e-5, 5e-5, 6e-5, 7e-5, 8e-5, 9e-5, 1e-4, 1.1e-4, 1.25e-4, 1.5e-4, 1.75e-4, 2e-4,
    2.5e-4, 3e-4, 4e-4, 5e-4, 6e-4, 7e-4, 8e-4, 9e-4, 1e-3,
]  # fmt: skip

UNSEEN = Difference("data.split", "seen", "unseen", "in the original every test pair is a training pair")
ALL_IO = Difference("inverse_io", ("none",), ("none", "control", "ones"), "one run measures all three")


def _addmul(file: str, sizes: object, penalty: object = 1e-4) -> Published:
    values = COMMON | {"task": "addmul_ff", "layer_sizes": sizes, "mask.penalty": penalty}
    return Published(f"sweeps/{file}.yaml", values, differs=(UNSEEN, ALL_IO))


def _tuple(file: str, sizes: object = BIG, task: str = "tuple_ff") -> Published:
    values = COMMON | {"task": task, "layer_sizes": sizes, "mask.penalty": 4e-4}
    return Published(f"sweeps/{file}.yaml", values, differs=(UNSEEN, ALL_IO))


PAGE = Page(
    "docs/modularity.md",
    {
        "addmul_ff": _addmul("addmul_feedforward", [MIDDLE, SMALL]),
        "addmul_ff_big": _addmul("addmul_feedforward_big", BIG),
        "addmul_ff_huge": _addmul("addmul_feedforward_huge", HUGE),
        # there 26 values, 0.0001 twice
        "addmul_ff_penalty": _addmul("addmul_ff_alpha_analysis", [MIDDLE, BIG], PENALTIES),
        "addmul_rnn": Published("sweeps/addmul_rnn.yaml", RECURRENT | {"task": "addmul"}, differs=(UNSEEN, ALL_IO)),
        "tuple_ff": _tuple("tuple_feedforward_big"),
        "tuple_ff_copyweight": _tuple("tuple_feedforward_big_copyweight", task="tuple_ff_copyweight"),
        "tuple_ff_first_full_mask": Published(
            "sweeps/tuple_feedforward_big_first_full_mask.yaml",
            COMMON | {"task": "tuple_ff", "layer_sizes": BIG, "mask.penalty": 4e-4, "inverse_io": ("control",)},
            differs=(UNSEEN,),
        ),
        "tuple_ff_small_halfmask": _tuple("tuple_feedforward_small_halfmask", MIDDLE),
        "tuple_rnn": Published("sweeps/tuple_rnn.yaml", RECURRENT | IN_TURN, differs=(UNSEEN, ALL_IO)),
        "tuple_rnn_first_full_mask": Published(
            "sweeps/tuple_rnn_first_full_mask.yaml", RECURRENT | IN_TURN | {"inverse_io": ("control",)},
            differs=(UNSEEN,),
        ),
    },
    free={
        "run.*": "where a run is executed",
        "log": "where it is displayed",
        "train.eval_batch_size": "examples per forward pass; no result depends on it",
        "data.seen_size": "number of training examples that are evaluated",
        "data.held_out": "belongs to data.split=unseen",
    },
)  # fmt: skip
