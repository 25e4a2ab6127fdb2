"""The published sweeps as the files and command lines of the originals' repositories have them, by our names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import yaml

Files = dict[str, str]  # name of a file -> its text


def _sweep(**parameters: Any) -> Files:
    """Return a sweep file of modules: a list has several values, `__` in a name is a dot."""
    words = {"log": "wandb", "sweep_id_for_grid_search": list(range(1, 11))} | {
        name.replace("__", "."): value for name, value in parameters.items()
    }
    found = {name: {"values" if isinstance(one, list) else "value": one} for name, one in words.items()}
    metric = {"goal": "maximize", "name": "validation/mean_accuracy"}
    text = {"program": "main.py", "method": "grid", "metric": metric, "parameters": found}
    return {"sweep.yaml": yaml.safe_dump(text)}


PAIRS = {
    "n_digits": 2, "stop_after": 20_000, "step_per_mask": 20_000, "mask_lr": 1e-2, "bias_no_mask": 1,
    "mask_loss_weight": 1e-4,
}  # fmt: skip
SMALL, MIDDLE, BIG, HUGE = "400,400,200", "800,800,800,800", "2000,2000,2000,2000", "4000,4000,4000,4000"
TUPLE = PAIRS | {"mask_loss_weight": "4e-4"}  # YAML reads a text, as in the original's files
RECURRENT = PAIRS | {"state_size": 256, "n_layers": 2}
MODES = ["only_one_io", "together"]
CLASSES = {
    "profile": "cifar10_class_removal", "stop_after": 20_000, "step_per_mask": 20_000, "mask_loss_weight": 3e-4,
    "mask_lr": 1e-3, "class_removal.keep_last_layer": 1,
}  # fmt: skip
LENGTHS = {"stop_after": 25_000, "step_per_mask": 25_000}
SHARING = {
    "task": "permuted_mnist", "layer_sizes": "800,800,64", "stop_after": 30_000, "mask_loss_weight": 1.28e-3, "lr": 1e-3
}  # fmt: skip
BETAS = [
    1e-5, 1.5e-5, 2e-5, 3e-5, 4e-5, 5e-5, 6e-5, 7e-5, 8e-5, 9e-5, 1e-4, 0.00010, 1.1e-4, 1.25e-4, 1.5e-4, 1.75e-4,
    2e-4, 2.5e-4, 3e-4, 4e-4, 5e-4, 6e-4, 7e-4, 8e-4, 9e-4, 1e-3,
]  # fmt: skip


def _maths(module: str, batch: int, mask_batch: int | None, beta: str, lr: float, steps: int, mask_steps: int,
           **more: Any) -> Files:  # fmt: skip
    words: dict[str, Any] = {"batch_size": batch} | ({} if mask_batch is None else {"mask_batch_size": mask_batch})
    return _sweep(
        profile="deepmind_math", dm_math__task=module, mask_loss_weight=beta, mask_lr=lr, stop_after=steps,
        step_per_mask=mask_steps, **words, **({"sweep_id_for_grid_search": list(range(1, 6))} | more),
    )  # fmt: skip


MODULES: dict[str, Files] = {
    "addmul_ff": _sweep(task="addmul_ff", layer_sizes=[MIDDLE, SMALL], **PAIRS),
    "addmul_ff_big": _sweep(task="addmul_ff", layer_sizes=BIG, **PAIRS),
    "addmul_ff_huge": _sweep(task="addmul_ff", layer_sizes=HUGE, **PAIRS),
    "addmul_ff_penalty": _sweep(task="addmul_ff", layer_sizes=[MIDDLE, BIG], **(PAIRS | {"mask_loss_weight": BETAS})),
    "addmul_rnn": _sweep(profile="add_mul", task="addmul", **RECURRENT),
    "tuple_ff": _sweep(task="tuple_ff", layer_sizes=BIG, **TUPLE),
    "tuple_ff_copyweight": _sweep(task="tuple_ff_copyweight", layer_sizes=BIG, **TUPLE),
    "tuple_ff_first_full_mask": _sweep(task="tuple_ff", layer_sizes=BIG, inv_mask_exclude_io="fullmask", **TUPLE),
    "tuple_ff_small_halfmask": _sweep(task="tuple_ff", layer_sizes=MIDDLE, **TUPLE),
    "tuple_rnn": _sweep(profile="tuple", bias_no_mask=1, tuple__mode=MODES),
    "tuple_rnn_first_full_mask": _sweep(
        profile="tuple", bias_no_mask=1, tuple__mode=MODES, inv_mask_exclude_io="fullmask"
    ),
    "cifar10": _sweep(**CLASSES),
    "cifar10_no_dropout": _sweep(cnn__dropout=0, **CLASSES),
    "cifar10_mask_stability": _sweep(task="cifar10_mask_stability", cnn__dropout=0, **CLASSES),
    "cifar10_resnet": _sweep(profile="cifar10_resnet_hp", mask_loss_weight="2e-5", step_per_mask=30_000, mask_lr=3e-2),
    "scan": _sweep(profile="scan", mask_loss_weight=3e-5, **LENGTHS),
    "trafo_scan": _sweep(profile="trafo_scan", mask_loss_weight=6e-4, **LENGTHS),
    "scan_baseline": _sweep(
        profile=["trafo_scan", "scan"], scan__train_split=["length", "jump", "turn_left"], analysis__enable=0,
        stop_after=25_000,
    ),
    "dm_math_add_or_sub": _maths("arithmetic__add_or_sub", 256, None, "2e-5", 0.03, 30_000, 30_000),
    "dm_math_diff": _maths("calculus__differentiate", 128, None, "1e-5", 0.03, 40_000, 40_000, test_interval=5000),
    "dm_math_lin1d": _maths("algebra__linear_1d", 512, 400, "1e-6", 0.02, 200_000, 50_000, lr_warmup=5000),
    "dm_math_polycollect": _maths("polynomials__collect", 128, 256, "1e-6", 0.02, 200_000, 50_000, lr_warmup=5000),
    "dm_math_sort": _maths("comparison__sort", 256, None, "3e-6", 0.03, 30_000, 30_000, test_interval=10_000),
    "transfer_sharing": _sweep(transfer__mask_new_init=2, **SHARING),
    "transfer_sharing_prefer_old": _sweep(transfer__mask_new_init=0, **SHARING),
    "transfer_sharing_prefer_old_even_more": _sweep(transfer__mask_new_init=-1, **SHARING),
}  # fmt: skip


def _configs(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    lists = [value if isinstance(value, list) else [value] for value in values.values()]
    for one in itertools.product(*lists):
        yield dict(zip(values, one, strict=True))


def _popup(*groups: dict[str, Any]) -> Files:
    """Return configurations of hidden-networks, one file for each combination of lists."""
    found = [yaml.safe_dump(one) for group in groups for one in _configs(BASE | group)]
    return {f"{number}.yaml": text for number, text in enumerate(found)}


BASE = {
    "arch": "Conv4", "set": "CIFAR10", "epochs": 100, "lr": 0.1, "lr_policy": "cosine_lr", "momentum": 0.9, "wd": 1e-4,
    "batch_size": 128, "optimizer": "sgd", "workers": 4, "multigpu": 0, "conv_type": "SubnetConv",
    "bn_type": "NonAffineBatchNorm", "freeze_weights": True, "prune_rate": -1, "init": "kaiming_normal",
    "mode": "fan_in", "nonlinearity": "relu", "data": "/mnt/disk1/datasets", "print_freq": 10,
}  # fmt: skip
KINDS, SCALES = ["signed_constant", "kaiming_normal"], [False, True]
CONV = ["Conv2", "Conv4", "Conv6"]
DENSE = {"conv_type": "DenseConv", "bn_type": "LearnedBatchNorm", "freeze_weights": False, "lr": 0.01}
PLAIN = DENSE | {"bn_type": "NonAffineBatchNorm"}
ADAM = PLAIN | {"optimizer": "adam", "lr_policy": "constant_lr", "batch_size": 60}
DRAWN = {"conv_type": "SampleSubnetConv", "wd": 0, "prune_rate": 0.0}
INITS = ["kaiming_normal", "signed_constant", "xavier_normal", "xavier_constant"]
MNIST = {"arch": "FC", "set": "MNIST"}
LARGE = {
    "set": "ImageNet", "lr": 0.256, "momentum": 0.875, "wd": 0.000030517578125, "batch_size": 256, "warmup_length": 5,
    "label_smoothing": 0.1, "num_classes": 1000,
}  # fmt: skip
RESNET = {"arch": "cResNet18", "batch_size": 256, "wd": 5e-4}
DEEP = ["ResNet50", "ResNet101", "WideResNet50_2", "WideResNet101_2"]
HIDDEN_NETWORKS: dict[str, Files] = {
    "edge_popup_fc": _popup(MNIST | {"init": KINDS, "scale_fan": SCALES}),
    "edge_popup_conv": _popup({"arch": CONV, "init": KINDS, "scale_fan": SCALES}, {"arch": "Conv8", "init": KINDS}),
    "edge_popup_init": _popup({"init": ["kaiming_uniform", "xavier_normal"]}),
    "edge_popup_wide": _popup({"arch": "Conv4Wide", "scale_fan": SCALES}, {"arch": "Conv6Wide"}),
    "edge_popup_resnet": _popup(RESNET | {"init": KINDS, "scale_fan": SCALES}),
    "edge_popup_imagenet": _popup(LARGE | {"arch": "ResNet18"}, LARGE | {"arch": DEEP, "init": KINDS}),
    "edge_popup_imagenet_scaled": _popup(
        LARGE | {"arch": "ResNet50", "init": "signed_constant", "scale_fan": True, "lr": 0.1}
    ),
    "edge_popup_imagenet_scaled_normal": _popup(LARGE | {"arch": "ResNet50", "scale_fan": True}),
    "edge_popup_dense": _popup(PLAIN | {"arch": [*CONV, "Conv8"]}),
    "edge_popup_dense_fc": _popup(PLAIN | MNIST | {"lr": 0.1}),
    "edge_popup_dense_adam": _popup(ADAM | {"arch": ["Conv4", "Conv6", "Conv8"], "lr": "3e-4"}),
    "edge_popup_dense_adam_conv2": _popup(ADAM | {"arch": "Conv2", "lr": 2e-4}),
    "edge_popup_dense_adam_fc": _popup(ADAM | MNIST | {"lr": 1.2e-3}),
    "edge_popup_resnet_dense": _popup(DENSE | RESNET | {"lr": 0.1}),
    "edge_popup_imagenet_dense": _popup(DENSE | LARGE | {"arch": ["ResNet18", "ResNet50", "WideResNet50_2"]}),
    "edge_popup_wide_dense": _popup(PLAIN | {"arch": ["Conv4Wide", "Conv6Wide"]}),
    "edge_popup_wide_dense_adam": _popup(ADAM | {"arch": ["Conv4Wide", "Conv6Wide"], "lr": 3e-4}),
    "edge_popup_wide_dense_high_lr": _popup(PLAIN | {"arch": ["Conv4Wide", "Conv6Wide"], "lr": 0.1}),
    "edge_popup_bernoulli": _popup(DRAWN | {"arch": CONV, "init": INITS, "lr": 200}),
    "edge_popup_bernoulli_conv8": _popup(DRAWN | {"arch": "Conv8", "init": INITS, "lr": 800}),
    **{
        f"edge_popup_bernoulli_{arch.lower()}_batch60": _popup(
            DRAWN | {"arch": arch, "init": INITS, "lr": lr, "batch_size": 60}
        )
        for arch, lr in zip(CONV, (100, 50, 20), strict=True)
    },
    "edge_popup_bernoulli_resnet": _popup(DRAWN | {"arch": "cResNet18", "init": KINDS, "lr": 400}),
    "edge_popup_wide_bernoulli": _popup(DRAWN | {"arch": ["Conv4Wide", "Conv6Wide"], "lr": 200}),
    "edge_popup_imagenet_bernoulli": _popup(
        DRAWN | {"set": "ImageNet", "arch": "ResNet50", "lr": 400, "batch_size": 256}
    ),
}  # fmt: skip


def _lines(*lines: str) -> Files:
    return {f"{number}.txt": f"python experiments/{line}\n" for number, line in enumerate(lines)}


GG = '--gpu-sets="0|1" --seeds=5 --data=/data'
SUPSUP: dict[str, Files] = {
    "supsup_gnu": _lines(*(
        f"GNu/MNISTPerm/LeNet-250-tasks/supsup_{way}.py --output-size {size}" for way in "hg" for size in (25, 100, 200)
    )),
    "supsup_gnu_fc": _lines("GNu/MNISTPerm/FC-250-tasks/supsup_h.py", "GNu/MNISTPerm/FC-250-tasks/supsup_g.py"),
    "supsup_gnu_2500": _lines(*(f"GNu/MNISTPerm/LeNet-2500-tasks/supsup_{way}.py" for way in "hg")),
    "supsup_batch_ensemble": _lines("GNu/MNISTPerm/LeNet-250-tasks/batche.py", "GNu/MNISTPerm/FC-250-tasks/batche.py"),
    "supsup_rotation": _lines("GNu/MNISTPerm/LeNet-250-tasks/psp.py", "GNu/MNISTPerm/FC-250-tasks/psp.py"),
    "supsup_rotated": _lines("GNu/MNISTRotate/supsup.py"),
    "supsup_rotated_batch_ensemble": _lines("GNu/MNISTRotate/batche.py"),
    "supsup_rotated_rotation": _lines("GNu/MNISTRotate/psp.py"),
    "supsup_nns": _lines("NNs/supsup.py"),
    "supsup_gg": _lines(f"GG/splitcifar100/rn18-supsup.py {GG}", f"GG/splitcifar100/rn18-supsup-transfer.py {GG}"),
    "supsup_gg_batch_ensemble": _lines(f"GG/splitcifar100/rn18-batche-randw.py {GG}"),
    "supsup_gg_heads": _lines(
        f"GG/splitcifar100/rn18-separate-heads.py {GG}", f"GG/splitcifar100/rn18-separate-heads-randw.py {GG}"
    ),
    "supsup_gg_upper": _lines(f"GG/splitcifar100/rn18-upperbound.py {GG}"),
    "supsup_gg_imagenet": _lines('GG/splitimagenet/rn50-supsup-adam.py --gpu-sets="0|1" --data=/data'),
    "hopsupsup": _lines("GNu/SplitMNIST/hopsupsup.py"),
}  # fmt: skip
UNTYING: dict[str, Files] = {
    "cnn_elcn": {"run_all.txt": "".join(
        f"sbatch job.sh {cnn} {lc}\n" for cnn in (0.1, 0.05) for lc in (0.01, 0.005)
    )},
}  # fmt: skip

SAMPLES = [0, 10, 16, 25, 40, 64, 100, 160, 250, 400, 640, 1000, 1600, 2500, 4000, 6400]
DATA = {"max": 1000, "p": 7}
CIRCUIT = {
    "mask_method": "continuous_sparsification", "l0_lambda": "1e-7",
    "mask_hparams": {"ablation": "none", "mask_unit": "weight", "mask_bias": False, "mask_init_value": -0.1},
}  # fmt: skip


def _base(layers: int) -> dict[str, Any]:
    return {
        "reproducibility_configs": {"reproduce": False, "random_seed": "None"},
        "data_configs": DATA | {"n_samples": 200_000},
        "trainer_configs": {
            "output_dir": "checkpoints/base", "num_train_epochs": 50, "per_device_train_batch_size": 50,
            "learning_rate": "5e-4", "load_best_model_at_end": True,
        },
        "GPT_configs": {"n_positions": 4, "n_embd": 128, "n_head": 4, "n_layer": layers, "resid_pdrop": 0.1},
    }  # fmt: skip


def _ablate(lr: float) -> dict[str, Any]:
    return {
        "reproducibility_configs": {"reproduce": False, "random_seed": "None"},
        "data_configs": DATA | {"n_samples": 50_000, "computation": "ab", "ambiguous": False},
        "dataloader_configs": {"batch_size": 500, "shuffle": True},
        "circuit_configs": CIRCUIT | {"freeze_base": True, "add_l0": True},
        "train_configs": {"n_epochs": 50, "final_temp": 100, "model_path": "x", "output_path": "y", "verbose": True},
        "optim_configs": {"optim_name": "AdamW", "lr": lr},
    }  # fmt: skip


def _transfer(conditions: list[str], frozen: bool, samples: list[int]) -> dict[str, Any]:
    return {
        "reproducibility_configs": {"reproduce": False, "random_seed": "None"},
        "data_configs": DATA | {"n_disambiguation": samples},
        "model_paths": {"original": "x", "subnet": "y"},
        "circuit_configs": CIRCUIT | {"freeze_base": False, "add_l0": False},
        "train_configs": {
            "n_epochs": 100, "batch_size": 50, "inherit_from": conditions, "freeze_subnet": frozen, "wandb": False,
        },
        "optim_configs": {"optim_name": "AdamW", "lr": [2e-4]},
    }  # fmt: skip


FIVE = ["subnet", "subnet_sampled", "subnet_sampled_complement", "original", "random"]
# the parts of a run, each a list of files that belong into one list of values
INDUCTION: dict[str, list[list[dict[str, Any]]]] = {
    "induction_math": [
        [_base(layers) for layers in (2, 4, 6, 10, 12)], [_ablate(1e-3)],
        [_transfer(FIVE, frozen, SAMPLES) for frozen in (True, False)],
    ],
    "induction_math_8_layers": [
        [_base(8)], [_ablate(2e-3)], [_transfer(FIVE, frozen, SAMPLES) for frozen in (True, False)],
    ],
    "induction_math_repeats": [
        [_base(12)], [_ablate(1e-3)], [_transfer([FIVE[0], FIVE[1], FIVE[3], FIVE[4]], True, [*SAMPLES, 10_000])],
    ],
}  # fmt: skip
