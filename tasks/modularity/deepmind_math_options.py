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
    """Adam's decay rate of the second moment."""
    eps: Kept = 1e-9
    """Adam's epsilon."""
    grad_clip: Positive | None = 0.1
    """Maximum global gradient norm; none: no clipping."""


@dataclass(frozen=True)
class MathMaskOptions(SequenceMaskOptions):
    """Training of the masks on the trained network."""

    steps: Count = 20_000
    """Number of optimiser steps per mask."""
    samples: Few = 8
    """K: number of masks sampled per step; chunk i of the batch goes through mask i."""
    penalty: Strength = 1e-3
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""


@dataclass(frozen=True)
class MathData:
    """The questions."""

    modules: Annotated[tuple[str, ...], Items(least=1)] = ("algebra__linear_1d",)
    """Modules of DeepMind mathematics, such as algebra__linear_1d,calculus__differentiate."""
    train_splits: Difficulties = ("easy", "medium", "hard")
    """Difficulties used to train the network and the mask of the whole task."""
    mask_splits: Difficulties = ("easy",)
    """Difficulties used to train the other mask."""
    archive: Path | None = None
    """The .tar.gz with the questions; none: <run.cache>/dm_math/mathematics_dataset-v1.0.tar.gz."""
    generate: Annotated[int, Range(1, 10**7)] | None = None
    """Number of questions to generate per difficulty instead of reading an archive; none: read the archive."""

    def __post_init__(self) -> None:
        if self.archive is not None and self.generate is not None:
            raise OptionError(
                f"dm_math.archive={self.archive} and dm_math.generate={self.generate} contradict each other; give one"
            )


@dataclass(frozen=True)
class LargeTransformerOptions(TransformerOptions):
    """The Transformer."""

    n_heads: Few = 8
    """Number of attention heads."""
    ff_multiplier: Factor = 4.0
    """Hidden width of the feed-forward sublayers, as a multiple of state_size."""
    encoder_n_layers: Depth = 6
    """Number of encoder blocks."""
    decoder_n_layers: Depth = 6
    """Number of decoder blocks."""


@dataclass(frozen=True)
class DeepMindMathOptions(InTransformer):
    """DeepMind mathematics with a character-level Transformer."""

    train: MathTrainOptions = field(default_factory=MathTrainOptions)
    mask: MathMaskOptions = field(default_factory=mask_options("gumbel", MathMaskOptions))
    dm_math: MathData = field(default_factory=MathData)
    state_size: Width = 512
    """Width of the residual stream."""
    transformer: LargeTransformerOptions = field(default_factory=LargeTransformerOptions)

    only_with: ClassVar = {
        "dm_math.train_splits": when("train_baseline", False),
        "dm_math.mask_splits": when("only_control", False),
    }
