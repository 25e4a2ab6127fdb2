"""Sweeps of RobertCsordas/modules: its options, its profiles, and what they are here."""

from __future__ import annotations

from typing import Any

from core.errors import SweepError
from launch.convert.original import Original, Translation

DEFAULTS: dict[str, Any] = {
    "name": None, "log": "tb", "reset": 0, "save_interval": None, "seed": None, "gpu": "auto", "keep_alive": 0,
    "sweep_id_for_grid_search": 0, "profile": None, "task": "tuple", "batch_size": 128, "test_batch_size": None,
    "mask_batch_size": None, "lr": 1e-3, "wd": 0, "optimizer": "adam", "lr_warmup": 0, "lr_sched.steps": "",
    "lr_sched.gamma": 0.1, "grad_clip": 1.0, "stop_after": None, "test_interval": 1000, "n_digits": 1,
    "layer_sizes": "800,800,256", "state_size": 128, "n_layers": 2, "dropout": 0,
    "encoder_decoder.embedding_size": 16, "transformer.n_heads": 4, "transformer.ff_multiplier": 2,
    "transformer.encoder_n_layers": 3, "transformer.decoder_n_layers": 3, "transformer.use_paper_lr_schedule": 0,
    "cnn.dropout": 1, "tuple.mode": "together", "tuple.tuple2_delay": 0, "mask_lr": 1e-2, "mask_loss_weight": 1e-4,
    "mask_init": 2.0, "step_per_mask": 10_000, "scale_mask_loss": 0, "masking.warmup.nsteps": 0, "bias_no_mask": 0,
    "analysis.enable": 1, "analysis.plot_masks": 1, "analysis.only_verify_masks": 0, "analysis.skip_layernorm": 0,
    "inv_mask_exclude_io": "none", "scan.train_split": "simple", "scan.analyze_splits": "jump,length,turn_left",
    "dm_math.tasks": "algebra__linear_1d", "dm_math.train_splits": "easy,medium,hard", "dm_math.masks_splits": "easy",
    "class_removal.keep_last_layer": 0, "mask_stability.measure_on": "minimal", "transfer.mask_new_init": 2.0,
    "transfer.mask_used_init": 2.0, "transfer.reset_first_layer": 1, "restore_pretrained": None, "test_pretrained": 1,
    "train_baseline": 0,
}  # fmt: skip
SCAN = {
    "task": "scan", "n_layers": 2, "state_size": 200, "lr": 1e-3, "grad_clip": 5, "stop_after": 15_000,
    "step_per_mask": 15_000, "bias_no_mask": 1, "batch_size": 256, "mask_loss_weight": 3e-5, "dropout": 0.5,
}  # fmt: skip
PROFILES: dict[str, dict[str, Any]] = {
    "scan": SCAN,
    "trafo_scan": SCAN | {
        "task": "trafo_scan", "state_size": 100, "mask_loss_weight": 6e-4, "test_batch_size": 2048,
    },
    "add_mul": {
        "task": "addmul", "state_size": 256, "n_digits": 2, "stop_after": 20_000, "step_per_mask": 20_000,
        "mask_loss_weight": 1e-4, "bias_no_mask": 1,
    },
    "tuple": {
        "task": "tuple", "state_size": 256, "n_digits": 2, "stop_after": 20_000, "step_per_mask": 20_000,
        "mask_loss_weight": 1e-4, "mask_lr": 0.01,
    },
    "cifar10_class_removal": {
        "stop_after": 20_000, "step_per_mask": 20_000, "mask_loss_weight": 3e-4, "mask_lr": 1e-3,
        "class_removal.keep_last_layer": 1, "task": "cifar10_class_removal",
    },
    "cifar10_resnet_hp": {
        "task": "cifar10_resnet_hp_class_removal", "wd": 1e-4, "optimizer": "sgd", "lr": 0.1,
        "lr_sched.steps": "32000,48000", "stop_after": 64_000, "mask_loss_weight": 2e-5, "mask_lr": 0.03,
        "mask_batch_size": 256, "step_per_mask": 30_000, "class_removal.keep_last_layer": 1,
    },
    "deepmind_math": {
        "task": "deepmind_math", "lr": 1e-4, "stop_after": 50_000, "step_per_mask": 20_000, "bias_no_mask": 1,
        "batch_size": 256, "mask_loss_weight": 1e-3, "state_size": 512, "transformer.n_heads": 8,
        "transformer.ff_multiplier": 4, "transformer.encoder_n_layers": 6, "transformer.decoder_n_layers": 6,
        "test_batch_size": 1024, "grad_clip": 0.1,
    },
}  # fmt: skip

TRAINING = {
    "stop_after": "train.steps", "batch_size": "train.batch_size", "test_batch_size": "train.eval_batch_size",
    "lr": "train.lr", "wd": "train.weight_decay", "optimizer": "train.optimizer", "lr_warmup": "train.warmup",
    "grad_clip": "train.grad_clip", "test_interval": "train.eval_every",
}  # fmt: skip
MASKS = {
    "mask_lr": "mask.lr", "mask_init": "mask.init", "step_per_mask": "mask.steps", "mask_batch_size": "mask.batch_size",
    "masking.warmup.nsteps": "mask.warmup",
}  # fmt: skip
FEED_FORWARD = {"n_digits": "n_digits", "layer_sizes": "layer_sizes"}
RECURRENT = {"n_digits": "n_digits", "state_size": "state_size", "n_layers": "n_layers"}
SPLITS = {"scan.train_split": "scan.train_split", "scan.analyze_splits": "scan.analyze_splits"}
TRANSFORMER = {"state_size": "state_size"} | {
    f"transformer.{name}": f"transformer.{name}"
    for name in ("n_heads", "ff_multiplier", "encoder_n_layers", "decoder_n_layers")
}
OF_TASK: dict[str, dict[str, str]] = {
    "tuple": RECURRENT | {"tuple.mode": "tuple.mode", "tuple.tuple2_delay": "tuple.delay"},
    "tuple_ff": FEED_FORWARD,
    "tuple_ff_copyweight": FEED_FORWARD,
    "addmul": RECURRENT,
    "addmul_ff": FEED_FORWARD,
    "scan": SPLITS | {
        "state_size": "state_size", "n_layers": "n_layers", "dropout": "dropout",
        "encoder_decoder.embedding_size": "embedding_size",
    },
    "trafo_scan": SPLITS | TRANSFORMER,
    "deepmind_math": TRANSFORMER | {
        "dm_math.tasks": "dm_math.modules", "dm_math.train_splits": "dm_math.train_splits",
        "dm_math.masks_splits": "dm_math.mask_splits",
    },
    "cifar10_class_removal": {},
    "cifar10_resnet_hp_class_removal": {},
    "cifar10_mask_stability": {"mask_stability.measure_on": "mask_stability.measure_on"},
    "cifar10_grad_cos_distance": {},
    "permuted_mnist": {
        "layer_sizes": "layer_sizes", "stop_after": "mask.steps", "batch_size": "mask.batch_size",
        "mask_lr": "mask.lr", "mask_loss_weight": "mask.penalty", "grad_clip": "mask.grad_clip",
        "test_interval": "eval_every", "transfer.mask_new_init": "transfer.mask_new_init",
        "transfer.mask_used_init": "transfer.mask_used_init",
    },
}  # fmt: skip
INVERSE = {"fullmask": "control", "ones": "ones"}
BASELINES = ("scan", "trafo_scan", "deepmind_math")
CNN = ("cifar10_class_removal", "cifar10_mask_stability", "cifar10_grad_cos_distance")
DROPPED = {
    "log": "Sieve shows runs where it finds a tracker (log)",
    "reset": "a finished run is never overwritten",
    "save_interval": "run.checkpoint_every, in every run; it changes no result",
    "gpu": "where a run is executed: --gpus of run.py, run.device of main.py",
    "keep_alive": "no server is started",
    "analysis.plot_masks": "figures are drawn afterwards, by paper/",
    "test_pretrained": "a restored network is always evaluated",
}
IGNORED = ("lr", "wd", "optimizer", "lr_warmup", "lr_sched.steps", "mask_batch_size", "step_per_mask", "mask_init")


def translate(run: Translation) -> None:
    """Say a run of modules in Sieve's options."""
    words = run.words
    _with_profiles(run)
    task = str(words["task"])
    if task not in OF_TASK:
        raise SweepError(f"task={task} is none of the original's: {', '.join(OF_TASK)}")
    run.values["task"] = task
    run.rename(OF_TASK[task])
    run.drop(DROPPED)
    if words["restore_pretrained"] and task != "permuted_mnist":
        run.put("restore_pretrained", words["restore_pretrained"], "restore_pretrained")
        run.note("restore_pretrained names a finished run of Sieve here; there DIR/<repetition>/model.pth")
    if words["seed"] is not None:
        run.put("seed", words["seed"], "seed")
    else:
        run.put("seed", words["sweep_id_for_grid_search"], "sweep_id_for_grid_search")
        if "sweep_id_for_grid_search" in run.given:
            run.note("sweep_id_for_grid_search only numbered runs without a seed; here the number is the seed")
    run.cannot("scale_mask_loss", "the regulariser has one weight for all tensors")
    if task == "permuted_mnist":
        _permuted(run)
    else:
        _trained(run, task)
    unused = run.given - set(OF_TASK[task]) - USED.get(task, USED[""])
    for word in sorted(unused & ONLY_SOME):
        run.note(f"{word}={words[word]} is dropped: {task} does not use it, there or here")


def _with_profiles(run: Translation) -> None:
    profile = run.words["profile"]
    for name in str(profile).split(",") if profile else ():
        if name not in PROFILES:
            raise SweepError(f"profile={name} is none of the original's: {', '.join(PROFILES)}")
        run.words.update({word: value for word, value in PROFILES[name].items() if word not in run.given})
    if profile:
        run.note(f"profile={profile} is written out where it differs from the defaults of the task")


def _permuted(run: Translation) -> None:
    run.put("mask.bias", not run.words["bias_no_mask"], "bias_no_mask")
    run.put("transfer.reset_first_layer", bool(run.words["transfer.reset_first_layer"]), "transfer.reset_first_layer")
    if run.words["test_batch_size"]:
        run.put("eval_batch_size", run.words["test_batch_size"], "test_batch_size")
    for word in IGNORED:
        if word in run.given:
            run.note(f"{word}={run.words[word]} is dropped: the original ignores it in permuted_mnist")


def _trained(run: Translation, task: str) -> None:
    words = run.words
    run.rename(TRAINING | MASKS)
    batch, mask_batch = int(words["batch_size"]), int(words["mask_batch_size"] or words["batch_size"])
    penalty = float(words["mask_loss_weight"]) * mask_batch / batch
    run.put("mask.penalty", float(f"{penalty:.12g}"), "mask_loss_weight")
    if mask_batch != batch:
        run.note(
            "mask_loss_weight is divided by the training batch there and by the mask batch here: mask.penalty is "
            "mask_loss_weight * mask_batch_size / batch_size"
        )
    run.put("mask.bias", not words["bias_no_mask"], "bias_no_mask")
    run.put("only_control", bool(words["analysis.only_verify_masks"]), "analysis.only_verify_masks")
    if words["analysis.skip_layernorm"]:
        run.put("mask.exclude", ("*embedding*", "*norm*"), "analysis.skip_layernorm")
    if words["lr_sched.steps"]:
        run.put("train.schedule", "step", "lr_sched.steps")
        run.put("train.decay_at", words["lr_sched.steps"], "lr_sched.steps")
        run.put("train.decay", words["lr_sched.gamma"], "lr_sched.gamma")
    if words["transformer.use_paper_lr_schedule"]:
        run.put("train.schedule", "inverse_sqrt", "transformer.use_paper_lr_schedule")
        run.put("train.warmup", 4000, "transformer.use_paper_lr_schedule")
    if words["stop_after"] is None:
        del run.values["train.steps"]
        run.note("stop_after is not given, and the original trains for ever; train.steps is the default of the task")
    _special(run, task)


def _special(run: Translation, task: str) -> None:
    words = run.words
    if task.startswith(("tuple", "addmul")):
        run.note("the original draws its test pairs from those it trains on (data.split=seen); here they are unseen")
        if "inv_mask_exclude_io" in run.given:
            run.put("inverse_io", INVERSE.get(str(words["inv_mask_exclude_io"]), "none"), "inv_mask_exclude_io")
        else:
            run.note("inverse_io: one run measures all three; there one, inv_mask_exclude_io")
    if task in BASELINES:
        run.note("the original validates on test sets (hold_out=0); here a part of the training data is held out")
        run.put("train_baseline", bool(words["train_baseline"]) or not words["analysis.enable"], "analysis.enable")
        if not words["analysis.enable"] and task != "deepmind_math":
            run.values |= {"scan.train_split": "simple", "scan.analyze_splits": words["scan.train_split"]}
            run.note("scan.train_split without analysis: with train_baseline, scan.analyze_splits names the split")
    elif not words["analysis.enable"]:
        run.note("analysis.enable=0 cannot be said: this task always learns masks")
    if "cifar10" in task:
        if task != "cifar10_grad_cos_distance":
            run.put("keep_last_layer", bool(words["class_removal.keep_last_layer"]), "class_removal.keep_last_layer")
        if task in CNN:
            run.put("dropout", bool(words["cnn.dropout"]), "cnn.dropout")
        else:
            run.values |= {"train.grad_clip": None, "mask.grad_clip": run.values["train.grad_clip"]}
            run.note("the original validates on the test images (data.hold_out=false), and clips no gradient in the "
                     "training of the network")  # fmt: skip


_COMMON = {"analysis.enable", "class_removal.keep_last_layer", "cnn.dropout", "train_baseline", "inv_mask_exclude_io"}
ONLY_SOME = frozenset(
    {word for names in OF_TASK.values() for word in names} - set(TRAINING) - set(MASKS) - {"mask_loss_weight"}
)
USED: dict[str, set[str]] = {"": _COMMON, "scan": _COMMON | set(SPLITS), "permuted_mnist": _COMMON}
MODULES = Original(
    "RobertCsordas/modules",
    DEFAULTS,
    frozenset({
        "sweep_id_for_grid_search", "stop_after", "step_per_mask", "mask_loss_weight", "bias_no_mask", "profile",
        "inv_mask_exclude_io", "test_interval", "mask_lr", "dm_math.tasks", "analysis.enable", "task",
        "n_digits",
    }),
    translate,
    scripts=r"main\.py",
    aliases={"dm_math.task": "dm_math.tasks"},
)  # fmt: skip
