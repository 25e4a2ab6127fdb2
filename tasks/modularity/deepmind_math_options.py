"""Options of DeepMind mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from core.conditions import when
from core.errors import OptionError
from core.limits import Below1, Count, Depth, Factor, Few, Items, Kept, Path, Positive, Range, Rate, Strength, Width
from masks.options import mask_options
from tasks.modularity.seq2seq_options import (
    InTransformer,
    SequenceMaskOptions,
    SequenceTrainOptions,
    TransformerOptions,
)

Difficulties = Annotated[tuple[Literal["easy", "medium", "hard"], ...], Items(least=1)]


@dataclass(frozen=True)
class MathTrainOptions(SequenceTrainOptions):
    """Training of the network's weights."""

    steps: Count = 50_000
    """Number of optimiser steps."""
    lr: Rate = 1e-4
    """Learning rate."""
    beta2: Below1 = 0.995
    """How slowly Adam forgets squared gradients."""
    eps: Kept = 1e-9
    """Adam's term in the denominator."""
    grad_clip: Positive | None = 0.1
    """Largest global gradient norm; none turns clipping off."""


@dataclass(frozen=True)
class MathMaskOptions(SequenceMaskOptions):
    """Training of the masks on a network that is trained already."""

    steps: Count = 20_000
    """Number of optimiser steps for each mask."""
    samples: Few = 8
    """K: masks drawn for each step; chunk i of the batch goes through mask i."""
    penalty: Strength = 1e-3
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""


@dataclass(frozen=True)
class MathData:
    """The questions."""

    modules: Annotated[tuple[str, ...], Items(least=1)] = ("algebra__linear_1d",)
    """Modules of DeepMind mathematics, such as algebra__linear_1d,calculus__differentiate."""
    train_splits: Difficulties = ("easy", "medium", "hard")
    """Difficulties that train the network and the mask of the whole task."""
    mask_splits: Difficulties = ("easy",)
    """Difficulties that train the other mask."""
    archive: Path | None = None
    """The questions' .tar.gz; none: <run.cache>/dm_math/mathematics_dataset-v1.0.tar.gz."""
    generate: Annotated[int, Range(1, 10**7)] | None = None
    """Generate so many questions of each difficulty in place of an archive; none: read it."""

    def __post_init__(self) -> None:
        if self.archive is not None and self.generate is not None:
            raise OptionError(
                f"dm_math.archive={self.archive} and dm_math.generate={self.generate} contradict each other; give one"
            )


@dataclass(frozen=True)
class LargeTransformerOptions(TransformerOptions):
    """The Transformer."""

    n_heads: Few = 8
    """Heads of each attention."""
    ff_multiplier: Factor = 4.0
    """Width between the two linear layers of a block, in widths of the stream."""
    encoder_n_layers: Depth = 6
    """Blocks that read."""
    decoder_n_layers: Depth = 6
    """Blocks that answer."""


@dataclass(frozen=True)
class DeepMindMathOptions(InTransformer):
    """DeepMind mathematics in a Transformer, character by character."""

    train: MathTrainOptions = field(default_factory=MathTrainOptions)
    mask: MathMaskOptions = field(default_factory=mask_options("gumbel", MathMaskOptions))
    dm_math: MathData = field(default_factory=MathData)
    state_size: Width = 512
    """Width of the stream."""
    transformer: LargeTransformerOptions = field(default_factory=LargeTransformerOptions)

    only_with: ClassVar = {
        "dm_math.train_splits": when("train_baseline", False),
        "dm_math.mask_splits": when("only_control", False),
    }
