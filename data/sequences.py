"""Pairs of sequences, such as a question and its answer, kept without padding and cut into batches on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

SIDES, PARTS = ("source", "target"), ("flat", "start", "length")


class Pairs(NamedTuple):
    """A batch.

    Attributes:
        source: [B, S] int64, rows padded with the number behind the vocabulary's last word.
        source_length: [B] int64.
        target: [B, T] int64, padded in the same way.
        target_length: [B] int64.
    """

    source: Tensor
    source_length: Tensor
    target: Tensor
    target_length: Tensor


@dataclass(frozen=True)
class Words:
    """One side of many pairs.

    Attributes:
        flat: [words of all] uint8, one sequence behind the other, on the device.
        start: [N] int64, where each begins; on the CPU, as batches are chosen there.
        length: [N] int64, on the CPU.
        end: the number behind the vocabulary's last word, which also ends a sequence.
    """

    flat: Tensor
    start: Tensor
    length: Tensor
    end: int

    def texts(self) -> list[bytes]:
        """Return every sequence."""
        flat = self.flat.cpu().numpy().tobytes()
        return [flat[at : at + count] for at, count in zip(self.start.tolist(), self.length.tolist(), strict=True)]

    def padded(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sequences of these numbers [B] as [B, longest of them], and their lengths [B]."""
        device = self.flat.device
        length = self.length[index]
        places = torch.arange(int(length.max()), device=device)
        start, length = self.start[index].to(device), length.to(device)
        inside = places < length[:, None]
        return torch.where(inside, self.flat[(start[:, None] + places) * inside].long(), self.end), length


@dataclass(frozen=True)
class Sequences:
    """Pairs of a source and its target.

    Attributes:
        source, target: both sides, of the same N.
    """

    source: Words
    target: Words

    def __len__(self) -> int:
        return len(self.source.start)

    def __getitem__(self, chosen: Tensor | slice) -> Sequences:
        """Return some of the pairs; their words stay where they are."""
        sides = (replace(w, start=w.start[chosen], length=w.length[chosen]) for w in (self.source, self.target))
        return Sequences(*sides)

    def to(self, device: torch.device | str) -> Sequences:
        """Return the same with the words on a device."""
        return Sequences(*(replace(w, flat=w.flat.to(device)) for w in (self.source, self.target)))

    def tensors(self) -> dict[str, Tensor]:
        """Return what they are made of, to be kept in a file."""
        return {f"{side}_{part}": getattr(getattr(self, side), part) for side in SIDES for part in PARTS}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], ends: tuple[int, int]) -> Sequences:
        """Return the pairs whose `tensors` these are; `ends` as for `encode`."""
        sides = []
        for side, end in zip(SIDES, ends, strict=True):
            flat, start, length = (tensors[f"{side}_{part}"] for part in PARTS)
            sides.append(Words(flat, start, length, end))
        return cls(*sides)

    def batch(self, index: Tensor) -> Pairs:
        """Return the pairs of these numbers [B], on the device."""
        return Pairs(*self.source.padded(index), *self.target.padded(index))

    def by_length(self) -> Tensor:
        """Return the pairs' numbers [N], by the length of the target and then by that of the source."""
        longest = int(self.source.length.max())
        return torch.argsort(self.target.length * (longest + 1) + self.source.length, stable=True)

    def buckets(self, size: int) -> Iterator[tuple[Tensor, Pairs]]:
        """Yield all pairs in batches of similar lengths: their numbers [B], on the CPU, and the batch."""
        for index in self.by_length().split(size):
            yield index, self.batch(index)


def encode(pairs: list[tuple[bytes, bytes]], ends: tuple[int, int]) -> Sequences:
    """Return pairs given as words' numbers, one byte each.

    Args:
        pairs: source and target.
        ends: number behind the last word of each side's vocabulary.
    """
    return Sequences(*(_side([pair[i] for pair in pairs], end) for i, end in enumerate(ends)))


def join(parts: list[Sequences]) -> Sequences:
    """Return the pairs of several sets of the same vocabularies, one set behind the other."""
    if len(parts) == 1:
        return parts[0]
    sides = []
    for words in ([part.source for part in parts], [part.target for part in parts]):
        before = torch.tensor([0, *(len(w.flat) for w in words)]).cumsum(0)
        start = torch.cat([w.start + offset for w, offset in zip(words, before, strict=False)])
        length = torch.cat([w.length for w in words])
        sides.append(Words(torch.cat([w.flat for w in words]), start, length, words[0].end))
    return Sequences(*sides)


def _side(texts: list[bytes], end: int) -> Words:
    length = torch.tensor([len(text) for text in texts], dtype=torch.int64)
    flat = torch.frombuffer(bytearray(b"".join(texts)) or bytearray(1), dtype=torch.uint8)
    return Words(flat, length.cumsum(0) - length, length, end)
