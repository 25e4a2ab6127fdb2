"""Loads the trained weights of a finished run into another one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from core.errors import OptionError
from core.store import Run


def restore(model: nn.Module, folder: str, seed: int, option: str = "restore_pretrained") -> Path:
    """Put the weights of a run into the model and return the run's folder.

    Args:
        model: of the same parameters and buffers.
        folder: of a finished run, or one below which exactly one finished run of that seed has weights for the model.
        seed: whose run is taken where there are several.
        option: what the folder was given as.

    Raises:
        OptionError: there is no such run, more than one, or one of another network.
    """
    path, hint = Path(folder), f"{option} is the folder of a finished run, or of a sweep's runs"
    if not path.is_dir():
        raise OptionError(f"no folder {folder!r}; {hint}")
    one = (path / "options.yaml").is_file()
    runs = Run.query(path) if one else Run.query(path, seed=seed)
    found = [run for run in runs if run.path("tensors", "weights.npz").is_file()]
    if not found:
        which = "" if one else f" of seed {seed}"
        raise OptionError(f"{folder} holds no finished run{which} with tensors/weights.npz; {hint}")
    reasons = [_why_not(model, run) for run in found]
    fitting = [run for run, reason in zip(found, reasons, strict=True) if not reason]
    if not fitting:
        raise OptionError(f"{found[0].folder} has weights of another network: {reasons[0]}")
    if len(fitting) > 1:
        names = ", ".join(run.folder.name for run in fitting)
        raise OptionError(f"{folder} holds {len(fitting)} runs of seed {seed} with such weights ({names}); name one")
    tensors = fitting[0].tensors("weights")
    model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return fitting[0].folder


def _why_not(model: nn.Module, run: Run) -> str:
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    there = {name: array.shape for name, array in run.tensors("weights").items()}
    if wanted == there:
        return ""
    name = next(name for name in {**wanted, **there} if wanted.get(name) != there.get(name))
    return f"{name} is {_said(there.get(name))}, here {_said(wanted.get(name))}"


def _said(shape: tuple[int, ...] | None) -> str:
    return "not there" if shape is None else str(list(shape))
