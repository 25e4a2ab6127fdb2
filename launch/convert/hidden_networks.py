"""Configurations of allenai/hidden-networks (edge-popup), which are the task edge_popup here."""

from __future__ import annotations

from typing import Any

from core.errors import SweepError
from launch.convert.original import Original, Translation

DEFAULTS: dict[str, Any] = {
    "data": None, "optimizer": "sgd", "set": "ImageNet", "arch": "ResNet18", "config": None, "log_dir": None,
    "workers": 20, "epochs": 90, "start_epoch": None, "batch_size": 256, "lr": 0.1, "warmup_length": 0,
    "momentum": 0.9, "wd": 1e-4, "print_freq": 10, "num_classes": 10, "resume": "", "evaluate": False,
    "pretrained": None, "seed": None, "multigpu": None, "lr_policy": "constant_lr", "multistep_lr_adjust": 30,
    "multistep_lr_gamma": 0.1, "name": None, "save_every": -1, "prune_rate": 0.0, "low_data": 1, "width_mult": 1.0,
    "nesterov": False, "random_subnet": False, "one_batch": False, "conv_type": None, "freeze_weights": False,
    "mode": "fan_in", "nonlinearity": "relu", "bn_type": None, "init": "kaiming_normal", "no_bn_decay": False,
    "scale_fan": False, "first_layer_dense": False, "last_layer_dense": False, "label_smoothing": None,
    "first_layer_type": None, "trainer": "default", "score_init_constant": None,
}  # fmt: skip
DATA = {"MNIST": "mnist", "CIFAR10": "cifar10", "ImageNet": "imagenet"}
MODELS = {
    "FC": "fc", "Conv2": "conv2", "Conv4": "conv4", "Conv6": "conv6", "Conv8": "conv8", "Conv4Wide": "conv4",
    "Conv6Wide": "conv6", "cResNet18": "resnet18", "cResNet50": "resnet50", "cResNet101": "resnet101",
    "ResNet18": "imagenet_resnet18", "ResNet50": "imagenet_resnet50", "ResNet101": "imagenet_resnet101",
    "WideResNet50_2": "imagenet_wide_resnet50", "WideResNet101_2": "imagenet_wide_resnet101",
}  # fmt: skip
SCALED = ("kaiming_normal", "signed_constant", "unsigned_constant")
KEEPS = (0.1, 0.3, 0.5, 0.7, 0.9)
TRAINING = {
    "epochs": "train.epochs", "batch_size": "train.batch_size", "lr": "train.lr", "optimizer": "train.optimizer",
    "warmup_length": "train.warmup",
}  # fmt: skip
DROPPED = {
    "data": "downloads lie in run.cache",
    "log_dir": "results lie in run.dir",
    "workers": "there are none; data lies in memory",
    "print_freq": "a run says by itself how far it is",
    "num_classes": "it is that of the data",
    "multigpu": "where a run is executed: --gpus of run.py, run.device of main.py",
    "save_every": "run.checkpoint_every; it changes no result",
    "resume": "the same command goes on where it was",
    "start_epoch": "the same command goes on where it was",
    **dict.fromkeys(
        ("low_data", "random_subnet", "one_batch", "multistep_lr_adjust", "multistep_lr_gamma"),
        "the original reads it nowhere",
    ),
}


def translate(run: Translation) -> None:
    """Say a configuration in Sieve's options."""
    words = run.words
    run.values["task"] = "edge_popup"
    run.drop(DROPPED)
    for word, names in {"set": DATA, "arch": MODELS}.items():
        if str(words[word]) not in names:
            raise SweepError(f"{word}={words[word]} has no counterpart in Sieve; these have: {', '.join(names)}")
    run.put("data.name", DATA[str(words["set"])], "set")
    run.put("data.augment", words["set"] != "MNIST")
    run.put("model", MODELS[str(words["arch"])], "arch")
    run.put("width", float(words["width_mult"]), "width_mult")
    run.put("init", words["init"], "init")
    run.rename(TRAINING)
    run.put("train.label_smoothing", words["label_smoothing"] or 0.0, "label_smoothing")
    run.put("train.weight_decay", words["wd"], "wd")
    if words["optimizer"] == "adam":
        run.values["train.weight_decay"] = 0.0
        run.note("its Adam is made without weight decay, whatever wd is: train.weight_decay=0")
    else:
        run.put("train.momentum", words["momentum"], "momentum")
    policies = {"constant_lr": "constant", "cosine_lr": "cosine"}
    if words["lr_policy"] not in policies:
        raise SweepError(f"lr_policy={words['lr_policy']} does not run in the original; {', '.join(policies)} do")
    run.put("train.schedule", policies[str(words["lr_policy"])], "lr_policy")
    if words["seed"] is not None:
        run.put("seed", words["seed"], "seed")
    else:
        run.note("there is no seed in the original's file; several are seed: {values: [1, 2, 3]}")
    run.note("its best network is chosen on test images (data.hold_out=false); here a part of the training images is "
             "held out for that, and an epoch has fewer steps")  # fmt: skip
    _mask(run)
    run.cannot("nesterov", "momentum is that of Polyak", False)
    run.cannot("mode", "the scale of the initialisation goes by the inputs of a unit", "fan_in")
    run.cannot("nonlinearity", "the scale of the initialisation is that for ReLU", "relu")
    run.cannot("trainer", "scores, or weights, are trained with the cross entropy alone", "default")
    run.cannot("no_bn_decay", "weight decay has one strength")
    for word in ("first_layer_dense", "last_layer_dense", "first_layer_type"):
        run.cannot(word, "a layer without a mask is one of mask.exclude")


def _mask(run: Translation) -> None:
    words, kind = run.words, run.words["conv_type"]
    if kind == "DenseConv":
        run.put("trained", "weights", "conv_type")
        run.put("affine", words["bn_type"] == "LearnedBatchNorm" and "resnet" in run.values["model"], "bn_type")
        return
    if kind not in ("SubnetConv", "SampleSubnetConv", "FixedSubnetConv"):
        raise SweepError(f"conv_type={kind} has no counterpart in Sieve; these have: DenseConv, SubnetConv, "
                         "SampleSubnetConv, FixedSubnetConv")  # fmt: skip
    if not words["freeze_weights"]:
        run.note("freeze_weights=False cannot be said: weights are not trained with the scores")
    if words["bn_type"] == "LearnedBatchNorm":
        run.note("bn_type=LearnedBatchNorm cannot be said of a network that is not trained: no affine parameters")
    if kind == "SampleSubnetConv":
        run.values |= {"mask.method": "bernoulli", "mask.init": words["score_init_constant"]}
        run.note("masks are drawn there when it is evaluated, too: mask.evaluate=sample")
        return
    run.values["mask.method"] = "edge-popup"
    rate = float(words["prune_rate"])
    if kind == "FixedSubnetConv":
        run.put("mask.keep", float(f"{1 - rate:.12g}"), "prune_rate")
        run.note("prune_rate of FixedSubnetConv is the part that is removed; mask.keep is what is kept")
        if not words["pretrained"]:
            raise SweepError("conv_type=FixedSubnetConv needs pretrained: a file with scores")
    elif rate < 0:
        run.several["mask.keep"] = KEEPS
        run.note("prune_rate=-1 is to be given where it is run: mask.keep has a value for each point of a curve")
    else:
        run.put("mask.keep", rate, "prune_rate")
        run.note("prune_rate of SubnetConv is the part of the weights that is kept, as mask.keep")
    if words["scale_fan"] and words["init"] in SCALED:
        run.put("scale", "published", "scale_fan")
        run.note("scale_fan applies the paper's factor to the part that is removed (scale=published); to the part that "
                 "is kept: scale=keep")  # fmt: skip
    if words["pretrained"]:
        run.put("evaluate", words["pretrained"], "pretrained")
    run.cannot("score_init_constant", "scores of edge-popup are drawn")


HIDDEN_NETWORKS = Original(
    "allenai/hidden-networks",
    DEFAULTS,
    frozenset({"prune_rate", "arch", "freeze_weights", "scale_fan", "score_init_constant", "label_smoothing",
               "num_classes", "print_freq", "multistep_lr_adjust"}),
    translate,
    scripts=r"(^|/)main\.py$",
    aliases={"learning_rate": "lr", "weight_decay": "wd", "j": "workers", "b": "batch_size", "p": "print_freq",
             "a": "arch", "e": "evaluate"},
)  # fmt: skip
