"""Mask stability: does training a mask twice for the same task on the same network give the same mask?"""

from __future__ import annotations

import math
from functools import cached_property

import torch

from analysis.overlap import overlap
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from masks.algebra import Masks
from tasks.modularity.class_options import MaskStabilityOptions
from tasks.modularity.class_subnets import ClassTask
from tasks.sizes import check_at_most

TIMES = ("first", "second")


class MaskStability(ClassTask[MaskStabilityOptions]):
    """Every mask is trained twice, with different samples and a different order of the same images.

    Source: Csordas et al., "Are Neural Nets Modular?", ICLR 2021, its code. Differs from it: pairs of classes do not
    repeat, and follow the seed; a last layer that every mask has in common does not count.
    """

    def __init__(self, options: MaskStabilityOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        check_at_most(options, "mask_stability.pairs", math.comb(self.classes, 2), "pairs of classes")

    @cached_property
    def sets_of_classes(self) -> dict[str, tuple[int, ...]]:
        """The classes that masks are learned twice for, by name."""
        chosen, count = self.options.mask_stability, self.classes
        if chosen.measure_on == "all":
            return {f"without_{c}": tuple(other for other in range(count) if other != c) for c in range(count)}
        pairs = torch.combinations(torch.arange(count))
        order = torch.randperm(len(pairs), generator=stream(self.options.seed, "pairs"))
        return {f"pair_{a}_{b}": (a, b) for a, b in pairs[order[: chosen.pairs]].tolist()}

    @property
    def subtasks(self) -> tuple[str, ...]:
        """Each set of classes twice."""
        return tuple(f"{name}.{time}" for name in self.sets_of_classes for time in TIMES)

    def classes_of(self, subtask: str) -> tuple[int, ...]:
        return self.sets_of_classes[subtask.rpartition(".")[0]]

    def compare(self) -> dict[str, float]:
        """Measure the overlap of each two masks, without and (as published) with what all masks have in common."""
        numbers, every = super().compare(), []
        if self.options.only_control:
            return numbers
        for name in self.sets_of_classes:
            masks = [self.masked.masks(f"{name}.{time}") for time in TIMES]
            learned = [Masks({n: m for n, m in both.items() if n not in self.from_control}) for both in masks]
            found = {key: value for key, value in overlap(*learned).items() if key.startswith("iou")}
            found["iou_published/total"] = overlap(*masks)["iou/total"]
            numbers |= {f"stability/{name}/{key}": value for key, value in found.items()}
            every.append(found)
        for key in ("iou", "iou_random", "iou_published"):
            numbers[f"stability/mean/{key}/total"] = sum(found[f"{key}/total"] for found in every) / len(every)
        return numbers
