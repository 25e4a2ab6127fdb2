"""Loads weights into a network from a file: a run's tensors/*.npz, or a .pyT file of the original programs."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from core.errors import CheckpointError
from core.npz import Unreadable, read_npz
from layers import LocallyConnected2d


def load_weights(path: str | Path, network: nn.Module) -> None:
    """Fill a network with the weights of a file; layers are matched by their order, so names do not matter.

    Args:
        path: an .npz of arrays by parameter name, or what torch.save wrote: {"weights": state_dict, ...}, as the
            originals of R-norm and anarchitectural-search do in their .pyT files, or a bare state_dict. Their
            convolutional, locally connected and fully connected networks are read into ours of the same kind.
        network: whose parameters are replaced.

    Raises:
        CheckpointError: there is no such file, it cannot be read, or it holds the weights of another network.
    """
    path = Path(path)
    found, own = _by_layer(read_tensors(path)), _by_layer(dict(network.named_parameters()))
    modules = dict(network.named_modules())
    if len(found) != len(own):
        raise CheckpointError(f"{path} is of another network: it has {len(found)} layers with weights, not {len(own)}")
    ready: list[tuple[Tensor, Tensor]] = []
    for (theirs, tensors), (ours, parameters) in zip(found.items(), own.items(), strict=True):
        if isinstance(modules[ours], LocallyConnected2d):
            tensors = _local(tensors)
        shapes = [{kind: tuple(t.shape) for kind, t in part.items()} for part in (tensors, parameters)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"{path} is of another network: layer {theirs!r} has {_words(shapes[0])}, layer {ours!r} here "
                f"{_words(shapes[1])}"
            )
        ready += [(parameters[kind], tensors[kind]) for kind in parameters]
    with torch.no_grad():
        for parameter, tensor in ready:
            parameter.copy_(tensor)


def read_tensors(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of an .npz, or of what torch.save wrote: a state_dict alone, as "weights" or as "state_dict".

    Raises:
        CheckpointError: there is no such file, it cannot be read, or it holds no tensors by name.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {str(path)!r} with weights; a run's are in tensors/*.npz")
    try:
        if path.suffix == ".npz":
            return {name: torch.from_numpy(array) for name, array in read_npz(path).items()}
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch would recommend to unpickle it
        raise CheckpointError(f"{path} is not a torch.save file, or it holds more than tensors and numbers") from None
    except Unreadable as error:
        raise CheckpointError(f"{path} {error}") from None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, EOFError, MemoryError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read: {why}") from None
    weights = found.get("weights", found.get("state_dict", found)) if isinstance(found, dict) else found
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f"{path} holds no weights by name; expected a state_dict, or weights or state_dict")
    return weights


def _by_layer(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Group "0.features.1.weight" under "0.features.1"; the order stays that of the network."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.rpartition(".")
        layers.setdefault(layer, {})[kind] = tensor
    return layers


def _local(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring the originals' locally connected layer, weight [1, O, C, H, W, kh * kw], into ours, [L, kh * kw * C, O]."""
    weight, bias = tensors.get("weight"), tensors.get("bias")
    found = dict(tensors)
    if weight is not None and weight.dim() == 6:
        _, outputs, channels, height, width, kernel = weight.shape
        found["weight"] = weight[0].permute(2, 3, 4, 1, 0).reshape(height * width, kernel * channels, outputs)
    if bias is not None and bias.dim() == 4:
        found["bias"] = bias[0].permute(1, 2, 0).flatten(0, 1)
    return found


def _words(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{kind} {list(shape)}" for kind, shape in shapes.items())
