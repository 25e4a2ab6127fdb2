"""Sieve's public names, for programs outside of its folder: `from sieve import MaskedModel, Gumbel, Hard, Sample`.

The folders core/, data/, masks/, models/, ... are `sieve.core`, `sieve.data`, ... here. What they import from each
other, written `from core...`, stays among them: a `core.py`, `data/` or `models/` of the program's own keeps its name.
Where Python finds Sieve's folders under their plain names, as main.py does, the modules here are those very modules.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sieve import _folders

if TYPE_CHECKING:
    from core.errors import SieveError as SieveError
    from core.store import Run as Run
    from masks.algebra import Masks as Masks
    from masks.graft import Graft as Graft
    from masks.masking import Given as Given
    from masks.masking import Hard as Hard
    from masks.masking import Mix as Mix
    from masks.masking import Sample as Sample
    from masks.masking import Select as Select
    from masks.masking import Shared as Shared
    from masks.methods.bernoulli import Bernoulli as Bernoulli
    from masks.methods.continuous_sparsification import ContinuousSparsification as ContinuousSparsification
    from masks.methods.edge_popup import EdgePopup as EdgePopup
    from masks.methods.gumbel import Gumbel as Gumbel
    from masks.methods.hard_concrete import HardConcrete as HardConcrete
    from masks.methods.magnitude import Magnitude as Magnitude
    from masks.methods.method import MaskMethod as MaskMethod
    from masks.methods.signed_edge_popup import SignedPopup as SignedPopup
    from masks.methods.threshold import Threshold as Threshold
    from masks.model import MaskedModel as MaskedModel
    from masks.packed_masks import PackedMasks as PackedMasks
    from masks.units import Unit as Unit
    from tasks.own.experiment import Experiment as Experiment

_folders.install()

_PLACES = {
    "core.errors": ("SieveError",),
    "core.store": ("Run",),
    "masks.algebra": ("Masks",),
    "masks.graft": ("Graft",),
    "masks.masking": ("Given", "Hard", "Mix", "Sample", "Select", "Shared"),
    "masks.methods.bernoulli": ("Bernoulli",),
    "masks.methods.continuous_sparsification": ("ContinuousSparsification",),
    "masks.methods.edge_popup": ("EdgePopup",),
    "masks.methods.gumbel": ("Gumbel",),
    "masks.methods.hard_concrete": ("HardConcrete",),
    "masks.methods.magnitude": ("Magnitude",),
    "masks.methods.method": ("MaskMethod",),
    "masks.methods.signed_edge_popup": ("SignedPopup",),
    "masks.methods.threshold": ("Threshold",),
    "masks.model": ("MaskedModel",),
    "masks.packed_masks": ("PackedMasks",),
    "masks.units": ("Unit",),
    "tasks.own.experiment": ("Experiment",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """Import what has a public name when it is first used, so that `import sieve` does not wait for torch."""
    if name not in _MODULES:
        raise AttributeError(f"sieve has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"sieve.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
