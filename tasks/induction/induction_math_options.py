"""Options of the task induction_math: one rule of two numbers learned from a subnet of a network that knows another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from core.conditions import unless, when
from core.errors import OptionError
from core.limits import (
    BatchSize,
    Below1,
    Count,
    CountFrom0,
    Depth,
    Examples,
    Few,
    Items,
    Path,
    Positive,
    Range,
    Rate,
    Strength,
    Width,
)
from core.option_groups import RunOptions, TaskOptions, TrainOptions
from data.induction_rules import RULES, Rule, rivals
from masks.options import METHODS, MaskOptions, mask_options
from tasks.induction.conditions_options import WITH_BASE, WITH_MASK, GraftOptions


@dataclass(frozen=True)
class PairOptions:
    """The pairs of numbers and what is held out of them."""

    operands: Annotated[int, Range(3, 3000)] = 60
    """M: both numbers are 0 to M - 1."""
    modulus: Annotated[int, Range(2, 1000)] = 5
    """p: answers are taken modulo p; at most as large as the number of operands."""
    pool: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.7
    """Fraction of the pairs a != b that training may see; the others are for validation and test."""
    held_out: Examples = 2000
    """Most pairs of validation, and of test."""


@dataclass(frozen=True)
class BaseOptions(TrainOptions):
    """Training of the base network."""

    rule: Rule = "a + ab"
    """What it learns."""
    rows: Examples | None = None
    """Pairs a != b of the pool that it sees; none: all. It sees all pairs a = b."""
    steps: Count = 1000
    """Number of optimiser steps."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adamw"
    """adamw (whose weight decay is no part of the gradient), adam, sgd with momentum, or rmsprop (alpha 0.99)."""
    weight_decay: Strength = 0.1
    """Weights shrink by lr times it at every step; of others than adamw an L2 penalty added to the gradient."""
    warmup: CountFrom0 = 100
    """Steps over which the learning rate rises linearly from lr / warmup."""
    eval_every: Count = 250
    """Steps between validations, of the base and of the mask."""


@dataclass(frozen=True)
class SubtaskMask(MaskOptions):
    """Training of the mask on the base network, of which no weight changes."""

    rule: Rule = "ab"
    """What the subnet is to compute."""
    rows: Examples | None = None
    """Pairs a != b of the pool that it sees; none: all. It sees all pairs a = b."""
    penalty: Strength = 1e-5
    """Weight of the regulariser: the loss gets penalty * (the method's penalty), whatever the batch size."""
    bias: bool = False
    """Mask the biases of the blocks too."""
    exclude: tuple[str, ...] = ("*norm*", "*.ln_*")
    """Parameters of the blocks that are never masked; embeddings belong to none."""
    steps: Count = 800
    """Number of optimiser steps."""
    samples: Few = 1
    """K: masks drawn for each step; chunk i of the batch goes through mask i."""
    weight_decay: Strength = 0.0
    """Scores shrink by lr times it at every step."""
    grad_clip: Positive | None = None
    """Largest global norm of the scores' gradient; none: not clipped."""

    only_with: ClassVar = {  # of magnitude nothing is trained
        name: unless("method", "magnitude")
        for name in ("rows", "steps", "samples", "batch_size", "lr", "weight_decay", "warmup", "grad_clip")
    }


@dataclass(frozen=True)
class TransferOptions(GraftOptions):
    """The transfers: what they learn, from what, for how long."""

    rule: Rule = "a^2 + ab"
    """What they are to learn."""
    ambiguous: bool = True
    """Train on all pairs a = b, on which the rule's rivals give its answers, and on disambiguating pairs; false: on
    those alone."""
    disambiguating: Annotated[tuple[CountFrom0, ...], Items(least=1)] = (0, 16, 64)
    """n, pairs a != b that a transfer sees; one transfer of each kind for each n. Fewer are the first of more."""
    epochs: Annotated[int, Range(1, 10**6)] = 100
    """Passes over the pairs; more pairs make more steps."""
    steps: Count | None = None
    """Steps of every transfer, whatever its pairs; none: `epochs`."""
    batch_size: BatchSize = 32
    """Pairs per step; the last batch of a pass may be smaller."""
    lr: Rate = 5e-4
    """Learning rate of AdamW."""
    weight_decay: Strength = 0.01
    """Weights shrink by lr times it at every step; the donor's frozen part does not."""
    evaluations: Few = 20
    """How often a transfer is measured, evenly spaced and after the last step: what the selected accuracies are
    selected from."""

    only_with: ClassVar = {"epochs": when("steps", None)}


@dataclass(frozen=True)
class OwnBase:
    """Where base and mask are made: not with a parent."""

    only_with: ClassVar = {"train": when("parent", None), "mask": when("parent", None)}


@dataclass(frozen=True)
class InductionMathOptions(OwnBase, TaskOptions):
    """Does the subnet of a subtask carry its rule into a network that learns from too few examples?"""

    model: Literal["gpt", "gpt2"] = "gpt"
    """gpt: a small GPT; gpt2: that of Hugging Face's transformers, if it is installed."""
    layers: Depth = 2
    """Blocks of the network."""
    width: Width = 64
    """Width of the network."""
    heads: Few = 4
    """Heads of each attention."""
    dropout: Below1 = 0.0
    """Dropout of embeddings, attention and what is added to the stream; never while a mask is learned."""
    narrow: bool = False
    """Draw the weights that add to the stream with a deviation 1 / sqrt(2 layers) as large, as GPT-2 does."""
    loss: Literal["answer", "published"] = "answer"
    """answer: cross entropy of the answer, over the answers there are; published: mean over all three words that
    follow, of which b cannot be guessed, over the whole vocabulary."""
    parent: Path | None = None
    """Folder of a finished run of this task, or of a sweep's runs (that of the same seed is taken), whose base and mask
    are used, and whose pairs; nothing is trained but transfers."""
    data: PairOptions = field(default_factory=PairOptions)
    train: BaseOptions = field(default_factory=BaseOptions)
    mask: SubtaskMask = field(
        default_factory=mask_options("continuous-sparsification", SubtaskMask, "continuous-sparsification")
    )
    transfer: TransferOptions = field(default_factory=TransferOptions)
    run: RunOptions = field(default_factory=RunOptions)

    only_with: ClassVar = {
        "parent": when("transfer.conditions", *WITH_BASE),
        "train": when("transfer.conditions", *WITH_BASE),
        "mask": when("transfer.conditions", *WITH_MASK),
    }

    def __post_init__(self) -> None:
        transfer, p = self.transfer, self.data.modulus
        if METHODS[self.mask.method].signed:
            raise OptionError(f"mask.method={self.mask.method} turns signs round; a graft takes weights as they are")
        if p > self.data.operands:
            raise OptionError(
                f"data.modulus={p} does not fit data.operands={self.data.operands}; allowed: 2 to {self.data.operands}"
            )
        if transfer.ambiguous and not rivals(transfer.rule, p):
            known = ", ".join(rule for rule in RULES if rivals(rule, p)) or "none"
            raise OptionError(
                f"transfer.rule={transfer.rule} is not ambiguous where a = b: no other rule gives its answers there. "
                f"Rules that have rivals modulo {p}: {known}; transfer.ambiguous=false learns any from n pairs alone"
            )
        if not transfer.ambiguous and 0 in transfer.disambiguating:
            raise OptionError(
                "transfer.disambiguating=0: with transfer.ambiguous=false there would be nothing to learn from"
            )
