"""Many masks of one network at one bit per weight, for thousands of tasks in one frozen network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import MaskError
from masks.algebra import Masks

BLOCK = 64  # masks for which room is made at once
POSITIONS = 1024  # bytes of every mask looked at together


class PackedMasks:
    """T masks as packed bits, [bytes, T] uint8: byte p of all masks is contiguous.

    Args:
        shapes: of the masked parameters, by name.
        room: number of masks expected; more are taken all the same.
        device: where the bits lie.
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]], room: int = 0, device: torch.device | str = "cpu"):
        self.shapes = {name: torch.Size(shape) for name, shape in shapes.items()}
        self.sizes = [math.prod(shape) for shape in self.shapes.values()]
        self.weights = sum(self.sizes)
        self.count = 0
        self._bits = torch.zeros(-(-self.weights // 8), room, dtype=torch.uint8, device=device)
        self._kept = torch.zeros(self.weights, device=device)  # by how many masks each weight is kept

    def __len__(self) -> int:
        return self.count

    @property
    def bits(self) -> Tensor:
        """The packed bits, [bytes, T] uint8."""
        return self._bits[:, : self.count]

    def nbytes(self) -> int:
        """Return the bytes that the masks take, room for more included."""
        return self._bits.nbytes

    def add(self, masks: Masks) -> int:
        """Store one more mask and return its number.

        Raises:
            MaskError: the masks are for other tensors, or have signs.
        """
        masks.check_fits(self.shapes)
        if any(mask.dtype != torch.bool for mask in masks.values()):
            raise MaskError("masks with signs do not fit into a bit for each weight")
        if self.count == self._bits.shape[1]:
            room = self._bits.new_zeros(self._bits.shape[0], BLOCK)
            self._bits = torch.cat([self._bits, room], dim=1)
        self.count += 1
        self._put(self.count - 1, masks)
        return self.count - 1

    def replace(self, number: int, masks: Masks) -> None:
        """Put other masks in the place of mask `number`.

        Raises:
            MaskError: there is no such mask, or the masks are for other tensors.
        """
        masks.check_fits(self.shapes)
        self._kept -= torch.cat([mask.flatten() for mask in self.masks(number).values()]).to(self._kept)
        self._put(number, masks)

    def _put(self, number: int, masks: Masks) -> None:
        flat = torch.cat([masks[name].flatten() for name in self.shapes])
        self._bits[:, number] = torch.from_numpy(np.packbits(flat.cpu().numpy())).to(self._bits.device)
        self._kept += flat.to(self._kept)

    def masks(self, number: int) -> Masks:
        """Return mask `number`.

        Raises:
            MaskError: there is no such mask.
        """
        if not 0 <= number < self.count:
            raise MaskError(f"there is no mask {number}; there are {self.count}, from 0")
        return Masks(self._by_name(self._unpacked(torch.tensor([number]))[:, 0].bool()))

    def mean(self) -> dict[str, Tensor]:
        """Return the mean of all masks by parameter; it is kept up to date, so no mask is looked at.

        Raises:
            MaskError: there is no mask.
        """
        if self.count == 0:
            raise MaskError("there is no mask")
        return self._by_name(self._kept / self.count)

    def mix(self, alphas: Tensor) -> dict[str, Tensor]:
        """Return sum over k of alpha_k M_k by parameter; masks whose alpha is 0 are not looked at.

        Args:
            alphas: [T].
        """
        chosen = alphas.nonzero()[:, 0]
        flat = torch.zeros_like(self._kept)
        for part in chosen.split(BLOCK):
            flat += self._unpacked(part).to(flat.dtype) @ alphas[part].to(flat)
        return self._by_name(flat)

    def inner(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the inner product of every mask with the tensors, [T]: the sum of the entries that it keeps.

        For each byte of a mask the sums of its 256 possible values are made once and then looked up, so no mask is
        ever unpacked.

        Args:
            tensors: parameter name -> tensor of its shape.
        """
        flat = torch.cat([tensors[name].detach().flatten() for name in self.shapes]).float()
        eights = torch.nn.functional.pad(flat, (0, 8 * self._bits.shape[0] - self.weights)).view(-1, 8)
        found = flat.new_zeros(self.count)
        if self.count == 0:
            return found
        place = torch.empty(POSITIONS, self.count, dtype=torch.int64, device=flat.device)
        for start in range(0, len(eights), POSITIONS):
            part = eights[start : start + POSITIONS]
            sums = part.new_zeros(len(part), 1)
            for bit in range(7, -1, -1):  # the first entry is the highest bit
                sums = torch.cat([sums, sums + part[:, bit : bit + 1]], dim=1)
            rows = place[: len(part)].copy_(self.bits[start : start + POSITIONS])
            found += sums.gather(1, rows).sum(0)
        return found

    def _by_name(self, flat: Tensor) -> dict[str, Tensor]:
        parts = zip(self.shapes.items(), flat.split(self.sizes), strict=True)
        return {name: part.view(shape) for (name, shape), part in parts}

    def _unpacked(self, chosen: Tensor) -> Tensor:
        """Return chosen masks as zeros and ones, [weights, C] uint8."""
        columns = self.bits[:, chosen.to(self._bits.device)].cpu().numpy()
        return torch.from_numpy(np.unpackbits(columns, axis=0, count=self.weights)).to(self._bits.device)
