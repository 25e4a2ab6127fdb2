"""The sweeps of induction_vision: the repository Rock-Z/instilling-inductive-bias, folder vision.

Lengths are epochs there and steps here: of 13,929 images the base's and the mask's, of 212,006 the transfers'. How
ResNet-18 was adapted to 16 classes is not released; the values are those of the augmentation baseline, which took the
place of that program.
"""

from __future__ import annotations

from tests.published.table import Difference, Page, Published

IMAGES = {
    "task": "induction_vision", "seed": "from the system", "data.name": "folders", "data.most": 1000,
    "data.held_out": 0.1,
}  # fmt: skip
MASK = {
    "mask.method": "continuous-sparsification", "mask.unit": "weight", "mask.include": ("*",), "mask.bias": False,
    "mask.init": -0.1, "mask.samples": 1, "mask.lr": 1e-3, "mask.weight_decay": 0.01, "mask.warmup": 0,
    "mask.grad_clip": None, "mask.reduction": "sum", "mask.initial_temperature": 1.0, "mask.final_temperature": 100.0,
}  # fmt: skip
TRANSFER = {
    "transfer.conditions": ("subnet", "scratch", "augmented"), "transfer.donor": ("frozen",),
    "transfer.inherit": ("*",), "transfer.repeats": 1, "transfer.head": "donor", "transfer.freeze_rest": True,
    "transfer.batch_size": 128, "transfer.optimizer": "sgd", "transfer.lr": 1e-3, "transfer.momentum": 0.9,
    "transfer.weight_decay": 1e-4, "transfer.warmup": 0, "transfer.schedule": "constant", "transfer.grad_clip": None,
    "transfer.disambiguating": (0,),
}  # fmt: skip
COMMON = IMAGES | MASK | TRANSFER

DIFFERS = (
    Difference("seed", "from the system", [1, 2, 3], "a spread over base, mask and transfers"),
    Difference(
        "transfer.conditions", TRANSFER["transfer.conditions"],
        ("subnet", "random", "inverse", "magnitude", "rest", "full", "scratch", "augmented"),
        "what surrounds the subnetwork, other masks of its size, the whole base; no complement: of small "
        "tensors more than half is kept",
    ),
    Difference("transfer.head", "donor", "new", "an inherited last layer gives the controls the answers by shape too"),
    Difference(
        "transfer.freeze_rest", True, False, "new convolutions need statistics and scales of their own"
    ),
)  # fmt: skip

PAGE = Page(
    "docs/induction_vision.md",
    {
        "induction_vision_resnet18": Published(
            "vision/configs of resnet18_ablated, its penalties, and of its transfer",
            COMMON | {
                "model": "resnet18", "pretrained": "cache/weights/resnet18-f37072fd.pth", "train.steps": 5 * 109,
                "train.batch_size": 128, "train.lr": 1e-3, "train.head_only": False, "mask.exclude": ("fc.*",),
                "mask.steps": 100 * 436, "mask.batch_size": 32, "mask.penalty": [1e-8, 1e-7, 1e-6],
                "transfer.steps": 20 * 1657,
            },
            differs=DIFFERS,
        ),
        "induction_vision_vit": Published(
            "vision/vit_16_class_adapt.py, configs of vit_ablated and of its transfer",
            COMMON | {
                "model": "vit_b_16", "pretrained": "cache/weights/vit_b_16-c867db91.pth", "train.steps": 5 * 218,
                "train.batch_size": 64, "train.lr": 2e-3, "train.head_only": True, "mask.exclude": (),
                "mask.steps": 200 * 109, "mask.batch_size": 128, "mask.penalty": 1e-8, "transfer.steps": 40 * 1657,
            },
            differs=DIFFERS,
        ),
    },
    free={
        "run.*": "where a run is done",
        "log": "where it is shown",
        "*.eval_every": "how often it is measured; there five times in a pass",
        "eval_batch_size": "how many images at once; no number depends on it",
        "data.*_size": "of drawn images",
        "data.base_pooled": "of drawn images",
        "data.source": "where the images lie", "data.images": "where the images lie",
        "data.evaluation": "where the images lie", "data.pooled": "where the images lie",
        "data.conflict": "where the images lie",
        "train.optimizer": "how the base is adapted is not known further",
        "train.weight_decay": "as train.optimizer", "train.warmup": "as train.optimizer",
        "train.schedule": "as train.optimizer", "train.grad_clip": "as train.optimizer",
        "train.momentum": "of an optimiser that is not used", "*.beta2": "torch's", "*.eps": "torch's",
        "*.decay*": "of a schedule that is not used",
    },
)  # fmt: skip
