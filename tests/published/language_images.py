"""The sweeps of language, mathematics, images: RobertCsordas/modules, folder sweeps; main.py for defaults, profiles."""

from __future__ import annotations

from tests.published.arithmetic import MASKS, RUNS, TRAINING
from tests.published.table import Difference, Page, Published

IMAGES = {
    "data.name": "cifar10", "data.file": None, "data.canvas": None, "data.noise": 0.0, "data.train_size": None,
    "data.test_size": None, "data.augment": False, "data.hold_out": True,  # there, too, a fifth of the training images
}  # fmt: skip
CLASSES = TRAINING | MASKS | IMAGES | {
    "seed": RUNS, "train.steps": 20_000, "mask.steps": 20_000, "mask.lr": 1e-3, "mask.penalty": 3e-4,
    "keep_last_layer": True, "width": 1.0,
}  # fmt: skip
REMOVAL = CLASSES | {"task": "cifar10_class_removal", "class_removal.classes": (), "dropout": True}
RESNET = CLASSES | {
    "task": "cifar10_resnet_hp_class_removal", "class_removal.classes": (), "data.augment": True,
    "data.hold_out": False, "train.steps": 64_000, "train.optimizer": "sgd", "train.lr": 0.1,
    "train.weight_decay": 1e-4, "train.schedule": "step", "train.decay_at": (32_000, 48_000),
    "train.grad_clip": None, "mask.grad_clip": 1.0, "mask.steps": 30_000, "mask.lr": 0.03, "mask.batch_size": 256,
    # 2e-5 there, of which a training batch (128) is the divisor; here a mask batch
    "mask.penalty": 2e-5 * 256 / 128,
}  # fmt: skip

SEQUENCES = TRAINING | MASKS | {
    "train.buckets": 1, "train_baseline": False, "hold_out": 0.0, "mask.bias": False,
}  # fmt: skip
SCAN = SEQUENCES | {  # the profile scan, with the steps of the sweeps
    "task": "scan", "seed": RUNS, "train.batch_size": 256, "train.grad_clip": 5.0, "train.steps": 25_000,
    "mask.steps": 25_000, "mask.penalty": 3e-5, "state_size": 200, "n_layers": 2, "embedding_size": 16,
    "dropout": 0.5, "teacher_forcing": 0.5, "scan.train_split": "simple",
    "scan.analyze_splits": ("jump", "length", "turn_left"),
}  # fmt: skip
TRAFO = {name: value for name, value in SCAN.items() if name not in ("n_layers", "embedding_size", "teacher_forcing")}
TRAFO |= {
    "task": "trafo_scan", "mask.penalty": 6e-4, "state_size": 100, "dropout": 0.1, "transformer.n_heads": 4,
    "transformer.ff_multiplier": 2.0, "transformer.encoder_n_layers": 3, "transformer.decoder_n_layers": 3,
}  # fmt: skip
MATHS = SEQUENCES | {  # the profile deepmind_math; Adam's betas and epsilon are in tasks/dm_math.py
    "task": "deepmind_math", "seed": RUNS[:5], "train.lr": 1e-4, "train.beta2": 0.995, "train.eps": 1e-9,
    "train.grad_clip": 0.1, "mask.samples": 8, "state_size": 512, "dropout": 0.1, "transformer.n_heads": 8,
    "transformer.ff_multiplier": 4.0, "transformer.encoder_n_layers": 6, "transformer.decoder_n_layers": 6,
    "dm_math.train_splits": ("easy", "medium", "hard"), "dm_math.mask_splits": ("easy",), "dm_math.archive": None,
    "dm_math.generate": None,
}  # fmt: skip
PERMUTED = MASKS | IMAGES | {
    "task": "permuted_mnist", "seed": RUNS, "data.name": "mnist", "layer_sizes": (800, 800, 64),
    "mask.steps": 30_000, "mask.samples": 8, "mask.batch_size": 128, "mask.penalty": 1.28e-3, "mask.grad_clip": 1.0,
    "transfer.permutations": 11, "transfer.mask_used_init": 2.0, "transfer.reset_first_layer": True,
    "eval_every": 1000,
}  # fmt: skip
NOT_PERMUTED = ("only_control", "restore_pretrained", "mask.include", "mask.exclude", "data.augment")
PERMUTED = {name: value for name, value in PERMUTED.items() if name not in NOT_PERMUTED}

PAIRS = Difference("hold_out", 0.0, 0.05, "the original validates on test sets; hold_out=0 holds nothing out")
VALIDATION = Difference("data.hold_out", False, True, "the original validates on the test images; data.hold_out=false")


def _maths(
    file: str, module: str, steps: int, mask_steps: int, batch: int, lr: float, penalty: float,
    mask_batch: int | None = None, warmup: int = 0, every: int = 1000,
) -> Published:  # fmt: skip
    values = MATHS | {
        "dm_math.modules": (module,), "train.steps": steps, "train.batch_size": batch, "train.warmup": warmup,
        "train.eval_every": every, "mask.steps": mask_steps, "mask.batch_size": mask_batch, "mask.lr": lr,
        "mask.penalty": round(penalty * (mask_batch or batch) / batch, 15),  # as of RESNET
    }  # fmt: skip
    return Published(f"sweeps/dm_math/{file}.yaml", values, differs=(PAIRS,))


def _permuted(name: str, first: float) -> Published:
    return Published(f"sweeps/{name}.yaml", PERMUTED | {"transfer.mask_new_init": first})


PAGE = Page(
    "docs/modularity_language_images.md",
    {
        "cifar10": Published("sweeps/cifar10.yaml", REMOVAL),
        "cifar10_no_dropout": Published("sweeps/cifar10_no_dropout.yaml", REMOVAL | {"dropout": False}),
        "cifar10_mask_stability": Published(
            "sweeps/cifar10_mask_stability.yaml",
            CLASSES | {"task": "cifar10_mask_stability", "dropout": False, "mask_stability.measure_on": "minimal",
                       "mask_stability.pairs": 10},
        ),
        # no sweep of this task there: the values of cifar10.yaml; its program keeps no layer
        "cifar10_grad_cos_distance": Published(
            "tasks/cifar10_cos_distance.py",
            REMOVAL | {"task": "cifar10_grad_cos_distance", "class_removal.classes": (0,), "keep_last_layer": False},
        ),
        "cifar10_resnet": Published("sweeps/cifar10_resnet.yaml", RESNET, differs=(VALIDATION,)),
        "scan": Published("sweeps/scan.yaml", SCAN, differs=(PAIRS,)),
        "trafo_scan": Published("sweeps/trafo_scan.yaml", TRAFO, differs=(PAIRS,)),
        # there train_split; here the split whose commands would train a mask trains the network
        "scan_baseline": Published(
            "sweeps/scan_baseline.yaml",
            {name: value for name, value in (TRAFO | {
                "train_baseline": True, "scan.analyze_splits": [("length",), ("jump",), ("turn_left",)],
            }).items() if not name.startswith(("mask.", "transformer.", "state_size", "dropout"))},
            together=(
                {"task": "trafo_scan", "state_size": 100, "dropout": 0.1},
                {"task": "scan", "state_size": 200, "dropout": 0.5},
            ),
            differs=(PAIRS,),
            # no mask is learned; what one network has and the other has not is that of scan and trafo_scan above
            free=("mask.*", "transformer.*", "n_layers", "embedding_size", "teacher_forcing"),
        ),
        "dm_math_add_or_sub": _maths("dm_math_add_or_sub", "arithmetic__add_or_sub", 30_000, 30_000, 256, 0.03, 2e-5),
        "dm_math_diff": _maths(
            "dm_math_diff", "calculus__differentiate", 40_000, 40_000, 128, 0.03, 1e-5, every=5000
        ),
        "dm_math_lin1d": _maths(
            "dm_math_lin1d", "algebra__linear_1d", 200_000, 50_000, 512, 0.02, 1e-6, 400, warmup=5000
        ),
        "dm_math_polycollect": _maths(
            "dm_math_polycollect", "polynomials__collect", 200_000, 50_000, 128, 0.02, 1e-6, 256, warmup=5000
        ),
        "dm_math_sort": _maths("dm_math_sort", "comparison__sort", 30_000, 30_000, 256, 0.03, 3e-6, every=10_000),
        "transfer_sharing": _permuted("transfer_sharing", 2.0),
        "transfer_sharing_prefer_old": _permuted("transfer_sharing_prefer_old", 0.0),
        "transfer_sharing_prefer_old_even_more": _permuted("transfer_sharing_prefer_old_even_more", -1.0),
    },
    free={
        "run.*": "where a run is executed",
        "log": "where it is displayed",
        "*eval_batch_size": "examples per forward pass; no result depends on it",
        "seen_size": "number of training examples that are evaluated",
    },
)  # fmt: skip
