"""Base and mask of another run, for transfers to begin with."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from torch import nn

from core.errors import OptionError
from core.options import flatten
from core.store import Run
from core.values import as_text
from masks.algebra import Masks
from masks.mask_files import fingerprint
from tasks.induction.induction_math_options import InductionMathOptions
from tasks.pretrained import restore

log = logging.getLogger("sieve")
ALIKE = ("model", "heads", "data.operands", "data.modulus", "data.pool", "data.held_out")


@dataclass(frozen=True)
class Parent:
    """What is taken from another run, besides its weights.

    Attributes:
        seed: of the run; its pairs are split by it.
        masks: its subnet.
    """

    seed: int
    masks: Masks

    @classmethod
    def of(cls, folder: str, options: InductionMathOptions, model: nn.Module) -> Parent:
        """Put the base network of the run into a model, and return the rest.

        Args:
            folder: of the run, or of a sweep's runs.
            options: of the task.
            model: of the same sizes.

        Raises:
            OptionError: there is no such run, or one of another network or of other pairs.
            MaskError: it has no mask, or one of another network.
        """
        found = restore(model, folder, options.seed, "parent")
        theirs, ours = Run.load(found).options, flatten(options)
        for name in ALIKE:
            if theirs.get(name) != ours[name]:
                there = as_text(theirs[name]) if name in theirs else "not there"
                raise OptionError(f"parent={folder}: {name} is {there} in {found}, and {as_text(ours[name])} here")
        weights = {name: weight.detach() for name, weight in model.named_parameters()}
        device = next(iter(weights.values())).device
        path = found / "masks" / "subnet.npz"
        masks = Masks.load(path, device)
        Masks.load(path, device, fingerprint({name: weights[name] for name in masks}))  # of these very weights
        log.info("base and mask of %s", found)
        return cls(theirs["seed"], masks)
