"""Mask files: packed bits in an .npz or in a .safetensors, with what they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from core.errors import MaskError
from core.files import write_atomic, write_npz
from core.npz import Unreadable, read_npz

NETWORK, STATISTICS = "|network", "|statistics|"  # no parameter can be called so
SUFFIXES = (".npz", ".safetensors")


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Return 16 hex digits that tell these weights from others: of their names, shapes and values."""
    digest = hashlib.sha256()
    for name, weight in weights.items():
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        # bytes, since numpy has no bfloat16
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def read_statistics(path: Path, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Return the statistics of batch normalisation that lie beside the masks in a file that `Masks.load` can read."""
    tensors, _ = read_tensors(path)
    names = [name for name in tensors if name.startswith(STATISTICS)]
    return {name.removeprefix(STATISTICS): tensors[name].to(device) for name in names}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], network: str) -> None:
    """Write tensors and the fingerprint of a network ("": none), atomically, in the format of the path's suffix.

    Raises:
        MaskError: the suffix is neither .npz nor .safetensors.
    """
    suffix = _suffix(path)
    if suffix == ".safetensors":
        # the format sorts its tensors; masks are laid side by side in the order of the network
        about = {"network": network, "order": json.dumps([*tensors])}
        write_atomic(path, safetensors_bytes({name: tensor.contiguous() for name, tensor in tensors.items()}, about))
    else:
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        write_npz(path, arrays | ({NETWORK: np.array(network)} if network else {}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Return what `write_tensors` wrote.

    Raises:
        MaskError: there is no such file, or it is none of its.
    """
    suffix = _suffix(path)
    try:
        if suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                names = json.loads(about.get("order", "[]")) or file.keys()
                return {name: file.get_tensor(name) for name in names}, about.get("network", "")
        arrays = read_npz(path)
        network = str(arrays.pop(NETWORK, ""))
        return {name: torch.from_numpy(array) for name, array in arrays.items()}, network
    except FileNotFoundError:
        there = ", ".join(sorted(p.stem for p in Path(path).parent.glob(f"*{suffix}"))) or "none"
        raise MaskError(f"no mask file {path}; masks there: {there}") from None
    except Unreadable as error:
        raise MaskError(f"{path} is not a mask file: it {error}") from None
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise MaskError(f"{path} is not a mask file: {(str(error).splitlines() or ['?'])[0]}") from None


def _suffix(path: Path) -> str:
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise MaskError(f"{path}: mask files end in {' or '.join(SUFFIXES)}")
    return suffix
