"""Masks: which weights a subnetwork uses, as named boolean tensors with set algebra."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.errors import MaskError
from core.registry import nearest
from masks.mask_files import STATISTICS, read_tensors, write_tensors
from masks.units import Unit


class Masks(Mapping[str, Tensor]):
    """An immutable mapping from parameter name to a boolean tensor of the parameter's shape.

    `a & b`, `a | b`, `a - b` and `~a` act entry by entry and need the same names and shapes on both sides.
    Signed masks are int8: -1 keeps a weight with its sign flipped. The algebra sees only what is kept.

    Args:
        tensors: name -> bool or int8 tensor.
        units: name -> the units that are kept or dropped as one (masks/units.py); a parameter without: single weights.

    Raises:
        MaskError: an entry is neither.
    """

    def __init__(self, tensors: Mapping[str, Tensor], units: Mapping[str, Unit] | None = None):
        for name, tensor in tensors.items():
            if tensor.dtype not in (torch.bool, torch.int8):
                raise MaskError(f"mask {name!r} is {tensor.dtype}; masks are torch.bool, signed ones torch.int8")
        self._tensors = dict(tensors)
        self.units = {name: unit for name, unit in (units or {}).items() if name in tensors}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise MaskError(f"no mask for {name!r}; there are: {', '.join(self)}{nearest(name, self)}")
        return self._tensors[name]

    def __contains__(self, name: object) -> bool:  # Mapping's expects a KeyError
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"Masks({len(self)} tensors, {self.count()} of {self.size()} weights kept)"

    def __and__(self, other: Masks) -> Masks:
        return self._with(other, torch.logical_and)

    def __or__(self, other: Masks) -> Masks:
        return self._with(other, torch.logical_or)

    def __sub__(self, other: Masks) -> Masks:
        return self._with(other, lambda a, b: torch.logical_and(a, torch.logical_not(b)))

    def __invert__(self) -> Masks:
        return Masks({name: torch.logical_not(mask) for name, mask in self.items()}, self.units)

    def _with(self, other: Masks, operation: Callable[[Tensor, Tensor], Tensor]) -> Masks:
        other.check_fits({name: mask.shape for name, mask in self.items()})
        units = {name: unit for name, unit in self.units.items() if other.units.get(name) == unit}
        return Masks({name: operation(mask, other[name]) for name, mask in self.items()}, units)

    def check_fits(self, shapes: Mapping[str, torch.Size]) -> None:
        """Raise MaskError unless these masks are exactly for tensors of these names and shapes."""
        for name in sorted(set(shapes) ^ set(self)):
            side = "lack" if name in shapes else "have an extra"
            raise MaskError(f"these masks {side} {name!r}{nearest(name, self if name in shapes else shapes)}")
        for name, mask in self.items():
            if mask.shape != shapes[name]:
                raise MaskError(
                    f"mask {name!r} has shape {tuple(mask.shape)}; the weight has shape {tuple(shapes[name])}"
                )

    def only(self, names: set[str]) -> Masks:
        """Return the masks of these parameters."""
        return Masks({name: mask for name, mask in self.items() if name in names}, self.units)

    def compact(self) -> dict[str, Tensor]:
        """Return the masks with one entry for each unit: name -> [*unit.scores], or the mask where there is none."""
        return {name: self.units[name].pick(mask) if name in self.units else mask for name, mask in self.items()}

    def count(self) -> int:
        """Return how many weights are kept."""
        return sum(int(mask.count_nonzero()) for mask in self.values())

    def size(self) -> int:
        """Return how many weights there are, kept or not."""
        return sum(mask.numel() for mask in self.values())

    def density(self) -> float:
        """Return the fraction of weights kept (0 when there are none)."""
        return self.count() / max(1, self.size())

    def iou(self, other: Masks) -> float:
        """Return intersection over union, 0 when both are empty."""
        return (self & other).count() / max(1, (self | other).count())

    def io_min(self, other: Masks) -> float:
        """Return intersection over the smaller of the two: 1 when one contains the other."""
        return (self & other).count() / max(1, min(self.count(), other.count()))

    def random(self, rng: torch.Generator, avoid: Masks | None = None) -> Masks:
        """Return random masks that keep the same number of weights in every tensor, with the same signs.

        Masks of units get random units.

        Args:
            rng: a CPU generator, e.g. `stream(seed, "control", ...)`.
            avoid: weights that are not drawn: `masks.random(rng, avoid=masks)` lies in the complement of `masks`.

        Raises:
            MaskError: what is not avoided is smaller than the mask, or `avoid` is for other tensors or units.
        """
        if avoid is not None:
            avoid.check_fits({name: mask.shape for name, mask in self.items()})
            if avoid.units != self.units:
                raise MaskError("masks of different units: what is drawn for one may lie partly in the other")
        taken = {} if avoid is None else avoid.compact()
        drawn = {}
        for name, bits in self.compact().items():
            kept, free = bits[bits != 0].cpu(), torch.arange(bits.numel())
            if name in taken:
                free = free[(taken[name] == 0).cpu().flatten()]
            if len(kept) > len(free):
                raise MaskError(
                    f"a control larger than its complement: mask {name!r} keeps {len(kept)} of {bits.numel()}, "
                    f"and {len(free)} are left to draw from"
                )
            flat = torch.zeros(bits.numel(), dtype=bits.dtype)
            flat[free[torch.randperm(len(free), generator=rng)[: len(kept)]]] = kept
            flat = flat.view(bits.shape).to(bits.device)
            drawn[name] = self.units[name].spread(flat) if name in self.units else flat
        return Masks(drawn, self.units)

    def packed(self) -> dict[str, Tensor]:
        """Return the masks as packed bits with their shapes: name -> uint8 [ceil(n / 8)], "name|shape" -> int64.

        Of a signed mask "name|negative" -> uint8 are the bits of the weights whose sign is flipped. Of a mask of units
        there is a bit for each unit; "name|unit" -> uint8 is the unit's name in ASCII, "name|view" and "name|scores" ->
        int64 are the shapes of `masks.units.Unit`.
        """
        tensors = {}
        for name, mask in self.compact().items():
            tensors[name] = torch.from_numpy(np.packbits((mask != 0).cpu().numpy().reshape(-1)))
            if mask.dtype == torch.int8:
                tensors[f"{name}|negative"] = torch.from_numpy(np.packbits((mask < 0).cpu().numpy().reshape(-1)))
            tensors[f"{name}|shape"] = torch.tensor(self[name].shape, dtype=torch.int64)
            if name in self.units:
                unit = self.units[name]
                tensors[f"{name}|unit"] = torch.tensor(list(unit.kind.encode()), dtype=torch.uint8)
                tensors[f"{name}|view"] = torch.tensor(unit.view, dtype=torch.int64)
                tensors[f"{name}|scores"] = torch.tensor(unit.scores, dtype=torch.int64)
        return tensors

    @classmethod
    def unpacked(cls, tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Masks:
        """Return the masks that `packed` wrote."""
        masks, units = {}, {}
        for name in tensors:
            if "|" not in name:
                shape = tuple(tensors[f"{name}|shape"].tolist())
                if f"{name}|unit" in tensors:
                    view, scores = (tuple(tensors[f"{name}|{part}"].tolist()) for part in ("view", "scores"))
                    units[name] = Unit(bytes(tensors[f"{name}|unit"].tolist()).decode(), shape, view, scores)
                held = units[name].scores if name in units else shape
                parts = [tensors[part] for part in (name, f"{name}|negative") if part in tensors]
                bits = [np.unpackbits(p.cpu().numpy(), count=int(np.prod(held, dtype=np.int64))) for p in parts]
                flat = bits[0].astype(bool) if len(bits) == 1 else bits[0].astype(np.int8) - 2 * bits[1].astype(np.int8)
                mask = torch.from_numpy(flat.reshape(held)).to(device)
                masks[name] = units[name].spread(mask) if name in units else mask
        return cls(masks, units)

    def save(self, path: Path | str, network: str = "", statistics: Mapping[str, Tensor] | None = None) -> None:
        """Write a file of packed bits, atomically: an eighth of a byte per weight.

        Args:
            path: where; its suffix is the format, .npz or .safetensors.
            network: fingerprint of the weights that these masks are for (`fingerprint`), if `load` is to check it.
            statistics: of batch normalisation under these masks, by buffer name; `read_statistics` returns them.

        Raises:
            MaskError: another suffix.
        """
        beside = {STATISTICS + name: tensor.cpu() for name, tensor in (statistics or {}).items()}
        write_tensors(Path(path), self.packed() | beside, network)

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu", network: str = "") -> Masks:
        """Read what `save` wrote.

        Args:
            path: where it lies.
            device: of the masks.
            network: fingerprint of the weights they will be used on; "": not checked.

        Raises:
            MaskError: the file is missing, is not a mask file, or was written for other weights.
        """
        tensors, written = read_tensors(Path(path))
        if network and written and written != network:
            raise MaskError(f"{path} holds masks of other weights: of network {written}, this is {network}")
        try:
            return cls.unpacked({name: t for name, t in tensors.items() if not name.startswith("|")}, device)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise MaskError(f"{path} is not a mask file: {(str(error).splitlines() or ['?'])[0]}") from None
