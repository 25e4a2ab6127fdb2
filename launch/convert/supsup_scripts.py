"""What each script of the repository supsup runs, in the words of its options; a list: each of them."""

from __future__ import annotations

import re
from typing import Any

SEEDS = list(range(5))
_CIFAR = {
    "set": "RandSplitCIFAR100", "num_tasks": 20, "output_size": 5, "optimizer": "adam", "lr": 1e-3, "epochs": 250,
    "model": "GEMResNet18", "bn_type": "MultitaskNonAffineBN", "conv_init": "default",
}  # fmt: skip
_BUDGET = _CIFAR | {
    "conv_type": "MultitaskMaskConv", "conv_init": "signed_constant", "er_sparsity": True,
    "sparsity": [1, 2, 4, 8, 16, 32],
}  # fmt: skip
_HEADS = _CIFAR | {"conv_type": "StandardConv", "individual_heads": True, "lr": 0.01, "train_weight_lr": 1e-3}
_MNIST = {
    "set": "MNISTPerm", "num_tasks": 250, "eval_ckpts": [[10, 50, 100, 150, 200, 250]], "iter_lim": 1000,
    "no_scheduler": True, "seed": SEEDS,
}  # fmt: skip
_MASKS = {
    "conv_type": "FastMultitaskMaskConv", "conv_init": "signed_constant", "optimizer": "rmsprop", "lr": 1e-4,
}  # fmt: skip
_ENSEMBLE = {
    "conv_type": "VectorizedBatchEnsembles", "conv_init": "kaiming_normal", "train_weight_tasks": 1,
    "optimizer": "adam", "train_weight_lr": 1e-4, "lr": 1e-2, "output_size": 10,
}  # fmt: skip
_ROTATION = {
    "conv_type": "PSPRotation", "conv_init": "xavier_normal", "ortho_group": True, "train_weight_tasks": -1,
    "optimizer": "rmsprop", "train_weight_lr": 1e-4, "lr": 1e-4, "output_size": 10,
}  # fmt: skip
_ROTATED = {
    "set": "RotatingMNIST", "num_tasks": 36, "eval_ckpts": [[2, 5, 10, 15, 20, 25, 30, 35]], "model": "FC1024",
}  # fmt: skip
_LENET, _FC = {"model": "LeNet"}, {"model": "FC1024"}
_WAYS = {
    "supsup_h": _MASKS | {"adaptor": "one-shot H"},
    "supsup_g": _MASKS | {"adaptor": "one-shot G"},
    "batche": _ENSEMBLE,
    "psp": _ROTATION,
}
_SIZES: dict[str, dict[str, Any]] = {
    "LeNet-250-tasks": _LENET | {"output_size": 100},
    "FC-250-tasks": _FC | {"output_size": 500},
    "LeNet-2500-tasks": _LENET | {
        "output_size": 500, "num_tasks": 2500, "eval_ckpts": [[10, 500, 1000, 1500, 2000, 2500]],
    },
}  # fmt: skip
SCRIPTS: dict[str, dict[str, Any]] = {
    "GG/splitcifar100/rn18-supsup": _BUDGET,
    "GG/splitcifar100/rn18-supsup-transfer": _BUDGET | {"trainer": "reinit", "reinit_adapt": "running_mean"},
    "GG/splitcifar100/rn18-batche-randw": _CIFAR | {"conv_type": "VectorizedBatchEnsembles", "lr": 0.1},
    "GG/splitcifar100/rn18-separate-heads": _HEADS | {"train_weight_tasks": 1},
    "GG/splitcifar100/rn18-separate-heads-randw": _HEADS,
    "GG/splitcifar100/rn18-upperbound": _CIFAR | {
        "conv_type": "StandardConv", "bn_type": "StandardBN", "train_weight_tasks": -1, "train_weight_lr": 1e-3,
    },
    "GG/splitimagenet/rn50-supsup-adam": _BUDGET | {
        "set": "SplitImageNet", "num_tasks": 100, "output_size": 10, "model": "ResNet50", "conv_type": "MaskConv",
        "bn_type": "NonAffineBN", "sparsity": [4, 8, 16, 32], "wd": 0, "batch_size": 256, "epochs": 100,
        "warmup_length": 5, "seed": 1,
    },
    **{
        f"GNu/MNISTPerm/{size}/{way}": _MNIST | _SIZES[size] | values
        for size in _SIZES for way, values in _WAYS.items() if size != "LeNet-2500-tasks" or way.startswith("supsup")
    },
    "GNu/MNISTRotate/supsup": _MNIST | _ROTATED | _MASKS | {
        "output_size": 200, "adaptor": "binary H", "data_to_repeat": 128,
    },
    "GNu/MNISTRotate/batche": _MNIST | _ROTATED | _ENSEMBLE,
    "GNu/MNISTRotate/psp": _MNIST | _ROTATED | _ROTATION,
    "GNu/SplitMNIST/hopsupsup": {
        "set": "SplitMNIST", "num_tasks": 5, "model": "BNNet", "conv_init": "signed_constant",
        "bn_type": "FastHopMaskBN", "epochs": 1, "test_batch_size": 64, "gamma": 1.5e-3, "adaptor": "hopfield_recovery",
        "seed": SEEDS,
    },
    "NNs/supsup": _MNIST | _LENET | _MASKS | {
        "conv_type": "StackedFastMultitaskMaskConv", "output_size": 500, "num_tasks": 2500, "trainer": "nns",
        "adaptor": "one-shot H",
    },
}  # fmt: skip


def recipe(script: str) -> dict[str, Any]:
    """Return what a script runs; nothing for one that is not known."""
    parts = re.sub(r"\.py$", "", script).replace("\\", "/")
    fitting = [name for name in SCRIPTS if f"/{parts}".endswith(f"/{name}")]
    fitting = fitting or [name for name in SCRIPTS if f"/{name}".endswith(f"/{parts}")]
    return SCRIPTS[fitting[0]] if len(fitting) == 1 else {}
