"""What a transfer begins with: the donor's subnet, and the controls that say what it is worth. Read without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

from core.conditions import when
from core.limits import Few, Items

Condition = Literal["subnet", "random", "complement", "inverse", "rest", "full", "scratch", "magnitude"]
Donor = Literal["frozen", "trained"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
WITH_MASK = ("subnet", "random", "complement", "inverse", "magnitude")  # which need the mask, and have a donor's part
WITH_BASE = (*WITH_MASK, "rest", "full")


@dataclass(frozen=True)
class Cell:
    """One transfer of a run.

    Attributes:
        condition: one of `CONDITIONS`.
        count: disambiguating examples.
        trained: the donor's part is where training begins; False: it stays as it is.
        repeat: which of several that differ in their random numbers alone.
    """

    condition: str
    count: int
    trained: bool = False
    repeat: int = 0

    @property
    def name(self) -> str:
        """Name of the stage, and front of its keys: subnet/64, subnet_trained/64, subnet.1/64 of repeat 1."""
        return f"{self.condition}{'_trained' * self.trained}{f'.{self.repeat}' * (self.repeat > 0)}/{self.count}"


@dataclass(frozen=True)
class GraftOptions:
    """What the networks of the transfers begin with."""

    conditions: Annotated[tuple[Condition, ...], Items(least=1)] = CONDITIONS
    """subnet: the masked weights of the base; random: as many of every tensor, anywhere; complement: as many, outside
    of the mask; inverse: all outside of the mask; magnitude: as many of every tensor, those of the largest |w|; rest:
    none. What is not masked is as `inherit` says in all of these, everything else is new. full: the whole base, all
    of it trained; scratch: a new network."""
    donor: Annotated[tuple[Donor, ...], Items(least=1)] = ("frozen",)
    """The part that comes from the base stays as it is, or is trained with the rest; both: one transfer of each."""
    inherit: Annotated[tuple[str, ...], Items()] = ("*",)
    """What the base passes on besides masked weights (embeddings, norms, biases, a head), by dotted name; * and ? are
    wild. none: nothing, it is all new. Inherited or new, these are trained."""
    repeats: Few = 1
    """Transfers of each kind from one base and one mask, which differ in their examples, new weights and random
    masks."""

    only_with: ClassVar = {"donor": when("conditions", *WITH_MASK), "inherit": when("conditions", *WITH_MASK, "rest")}

    def cells(self, counts: Iterable[int]) -> list[Cell]:
        """Return every transfer of a run, those with few disambiguating examples first."""
        return [
            Cell(condition, count, trained, repeat)
            for count in counts
            for repeat in range(self.repeats)
            for condition in self.conditions
            for trained in ([way == "trained" for way in self.donor] if condition in WITH_MASK else [False])
        ]

    @property
    def needs_mask(self) -> bool:
        """True where some transfer begins with a mask."""
        return any(condition in WITH_MASK for condition in self.conditions)

    @property
    def needs_base(self) -> bool:
        """True where some transfer begins with the base network."""
        return any(condition in WITH_BASE for condition in self.conditions)
