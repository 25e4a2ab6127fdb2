"""A subnetwork from a file: a run's mask, or a .pth file of the authors of edge-popup."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from core.errors import CheckpointError
from layers.batch_norm_stats import BATCH_NORMS, statistics_of
from masks.algebra import Masks
from masks.mask_files import fingerprint, read_statistics
from masks.model import MaskedModel
from masks.topk import largest
from models.foreign_checkpoints import read_tensors


def load_subnetwork(path: str, masked: MaskedModel, keep: float) -> Masks:
    """Return the masks of a file; of a .pth the weights and statistics too are put into the network.

    Of a .pth these keys of "state_dict" are read, in their order, a "module." in front or not: <layer>.weight and
    <layer>.scores of every layer that has scores, <layer>.running_mean and <layer>.running_var. The mask keeps all but
    int((1 - keep) n) of the n weights, those with the largest |score|, as the authors' code does.

    Args:
        path: .npz or .pth.
        masked: the network; that of a .npz must have the weights that its mask is for.
        keep: fraction of the weights kept, for a .pth.

    Raises:
        CheckpointError: there is no such file, it cannot be read, or it is of another network.
        MaskError: the .npz is not a mask file, or one of other weights.
    """
    device = next(iter(masked.weights.values())).device
    if not Path(path).is_file():
        raise CheckpointError(f"there is no file {path!r} with a subnetwork; a run's is masks/subnet.npz")
    if Path(path).suffix == ".npz":
        masks = Masks.load(Path(path), device, fingerprint(masked.weights))
        masks.check_fits(masked.shapes)
        ours = statistics_of(masked.model)
        for name, tensor in read_statistics(Path(path)).items():
            ours[name].copy_(tensor)
        return masks
    tensors = {name.removeprefix("module."): tensor for name, tensor in read_tensors(Path(path)).items()}
    layers = [name.removesuffix(".scores") for name in tensors if name.endswith(".scores")]
    if len(layers) != len(masked.weights):
        raise CheckpointError(f"{path} has scores of {len(layers)} layers; this network has {len(masked.weights)}")
    found = {}
    for layer, (name, weight) in zip(layers, masked.weights.items(), strict=True):
        theirs = [_linear(tensors[f"{layer}.{kind}"], weight) for kind in ("weight", "scores")]
        for tensor in theirs:
            if tensor.shape != weight.shape:
                raise CheckpointError(
                    f"{path} is of another network: its {layer} is {list(tensor.shape)}, {name} {list(weight.shape)}"
                )
        with torch.no_grad():
            weight.copy_(theirs[0])
        size = weight.numel()
        found[name] = largest(theirs[1].abs(), size - int((1 - keep) * size)).to(device)
    _fill_statistics(path, tensors, masked.model)
    return Masks(found)


def _linear(tensor: Tensor, weight: Tensor) -> Tensor:
    """Return a 1x1 convolution as the linear layer that we have in its place."""
    return tensor.flatten(1) if weight.dim() == 2 and tensor.shape[2:] == (1, 1) else tensor


def _fill_statistics(path: str, tensors: dict[str, Tensor], network: nn.Module) -> None:
    norms = [module for module in network.modules() if isinstance(module, BATCH_NORMS)]
    for kind in ("running_mean", "running_var"):
        theirs = [tensor for name, tensor in tensors.items() if name.endswith(f".{kind}")]
        ours = [getattr(norm, kind) for norm in norms]
        if [t.shape for t in theirs] != [t.shape for t in ours]:
            raise CheckpointError(f"{path} has {len(theirs)} batch normalisations; this network has {len(ours)} others")
        for buffer, tensor in zip(ours, theirs, strict=True):
            buffer.copy_(tensor)
