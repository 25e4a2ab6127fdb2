"""The sweeps of edge-popup: the repository allenai/hidden-networks, folder configs, and args.py for defaults.

Lengths are epochs in both. There an epoch is 60,000 images of MNIST, 50,000 of CIFAR-10, 1,281,167 of ImageNet; here
a fifth of the first two (48,017 and 40,053 are left) and 4 % of the third are held out, and an epoch has as many
fewer steps. `prune_rate` is -1 in the files, to be given where they are run, `width_mult` is 1, and there is no seed.
"""

from __future__ import annotations

from typing import Any

from tests.published.table import Difference, More, Page, Published

ASKED = "required"
COMMON = {  # smallscale
    "task": "edge_popup", "trained": "scores", "evaluate": None, "seed": None, "layer_sizes": (300, 100), "width": 1.0,
    "scale": "none", "affine": False, "data.name": "cifar10", "data.augment": True, "data.hold_out": False,
    "data.file": None, "data.canvas": None, "data.noise": 0.0, "data.train_size": None, "data.test_size": None,
    "train.epochs": 100, "train.batch_size": 128, "train.optimizer": "sgd", "train.lr": 0.1, "train.momentum": 0.9,
    "train.weight_decay": 1e-4, "train.warmup": 0, "train.schedule": "cosine", "train.label_smoothing": 0.0,
    "train.shuffle": True,
}  # fmt: skip
MASK = {"mask.unit": "weight", "mask.include": ("*",), "mask.exclude": ("*embedding*",)}
POPUP = COMMON | MASK | {
    "mask.method": "edge-popup", "mask.keep": ASKED, "mask.rank": "abs", "mask.scope": "layer", "mask.er_scale": None,
}  # fmt: skip
# SampleSubnetConv: first scores drawn as torch draws a convolution
SAMPLE = COMMON | MASK | {
    "mask.method": "bernoulli", "mask.gradient": "sigmoid", "mask.evaluate": "sample", "mask.init": None,
    "mask.penalty": 0.0, "train.weight_decay": 0.0,
}  # fmt: skip
DENSE = COMMON | {"trained": "weights", "init": "kaiming_normal", "train.lr": 0.01}  # the default of --init
# their Adam is made without weight decay, and constant is the default of --lr-policy
ADAM = DENSE | {
    "train.optimizer": "adam", "train.batch_size": 60, "train.schedule": "constant", "train.weight_decay": 0.0,
}  # fmt: skip
MNIST = {"model": "fc", "data.name": "mnist", "data.augment": False}
RESNET = {"model": "resnet18", "train.batch_size": 256, "train.weight_decay": 5e-4}
IMAGENET = {
    "data.name": "imagenet", "train.lr": 0.256, "train.momentum": 0.875, "train.weight_decay": 2.0**-15,
    "train.batch_size": 256, "train.warmup": 5, "train.label_smoothing": 0.1,
}  # fmt: skip
SIGNED, NORMAL, BOTH = "signed_constant", "kaiming_normal", ["signed_constant", "kaiming_normal"]
DRAWN = ["kaiming_normal", "signed_constant", "xavier_normal", "xavier_constant"]
SCALES = ["none", "published"]  # scale_fan off and on
KEEPS = [0.1, 0.3, 0.5, 0.7, 0.9]

HELD_OUT = Difference(
    "data.hold_out", False, True,
    "no selection on test images; an epoch has a fifth fewer steps (ImageNet: 4 %); data.hold_out=false",
)  # fmt: skip
SEEDS = Difference("seed", None, [1, 2, 3], "for a standard deviation")
FIVE = Difference("seed", None, [1, 2, 3, 4, 5], "for a standard deviation")
KEEP = Difference("mask.keep", ASKED, KEEPS, "the configurations leave it to the command line")
SCALED = Difference(
    "scale", "published", "keep", "theirs applies the paper's factor to the fraction removed; scale=published"
)
WIDTHS = Difference("width", 1.0, [0.5, 1.0, 1.5, 2.0], "the configurations leave it to the command line")
DRAWS = Difference("mask.evaluate", "sample", "hard", "deterministic, independent of a sample; mask.evaluate=sample")
NO_MASK = ("mask.*",)
NO_PART = ("mask.evaluate",)  # edge-popup draws no masks


def _popup(source: str, values: dict[str, Any], *differs: Difference, **rest: Any) -> Published:
    return Published(source, POPUP | values, differs=(HELD_OUT, *differs), free=NO_PART, **rest)


def _sample(source: str, values: dict[str, Any], *differs: Difference) -> Published:
    return Published(source, SAMPLE | values, differs=(HELD_OUT, SEEDS, DRAWS, *differs))


def _dense(source: str, values: dict[str, Any], *differs: Difference) -> Published:
    return Published(source, values, differs=(HELD_OUT, *(differs or (SEEDS,))), free=NO_MASK)


_MANY = ("conv2", "conv4", "conv6")
PAGE = Page(
    "docs/edge_popup.md",
    {
        "edge_popup_fc": _popup("smallscale/fc", MNIST | {"init": BOTH, "scale": SCALES}, FIVE, KEEP, SCALED),
        "edge_popup_conv": _popup(
            "smallscale/conv2 to conv8", {}, SEEDS, KEEP, SCALED,
            together=[
                {"model": ["conv2", "conv4", "conv6"], "init": BOTH, "scale": SCALES},
                {"model": "conv8", "init": BOTH, "scale": "none"},
            ],
            more=(More({"model": "conv8", "init": BOTH, "scale": "keep"}, "as for the others"),),
        ),
        "edge_popup_init": _popup(
            "smallscale/conv4initablation", {"model": "conv4", "init": ["kaiming_uniform", "xavier_normal"]},
            SEEDS, KEEP,
        ),
        "edge_popup_wide": _popup(
            "smallscale/conv4wide, conv6wide", {"init": NORMAL}, SEEDS, WIDTHS, SCALED,
            Difference("mask.keep", ASKED, 0.5, "the configurations leave it to the command line"),
            together=[{"model": "conv4", "scale": SCALES}, {"model": "conv6", "scale": "none"}],
            more=(More({"model": "conv6", "scale": "keep"}, "as for Conv-4"),),
        ),
        "edge_popup_resnet": _popup(
            "smallscale/resnet18", RESNET | {"init": BOTH, "scale": SCALES}, SEEDS, KEEP, SCALED
        ),
        "edge_popup_imagenet": _popup(
            "largescale/subnetonly", IMAGENET, SEEDS, Difference("mask.keep", ASKED, 0.3, "as in its README"),
            together=[
                {"model": "imagenet_resnet18", "init": NORMAL},
                {"model": [f"imagenet_{name}" for name in (
                    "resnet50", "resnet101", "wide_resnet50", "wide_resnet101"
                )], "init": BOTH},
            ],
            more=(More({"model": "imagenet_resnet18", "init": SIGNED}, "as for the others"),),
        ),
        "edge_popup_imagenet_scaled": _popup(
            "largescale/subnetonly/resnet50-sc",
            IMAGENET | {"model": "imagenet_resnet50", "init": SIGNED, "scale": "published", "train.lr": 0.1},
            SEEDS, SCALED, Difference("mask.keep", ASKED, KEEPS[:4], "the configurations leave it to the command line"),
        ),
        "edge_popup_imagenet_scaled_normal": _popup(
            "largescale/subnetonly/resnet50-kn",
            IMAGENET | {"model": "imagenet_resnet50", "init": NORMAL, "scale": "published"},
            SEEDS, SCALED, Difference("mask.keep", ASKED, KEEPS[:4], "the configurations leave it to the command line"),
        ),
        "edge_popup_dense": _dense(
            "smallscale_baselines/dense", DENSE | {"model": ["conv2", "conv4", "conv6", "conv8"]}
        ),
        "edge_popup_dense_fc": _dense("smallscale_baselines/dense/fc, sgd", DENSE | MNIST | {"train.lr": 0.1}, FIVE),
        "edge_popup_dense_adam": _dense(
            "smallscale_baselines/dense, adam", ADAM | {"model": ["conv4", "conv6", "conv8"], "train.lr": 3e-4}
        ),
        "edge_popup_dense_adam_conv2": _dense(
            "smallscale_baselines/dense/conv2, adam", ADAM | {"model": "conv2", "train.lr": 2e-4}
        ),
        "edge_popup_dense_adam_fc": _dense(
            "smallscale_baselines/dense/fc, adam", ADAM | MNIST | {"train.lr": 1.2e-3}, FIVE
        ),
        "edge_popup_resnet_dense": _dense(
            "smallscale/resnet18/resnet18-dense", DENSE | RESNET | {"train.lr": 0.1, "affine": True}
        ),
        "edge_popup_imagenet_dense": _dense(
            "largescale/baselines", DENSE | IMAGENET | {"affine": True, "model": [
                "imagenet_resnet18", "imagenet_resnet50", "imagenet_wide_resnet50",
            ]},
        ),
        "edge_popup_wide_dense": _dense(
            "smallscale/conv4wide, conv6wide, sgd_baseline", DENSE | {"model": ["conv4", "conv6"]}, SEEDS, WIDTHS
        ),
        "edge_popup_wide_dense_adam": _dense(
            "smallscale/adamwide", ADAM | {"model": ["conv4", "conv6"], "train.lr": 3e-4}, SEEDS, WIDTHS
        ),
        "edge_popup_wide_dense_high_lr": _dense(
            "smallscale_baselines/densewide, hlrsgd", DENSE | {"model": ["conv4", "conv6"], "train.lr": 0.1},
            SEEDS, WIDTHS,
        ),
        "edge_popup_bernoulli": _sample(
            "smallscale_baselines/sample", {"model": list(_MANY), "init": DRAWN, "train.lr": 200.0}
        ),
        "edge_popup_bernoulli_conv8": _sample(
            "smallscale_baselines/sample/conv8", {"model": "conv8", "init": DRAWN, "train.lr": 800.0}
        ),
        **{
            f"edge_popup_bernoulli_{model}_batch60": _sample(
                f"smallscale_baselines/samplev2/{model}",
                {"model": model, "init": DRAWN, "train.lr": lr, "train.batch_size": 60},
            )
            for model, lr in zip(_MANY, (100.0, 50.0, 20.0), strict=True)
        },
        "edge_popup_bernoulli_resnet": _sample(
            "smallscale_baselines/sample/resnet18", {"model": "resnet18", "init": BOTH, "train.lr": 400.0}
        ),
        "edge_popup_wide_bernoulli": _sample(
            "smallscale_baselines/sample/samplewide",
            {"model": ["conv4", "conv6"], "init": NORMAL, "train.lr": 200.0}, WIDTHS,
        ),
        "edge_popup_imagenet_bernoulli": _sample(
            "largescale/sample",
            {"data.name": "imagenet", "model": "imagenet_resnet50", "init": NORMAL, "train.lr": 400.0,
             "train.batch_size": 256},
        ),
    },
    free={
        "run.*": "where a run is executed",
        "log": "where it is displayed",
        "train.evaluations": "evaluation schedule; in the original after every epoch",
        "train.eval_batch_size": "images per forward pass; no result depends on it",
        "evaluate_on": "belongs to evaluate",
        "controls": "belongs to evaluate",
    },
    absent={
        "the baselines `rg`, `hlrrg` and `arg`, and `conv4_ukn_dnw`": "their layers were not released",
        "`sample/conv4/conv4sample_uku` and `sample/conv6/conv6sample_uku`": (
            "they contain signed constants, not the Kaiming uniform of their names; `edge_popup_bernoulli` with `--set "
            "model=conv4 init=signed_constant train.lr=50 train.schedule=constant train.weight_decay=1e-4`, and with "
            "`--set model=conv6 init=signed_constant train.lr=100 train.schedule=constant`"
        ),
    },
)  # fmt: skip
