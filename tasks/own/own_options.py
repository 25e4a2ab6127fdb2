"""Options of an experiment that is defined in a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from core.limits import Matching
from tasks.subnets_options import SubnetOptions


@dataclass(frozen=True)
class OwnOptions(SubnetOptions):
    """Base of an experiment's options."""

    digest: Annotated[str, Matching(r"|[0-9a-f]{10}", "ten hex digits")] = ""
    """First ten hex digits of the sha256 of the file: part of the signature, so a changed file begins a new run. It is
    filled in; where it is given, the file must have it."""
