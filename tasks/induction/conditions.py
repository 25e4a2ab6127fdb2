"""What a transfer begins with: a subnet of the donor, or one of the controls, grafted upon a new network."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from core.errors import MaskError
from core.rng import stream
from masks.algebra import Masks
from masks.graft import Graft
from masks.topk import largest
from tasks.induction.conditions_options import CONDITIONS, WITH_MASK, Cell, GraftOptions

log = logging.getLogger("sieve")


def kept(condition: str, masks: Masks, weights: Mapping[str, Tensor], seed: int, repeat: int = 0) -> Masks:
    """Return which of the masked parameters' weights a condition takes from the donor.

    Args:
        condition: one of `CONDITIONS`; of scratch nothing is kept, of full everything.
        masks: the subnet.
        weights: the donor's, by name; for magnitude.
        seed, repeat: of random masks, which are a function of these and of the condition.

    Raises:
        MaskError: the complement of the subnet is smaller than the subnet.
    """
    if condition == "subnet":
        return masks
    if condition == "inverse":
        return ~masks
    if condition in ("rest", "scratch", "full"):
        return Masks(
            {name: torch.full_like(mask, condition == "full", dtype=torch.bool) for name, mask in masks.items()}
        )
    if condition == "magnitude":
        return _largest(masks, weights)
    if condition not in CONDITIONS:
        raise MaskError(f"unknown condition {condition!r}; allowed: {', '.join(CONDITIONS)}")
    rng = stream(seed, "control", condition, repeat)
    return masks.random(rng, avoid=masks if condition == "complement" else None)


def _largest(masks: Masks, weights: Mapping[str, Tensor]) -> Masks:
    """Return masks that keep as many weights, or units, of every tensor: those of the largest mean |w|."""
    found = {}
    for name, bits in masks.compact().items():
        sizes, unit = weights[name].detach().abs(), masks.units.get(name)
        chosen = largest(sizes if unit is None else unit.mean(sizes), int(bits.count_nonzero()))
        found[name] = chosen if unit is None else unit.spread(chosen)
    return Masks(found, masks.units)


def check_complement(masks: Masks, conditions: Iterable[str]) -> None:
    """Look whether the control of the complement can have the size of the subnet.

    Raises:
        MaskError: it is asked for, and some tensor is kept by more than half; all such tensors are named.
    """
    if "complement" not in conditions:
        return
    beyond = {name: bits for name, bits in masks.compact().items() if 2 * int(bits.count_nonzero()) > bits.numel()}
    if beyond:
        named = ", ".join(f"{name} ({int(b.count_nonzero())} of {b.numel()})" for name, b in beyond.items())
        raise MaskError(
            f"transfer.conditions=complement: a control larger than its complement: the mask keeps more than half of "
            f"{named}; a larger mask.penalty or mask.reduction=tensor_mean makes it smaller, or leave complement out"
        )


def beside(masks: Masks, weights: Mapping[str, Tensor], seed: int) -> dict[str, Masks]:
    """Return the subnet and what it is measured beside: its inverse, controls of its size, and a control's inverse.

    Args:
        masks: the subnet.
        weights, seed: as of `kept`. The complement is left out where it is too small.
    """
    found = {"subnet": masks}
    for condition in ("inverse", "random", "complement", "magnitude"):
        try:
            found[condition] = kept(condition, masks, weights, seed)
        except MaskError as error:
            log.info("not measured: %s", error)
    return found | {"without_random": ~found["random"]}


def graft(
    cell: Cell, options: GraftOptions, model: nn.Module, donor: Mapping[str, Tensor], masks: Masks, seed: int
) -> Graft:
    """Return the network of a transfer, ready to be trained: `Stage(parameters=graft.trained, ...)`.

    Args:
        cell: which transfer.
        options: of the transfers.
        model: a new network, which is changed.
        donor: state dict of the base; {} for scratch.
        masks: the subnet; for conditions without a mask any masks of the same tensors.
        seed: of the run.

    Raises:
        MaskError: as of `kept`, or the donor's tensors have other names or shapes.
    """
    if cell.condition == "scratch":
        return Graft(model, {}, Masks({}), inherit=())
    if cell.condition == "full":
        return Graft(model, donor, Masks({}), inherit=("*",), frozen=False)
    chosen = kept(cell.condition, masks, donor, seed, cell.repeat)
    return Graft(model, donor, chosen, options.inherit, frozen=cell.condition in WITH_MASK and not cell.trained)
