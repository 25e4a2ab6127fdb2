"""The inverse-mask test: what remains of a function when exactly the weights of its subnet are removed."""

from __future__ import annotations

import torch

from core.errors import OptionError
from masks.algebra import Masks

WAYS = ("none", "control", "ones")


def inverse(masks: Masks, io: set[str], way: str = "none", control: Masks | None = None) -> Masks:
    """Return the complement of a subnet, with the input and output layers treated in one of three ways.

    Args:
        masks: the subnet.
        io: parameter names of the input and output layers.
        way: "none": they are inverted like the rest; "control": they get the whole task's mask;
            "ones": they are left unmasked.
        control: the whole task's mask, for way "control".

    Source: "Are Neural Nets Modular?", section 3.1 and appendix (inverse masks with full input/output layers).
    """
    if way not in WAYS or (way == "control" and control is None):
        raise OptionError(f"inverse way {way!r} is not one of {', '.join(WAYS)} (control needs the control's masks)")
    inverted = dict((~masks).items())
    if way != "none":
        for name in io & set(masks):
            whole = control if way == "control" else None
            inverted[name] = torch.ones_like(masks[name]) if whole is None else whole[name]
    return Masks(inverted)
