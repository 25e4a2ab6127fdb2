"""Configurations of Rock-Z/instilling-inductive-bias, folder math, which are parts of the task induction_math here."""

from __future__ import annotations

from typing import Any

from core.errors import SweepError
from launch.convert.original import Original, Translation, steps_of

FREE = {  # what an option of the libraries is where a file is silent
    "trainer_configs.weight_decay": 0.0, "trainer_configs.warmup_steps": 0,
    "trainer_configs.lr_scheduler_type": "linear", "trainer_configs.max_grad_norm": 1.0,
    "optim_configs.weight_decay": 0.01, "GPT_configs.attn_pdrop": 0.1,
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "reproducibility_configs.reproduce": False, "reproducibility_configs.random_seed": None,
    "data_configs.n_samples": None, "data_configs.max": 1000, "data_configs.p": 7, "data_configs.ambiguous": False,
    "data_configs.computation": None, "data_configs.n_disambiguation": None, "dataloader_configs.batch_size": 500,
    "dataloader_configs.shuffle": True, "dataloader_configs.num_workers": 0,
    **{f"trainer_configs.{name}": None for name in (
        "output_dir", "num_train_epochs", "per_device_train_batch_size", "per_device_eval_batch_size", "learning_rate",
        "evaluation_strategy", "logging_strategy", "save_strategy", "save_total_limit", "load_best_model_at_end",
        "report_to", "seed", "early_stopping_patience",
    )},
    "GPT_configs.vocab_size": None, "GPT_configs.n_positions": None, "GPT_configs.n_embd": 128,
    "GPT_configs.n_head": 4, "GPT_configs.n_layer": None, "GPT_configs.resid_pdrop": 0.1,
    "GPT_configs.embd_pdrop": 0.1, "circuit_configs.mask_method": "continuous_sparsification",
    "circuit_configs.mask_hparams.ablation": "none", "circuit_configs.mask_hparams.mask_unit": "weight",
    "circuit_configs.mask_hparams.mask_bias": False, "circuit_configs.mask_hparams.mask_init_value": -0.1,
    "circuit_configs.freeze_base": True, "circuit_configs.add_l0": False, "circuit_configs.l0_lambda": 1e-8,
    "train_configs.n_epochs": None, "train_configs.final_temp": 100, "train_configs.model_path": None,
    "train_configs.output_path": None, "train_configs.verbose": None, "train_configs.batch_size": None,
    "train_configs.inherit_from": None, "train_configs.freeze_subnet": None, "train_configs.wandb": None,
    "model_paths.original": None, "model_paths.subnet": None, "optim_configs.optim_name": "AdamW",
    "optim_configs.lr": None,
} | FREE  # fmt: skip
CONDITIONS = {
    "subnet": "subnet", "subnet_sampled": "random", "subnet_sampled_complement": "complement", "original": "full",
    "random": "scratch", "subnet_inverted": "inverse",
}  # fmt: skip
PLACES = "networks and results are found by the run itself (run.dir; parent names a finished run)"
DROPPED = {
    "trainer_configs.output_dir": PLACES,
    "train_configs.model_path": PLACES,
    "train_configs.output_path": PLACES,
    "model_paths.original": PLACES,
    "model_paths.subnet": PLACES,
    "train_configs.verbose": "a run says by itself how far it is",
    "train_configs.wandb": "log",
    "dataloader_configs.num_workers": "there are none; data lies in memory",
    "trainer_configs.load_best_model_at_end": "the network is that of the last step",
    "trainer_configs.early_stopping_patience": "train.steps is the length; the original stops earlier",
}
LISTED = ("data_configs.n_disambiguation", "train_configs.inherit_from", "optim_configs.lr")


def translate(run: Translation) -> None:
    """Say a configuration in Sieve's options: that of the base, of the mask, or of the transfers."""
    words = run.words
    run.values |= {"task": "induction_math", "narrow": True, "loss": "published"}
    run.drop(DROPPED)
    run.put("data.operands", words["data_configs.max"], "data_configs.max")
    run.put("data.modulus", words["data_configs.p"], "data_configs.p")
    run.values["data.held_out"] = words["data_configs.max"]
    run.note("the original tests on questions that may have been trained on (data.pool=all); here some never are")
    if words["reproducibility_configs.reproduce"] and words["reproducibility_configs.random_seed"] is not None:
        run.put("seed", words["reproducibility_configs.random_seed"], "reproducibility_configs.random_seed")
    else:
        run.note("its seed comes from the system; several are seed: {values: [1, 2, 3]}")
    if words["optim_configs.optim_name"] != "AdamW":
        raise SweepError(f"optim_configs.optim_name={words['optim_configs.optim_name']}: here it is AdamW")
    if words["train_configs.inherit_from"] is not None:
        _transfer(run)
    elif words["trainer_configs.learning_rate"] is not None or words["GPT_configs.n_layer"] is not None:
        _base(run)
    elif words["train_configs.n_epochs"] is not None:
        _mask(run)
    else:
        raise SweepError("neither a base (trainer_configs), nor a mask or transfers (train_configs)")
    run.note(
        "base, mask and transfers are one run here and three files there: put the parameters of all three together"
    )


def _needed(run: Translation, *words: str) -> None:
    lacking = [word for word in words if run.words[word] is None]
    if lacking:
        raise SweepError(f"{', '.join(lacking)} must be given, as in the original")


def _base(run: Translation) -> None:
    words, trainer = run.words, "trainer_configs"
    _needed(run, "data_configs.n_samples", "GPT_configs.n_layer", f"{trainer}.learning_rate",
            f"{trainer}.per_device_train_batch_size", f"{trainer}.num_train_epochs")  # fmt: skip
    run.rename({
        "GPT_configs.n_layer": "layers", "GPT_configs.n_embd": "width", "GPT_configs.n_head": "heads",
        "GPT_configs.resid_pdrop": "dropout", "data_configs.n_samples": "train.rows",
        f"{trainer}.learning_rate": "train.lr", f"{trainer}.per_device_train_batch_size": "train.batch_size",
        f"{trainer}.weight_decay": "train.weight_decay", f"{trainer}.warmup_steps": "train.warmup",
        f"{trainer}.max_grad_norm": "train.grad_clip", f"{trainer}.lr_scheduler_type": "train.schedule",
    })  # fmt: skip
    rows, batch = int(words["data_configs.n_samples"]), words[f"{trainer}.per_device_train_batch_size"]
    run.put("train.steps", steps_of(words[f"{trainer}.num_train_epochs"], rows, batch), f"{trainer}.num_train_epochs")
    run.note("train.steps is all epochs; the original stops when the loss has not fallen for ten of them")
    if words["data_configs.computation"]:
        run.put("train.rule", words["data_configs.computation"], "data_configs.computation")


def _mask(run: Translation) -> None:
    words, circuit = run.words, "circuit_configs"
    _needed(run, "data_configs.n_samples", "optim_configs.lr")
    hparams = f"{circuit}.mask_hparams"
    run.rename({
        "data_configs.n_samples": "mask.rows", "dataloader_configs.batch_size": "mask.batch_size",
        "optim_configs.lr": "mask.lr", "optim_configs.weight_decay": "mask.weight_decay",
        f"{hparams}.mask_unit": "mask.unit", f"{hparams}.mask_bias": "mask.bias",
        f"{hparams}.mask_init_value": "mask.init", "train_configs.final_temp": "mask.final_temperature",
    })  # fmt: skip
    run.put("mask.penalty", words[f"{circuit}.l0_lambda"] if words[f"{circuit}.add_l0"] else 0.0,
            f"{circuit}.l0_lambda", f"{circuit}.add_l0")  # fmt: skip
    rows, batch = int(words["data_configs.n_samples"]), words["dataloader_configs.batch_size"]
    run.put("mask.steps", steps_of(words["train_configs.n_epochs"], rows, batch), "train_configs.n_epochs")
    if words["data_configs.computation"]:
        run.put("mask.rule", words["data_configs.computation"], "data_configs.computation")
    run.cannot("data_configs.ambiguous", "a mask is learned on all pairs of operands", False)
    run.note("the original's temperature is raised twice after the first epoch; here once for every step")


def _transfer(run: Translation) -> None:
    words = run.words
    _needed(run, "train_configs.n_epochs", "train_configs.batch_size", "optim_configs.lr",
            "data_configs.n_disambiguation")  # fmt: skip
    named = _list(words["train_configs.inherit_from"])
    if unknown := [name for name in named if name not in CONDITIONS]:
        raise SweepError(f"train_configs.inherit_from={unknown[0]} is none of {', '.join(CONDITIONS)}")
    run.put("transfer.conditions", tuple(CONDITIONS[name] for name in named), "train_configs.inherit_from")
    run.put("transfer.donor", ("frozen" if words["train_configs.freeze_subnet"] else "trained",),
            "train_configs.freeze_subnet")  # fmt: skip
    run.put("transfer.disambiguating", tuple(_list(words["data_configs.n_disambiguation"])),
            "data_configs.n_disambiguation")  # fmt: skip
    run.rename({
        "train_configs.n_epochs": "transfer.epochs", "train_configs.batch_size": "transfer.batch_size",
        "optim_configs.weight_decay": "transfer.weight_decay",
    })  # fmt: skip
    run.put("transfer.evaluations", words["train_configs.n_epochs"])
    rates = _list(words["optim_configs.lr"])
    run.put("transfer.lr", rates[0], "optim_configs.lr")
    if len(rates) > 1:
        run.note(f"optim_configs.lr: of {', '.join(map(str, rates))} the first; there each is tried until one suffices")
    if words["data_configs.computation"]:
        run.put("transfer.rule", words["data_configs.computation"], "data_configs.computation")
        run.values["transfer.ambiguous"] = False
        run.note("with a computation the file is one of transfer_additional_computations.py: transfer.ambiguous=false")


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


INDUCTION = Original(
    "Rock-Z/instilling-inductive-bias", DEFAULTS, frozenset(word for word in DEFAULTS if "." in word), translate
)
