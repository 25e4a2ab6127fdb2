"""How many weights of each tensor, layer, block or whole network one or two subnets use, alone and together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.errors import MaskError
from masks.algebra import Masks

By = Literal["tensor", "layer", "block", "network"]
RECURRENT = re.compile(r"(?:weight|bias)_\w+_(l\d+)(?:_reverse)?$")  # torch keeps all layers of an LSTM in one module
NUMBERED = re.compile(r"(?:\w*_)?\d+")  # blocks.3, encoder_layer_3


@dataclass(frozen=True)
class Part:
    """Weights of one part of a network, each counted once.

    Attributes:
        name: of the tensor, layer or block; "network" of all.
        weights: maskable weights, used or not.
        shared: used by both subnets.
        first, second: used by one of them alone; of a single subnet, `first` is all that it uses.
        chance: expected number of shared ones if each subnet kept as many weights of each tensor, drawn at random.
    """

    name: str
    weights: int
    shared: int
    first: int
    second: int
    chance: float

    @property
    def unused(self) -> int:
        """Weights that neither uses."""
        return self.weights - self.shared - self.first - self.second


def parts(first: Masks, second: Masks | None, by: By) -> list[Part]:
    """Count the weights of each part, in the order of the network.

    Args:
        first: a subnet's masks; a weight whose sign is flipped counts as used.
        second: those of another subnet of the same network; None: there is no other.
        by: what a part is, see `part_of`.

    Raises:
        MaskError: the masks are not for the same tensors.
    """
    other = first - first if second is None else second
    both, alone, second_alone = first & other, first - other, other - first
    found = []
    for name, tensors in _grouped(first, by).items():
        shared, mine, theirs = (sum(int(m[t].count_nonzero()) for t in tensors) for m in (both, alone, second_alone))
        chance = sum(int(first[t].count_nonzero()) * float((other[t] != 0).double().mean()) for t in tensors)
        found.append(Part(name, sum(first[t].numel() for t in tensors), shared, mine, theirs, chance))
    return found


def part_of(tensor: str, by: By) -> str:
    """Return the part of the network that a tensor is in.

    A layer is the module that holds the tensor (of a recurrent module: one of its layers); a block is what ends in the
    first number of the dotted name (`blocks.3`, `layer1.0`, `encoder.layers.encoder_layer_3`), and a layer outside
    any stands for itself.
    """
    if by == "tensor":
        return tensor
    if by == "network":
        return "network"
    *path, own = tensor.split(".")
    recurrent = RECURRENT.match(own)
    layer = ".".join([*path, recurrent[1]] if recurrent else path or [own])
    if by == "layer":
        return layer
    ends = next((i for i, word in enumerate(path) if NUMBERED.fullmatch(word)), None)
    return layer if ends is None else ".".join(path[: ends + 1])


def _grouped(tensors: Iterable[str], by: By) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tensor in tensors:
        found.setdefault(part_of(tensor, by), []).append(tensor)
    if not found:
        raise MaskError("these masks have no tensors")
    return found
