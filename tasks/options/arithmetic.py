"""Options of the arithmetic tasks: double addition (tuple*) and addition or multiplication (addmul*)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.errors import OptionError
from core.option_groups import require
from tasks.options.subnets import SubnetOptions


@dataclass(frozen=True)
class DataOptions:
    """The generated examples."""

    train_size: int = 1_000_000
    """Training examples, generated once."""
    eval_size: int = 10_000
    """Examples in valid, and in test."""
    seen_size: int = 2_000
    """Examples in seen, a fixed part of the training set."""
    split: Literal["unseen", "unseen_order", "seen"] = "unseen"
    """unseen: valid and test hold operand pairs that training never saw, a + b being the pair of b + a; unseen_order:
    pairs that it never saw in this order; seen: the original program's way."""
    held_out: float = 0.1
    """Fraction of the operand pairs in valid, and again in test, unless split is seen."""

    def __post_init__(self) -> None:
        require(self, "data.", train_size=1, eval_size=1, seen_size=1, held_out=0)
        if self.held_out >= 0.5:
            raise OptionError(f"data.held_out={self.held_out} leaves nothing to train on; it must be below 0.5")


@dataclass(frozen=True)
class ArithmeticOptions(SubnetOptions):
    """What all arithmetic tasks share."""

    n_digits: int = 2
    """Decimal digits of every number, 1 to 4; results are taken modulo 10^n_digits."""
    data: DataOptions = field(default_factory=DataOptions)
    inverse_io: tuple[Literal["none", "control", "ones"], ...] = ("none", "control", "ones")
    """Inverse-mask tests: what the input and output layers get instead of the inverse: none (the inverse too),
    control (the whole task's mask) or ones (no mask)."""

    def __post_init__(self) -> None:
        if not 1 <= self.n_digits <= 4:
            raise OptionError(f"n_digits={self.n_digits} is not 1, 2, 3 or 4")

    @property
    def revision(self) -> int:
        """2 where pairs used to be held out in one order, while training could have them in the other."""
        return 2 if self.data.split == "unseen" else super().revision


@dataclass(frozen=True)
class _FeedForward(ArithmeticOptions):
    layer_sizes: tuple[int, ...] = (800, 800, 800, 800)
    """Widths of the hidden layers."""


@dataclass(frozen=True)
class _Recurrent(ArithmeticOptions):
    state_size: int = 256
    """Width of each LSTM layer."""
    n_layers: int = 2
    """Number of LSTM layers."""


@dataclass(frozen=True)
class TupleOrder:
    """How the two additions share the recurrent network."""

    mode: Literal["together", "only_one", "same_output", "same_input", "same_io", "only_one_io"] = "together"
    """When each pair is shown and where its sum is read; see docs/modules.md."""
    delay: int = 0
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
