"""How much subnets share, per parameter and in total, and the expected value for random masks of the same sizes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_

from masks.algebra import Masks


def sharing(subnets: Mapping[str, Masks]) -> dict[str, float]:
    """Measure which part of each subnet other subnets use too, and how large it is.

    shared = |m and (union of the others)| / |m|. Random masks of the same size per tensor are expected to share
    the density of that union: a sharing at that level says nothing about reuse.

    Args:
        subnets: the subtasks' masks (the whole task's control left out).

    Returns:
        kept/<subnet>/<parameter|total>: weights kept;
        sharing/<subnet>/<parameter|total> and sharing_random/...: fractions, 0 for an empty mask; none of a single one.

    Source: "Are Neural Nets Modular?", section 3.1. Differs from the authors' code: its total divides the shared
    weights by the union of the masks; here, as in the paper's figures, by the mask's own weights.
    """
    numbers: dict[str, float] = {}
    for name, masks in subnets.items():
        kept = {p: int(m.count_nonzero()) for p, m in masks.items()}
        numbers |= _each(f"kept/{name}", kept, sum(kept.values()))
        if len(subnets) == 1:
            break
        others = reduce(or_, (other for key, other in subnets.items() if key != name))
        both = masks & others
        shared = {p: int(m.count_nonzero()) for p, m in both.items()}
        chance = {p: kept[p] * float(m.float().mean()) for p, m in others.items()}
        numbers |= _fractions(f"sharing/{name}", shared, kept)
        numbers |= _fractions(f"sharing_random/{name}", chance, kept)
    return numbers


def remaining(control: Masks, subnets: Mapping[str, Masks]) -> dict[str, float]:
    """Measure which part of the whole task's mask each subnet keeps: |control and m| / |control|.

    Returns:
        remaining/<subnet>/<parameter|total>.
    """
    size = {p: int(m.count_nonzero()) for p, m in control.items()}
    numbers: dict[str, float] = {}
    for name, masks in subnets.items():
        both = {p: int(m.count_nonzero()) for p, m in (control & masks).items()}
        numbers |= _fractions(f"remaining/{name}", both, size)
    return numbers


def overlap(a: Masks, b: Masks) -> dict[str, float]:
    """Measure intersection over union (iou) and over the smaller mask (iomin) of two subnets.

    Returns:
        iou/<parameter|total>, iomin/<parameter|total>; iou_random/... and iomin_random/...: the values of the
        expected intersection of two random masks of the same sizes per tensor.
    """
    inter = {p: int(m.count_nonzero()) for p, m in (a & b).items()}
    na, nb = ({p: int(m.count_nonzero()) for p, m in masks.items()} for masks in (a, b))
    chance = {p: na[p] * nb[p] / a[p].numel() for p in a}
    numbers: dict[str, float] = {}
    for suffix, both in (("", inter), ("_random", chance)):
        numbers |= _fractions(f"iou{suffix}", both, {p: na[p] + nb[p] - both[p] for p in a})
        smaller = {p: min(na[p], nb[p]) for p in a}
        numbers |= _each(
            f"iomin{suffix}",
            {p: _ratio(both[p], smaller[p]) for p in a},
            _ratio(sum(both.values()), min(sum(na.values()), sum(nb.values()))),
        )
    return numbers


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _fractions(prefix: str, part: Mapping[str, float], whole: Mapping[str, float]) -> dict[str, float]:
    total = _ratio(sum(part.values()), sum(whole.values()))
    return _each(prefix, {p: _ratio(part[p], whole[p]) for p in part}, total)


def _each(prefix: str, by_parameter: Mapping[str, float], total: float) -> dict[str, float]:
    return {f"{prefix}/{p}": float(value) for p, value in by_parameter.items()} | {f"{prefix}/total": float(total)}
