"""Options of the arithmetic tasks: double addition (tuple*) and addition or multiplication (addmul*)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from core.conditions import unless
from core.errors import OptionError
from core.limits import CountFrom0, Depth, Examples, Range, Width
from tasks.subnets_options import SubnetOptions

HeldOutPairs = Annotated[float, Range(0, 0.5, open_low=True, open_high=True)]


@dataclass(frozen=True)
class DataOptions:
    """The generated examples."""

    train_size: Examples = 1_000_000
    """Training examples, generated once."""
    eval_size: Examples = 10_000
    """Examples in valid, and in test."""
    seen_size: Examples = 2_000
    """Examples in seen, a fixed part of the training set."""
    split: Literal["unseen", "unseen_order", "seen"] = "unseen"
    """unseen: valid and test contain operand pairs never seen in training in either order; unseen_order: pairs never
    seen in this order; seen: as in the original program, no pairs are held out."""
    held_out: HeldOutPairs = 0.1
    """Fraction of the operand pairs held out for valid, and again for test, unless split is seen."""

    only_with: ClassVar = {"held_out": unless("split", "seen")}

    def __post_init__(self) -> None:
        if self.seen_size > self.train_size and self.seen_size != type(self).seen_size:
            raise OptionError(f"data.seen_size={self.seen_size} is more than data.train_size={self.train_size}")


@dataclass(frozen=True)
class ArithmeticOptions(SubnetOptions):
    """Options shared by all arithmetic tasks."""

    n_digits: Annotated[int, Range(1, 4)] = 2
    """Decimal digits of every number; results are taken modulo 10^n_digits."""
    data: DataOptions = field(default_factory=DataOptions)
    inverse_io: tuple[Literal["none", "control", "ones"], ...] = ("none", "control", "ones")
    """Inverse-mask tests: what replaces the inverse in the input and output layers: none (the inverse itself), control
    (the mask of the whole task) or ones (no mask)."""

    @property
    def revision(self) -> int:
        """2 where pairs used to be held out in one order, while training could have them in the other."""
        return 2 if self.data.split == "unseen" else super().revision


@dataclass(frozen=True)
class _FeedForward(ArithmeticOptions):
    layer_sizes: tuple[Width, ...] = (800, 800, 800, 800)
    """Widths of the hidden layers."""


@dataclass(frozen=True)
class _Recurrent(ArithmeticOptions):
    state_size: Width = 256
    """Width of each LSTM layer."""
    n_layers: Depth = 2
    """Number of LSTM layers."""


@dataclass(frozen=True)
class TupleOrder:
    """How the two additions use the recurrent network."""

    mode: Literal["together", "only_one", "same_output", "same_input", "same_io", "only_one_io"] = "together"
    """When each pair is shown and where its sum is read; see docs/modularity.md."""
    delay: CountFrom0 = 0
    """Training steps on pair 1 alone before pair 2 joins."""


@dataclass(frozen=True)
class TupleOptions(_Recurrent):
    """Double addition in an LSTM."""

    tuple: TupleOrder = field(default_factory=TupleOrder)


@dataclass(frozen=True)
class TupleFeedForwardOptions(_FeedForward):
    """Double addition in a feed-forward network."""


@dataclass(frozen=True)
class AddMulOptions(_Recurrent):
    """Addition or multiplication, chosen by an input, in an LSTM."""


@dataclass(frozen=True)
class AddMulFeedForwardOptions(_FeedForward):
    """Addition or multiplication, chosen by an input, in a feed-forward network."""
