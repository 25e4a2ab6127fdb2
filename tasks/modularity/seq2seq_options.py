"""Options of sequence-to-sequence tasks: training, held-out pairs, and the Transformer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from core.conditions import when
from core.errors import OptionError
from core.limits import BatchSize, Below1, Count, Depth, Examples, Factor, Few, HeldOut, Positive, Strength, Width
from core.option_groups import TrainOptions
from masks.options import MaskOptions
from tasks.subnets_options import SubnetOptions


@dataclass(frozen=True)
class SequenceTrainOptions(TrainOptions):
    """Training of the network's weights."""

    steps: Count = 15_000
    """Number of optimiser steps."""
    batch_size: BatchSize = 256
    """Examples per step."""
    grad_clip: Positive | None = 5.0
    """Maximum global gradient norm; none: no clipping."""
    eval_batch_size: BatchSize | None = None
    """Examples per forward pass of an evaluation, all of similar lengths; none: 1024."""
    buckets: Few = 1
    """Number of groups of similar lengths; each batch is drawn from one group. More groups need less padding; 1:
    batches from all examples, as in the paper."""


@dataclass(frozen=True)
class SequenceOptions(SubnetOptions):
    """Shared options."""

    train: SequenceTrainOptions = field(default_factory=SequenceTrainOptions)
    hold_out: HeldOut = 0.05
    """Fraction of each set of training pairs that is held out for validation; 0: none, as in the original program."""
    seen_size: Examples = 1000
    """Number of training pairs (a fixed subset) on which the training accuracy is evaluated."""
    train_baseline: bool = False
    """Train the network on the data that a mask would be trained on, and train no masks."""

    only_with: ClassVar = {"mask": when("train_baseline", False)}

    def __post_init__(self) -> None:
        for name in ("only_control", "restore_pretrained"):
            if self.train_baseline and getattr(self, name):
                raise OptionError(f"train_baseline=true trains a network and learns no mask; {name} contradicts it")


@dataclass(frozen=True)
class SequenceMaskOptions(MaskOptions):
    """Training of the masks on the trained network."""

    steps: Count = 15_000
    """Number of optimiser steps per mask."""
    penalty: Strength = 3e-5
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""
    bias: bool = False
    """Mask biases too."""


@dataclass(frozen=True)
class TransformerOptions:
    """The Transformer."""

    n_heads: Few = 4
    """Number of attention heads."""
    ff_multiplier: Factor = 2.0
    """Hidden width of the feed-forward sublayers, as a multiple of state_size."""
    encoder_n_layers: Depth = 3
    """Number of encoder blocks."""
    decoder_n_layers: Depth = 3
    """Number of decoder blocks."""


@dataclass(frozen=True)
class InTransformer(SequenceOptions):
    """A task with a Transformer."""

    state_size: Width = 100
    """Width of the residual stream."""
    transformer: TransformerOptions = field(default_factory=TransformerOptions)
    dropout: Below1 = 0.1
    """Dropout on sublayer outputs, attention weights and embeddings while the network's weights are trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.state_size % self.transformer.n_heads:
            heads = self.transformer.n_heads
            raise OptionError(f"state_size={self.state_size} is not a multiple of transformer.n_heads={heads}")
        if round(self.transformer.ff_multiplier * self.state_size) < 1:
            given = self.transformer.ff_multiplier
            raise OptionError(f"transformer.ff_multiplier={given} leaves no width of state_size={self.state_size}")
