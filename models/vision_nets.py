"""Networks for images by name: ours for cues, and torchvision's ResNet-18 and ViT-B/16 as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from core.errors import CheckpointError, OptionError
from core.registry import nearest
from core.rng import stream
from models.cue_cnn import CueCNN
from models.foreign_checkpoints import read_tensors

HEADS = {"cue_cnn": "heads", "resnet18": "fc", "vit_b_16": "heads"}  # the last layer of each
LAYERS = (nn.Linear, nn.Conv2d, nn.MultiheadAttention)


def vision_net(name: str, classes: int, seed: int, heads: Sequence[str] = ("class",)) -> nn.Module:
    """Return a network that maps images [B, 3, H, W] to logits [B, classes], ours to [B, heads, classes].

    Args:
        name: one of `HEADS`; ViT-B/16 needs H = W = 224.
        classes: outputs of the last layer.
        seed: of its weights; torchvision's are drawn as it draws them.
        heads: names of the last layers of ours.

    Raises:
        OptionError: an unknown name.
    """
    if name not in HEADS:
        raise OptionError(f"unknown network {name!r}; allowed: {', '.join(HEADS)}{nearest(name, HEADS)}")
    if name == "cue_cnn":
        return CueCNN(classes=classes, heads=heads, rng=stream(seed, "weights"))
    from torchvision import models  # slow to import, and other networks need it not

    with torch.random.fork_rng(devices=[]):  # their constructors draw from the global generator
        torch.manual_seed(seed)
        return getattr(models, name)(num_classes=classes)


def load_pretrained(network: nn.Module, name: str, path: Path) -> None:
    """Fill all but the last layer with the weights that torchvision has for a network on ImageNet.

    Args:
        network: of `vision_net`.
        name: of the network.
        path: the file, such as resnet18-f37072fd.pth.

    Raises:
        CheckpointError: there is no such file, or it has weights of another network.
    """
    found, own = read_tensors(Path(path)), network.state_dict()
    wanted = [key for key in own if not is_head(name, key)]
    for key in wanted:
        if key not in found or found[key].shape != own[key].shape:
            has = list(found[key].shape) if key in found else "nothing"
            raise CheckpointError(f"{path} is of another network: {key} is {has}, of {name} {list(own[key].shape)}")
    network.load_state_dict({key: found[key] for key in wanted}, strict=False)


def is_head(name: str, parameter: str) -> bool:
    """True of a parameter of the last layer of a network of that name."""
    return parameter.startswith(f"{HEADS[name]}.")


def layer_parameters(network: nn.Module) -> list[str]:
    """Return the names of the weights and biases of linear layers, convolutions and attention, in their order."""
    return [
        f"{path}.{name}" if path else name
        for path, module in network.named_modules() if isinstance(module, LAYERS)
        for name, _ in module.named_parameters(recurse=False)
    ]  # fmt: skip
