"""Options that tasks from one sequence to another share: training, held-out pairs, and the Transformer."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.errors import OptionError
from core.option_groups import TrainOptions, require
from masks.options import MaskOptions
from tasks.options.subnets import SubnetOptions


@dataclass(frozen=True)
class SequenceTrainOptions(TrainOptions):
    """Training of the network's weights."""

    steps: int = 15_000
    """Number of optimiser steps."""
    batch_size: int = 256
    """Examples per step."""
    grad_clip: float | None = 5.0
    """Largest global gradient norm; none turns clipping off."""
    eval_batch_size: int | None = None
    """Examples per forward pass of a validation, all of similar lengths; none: 1024."""
    buckets: int = 1
    """Groups of similar lengths; each batch is drawn from one of them. More groups, less padding; 1: from all examples,
    as in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "train.", buckets=1)


@dataclass(frozen=True)
class SequenceOptions(SubnetOptions):
    """What they share."""

    train: SequenceTrainOptions = field(default_factory=SequenceTrainOptions)
    hold_out: float = 0.05
    """Fraction of each set of training pairs that is kept for validation; 0: none, as in the original program."""
    seen_size: int = 1000
    """Training pairs on which the accuracy on what was seen is measured, a fixed part."""
    train_baseline: bool = False
    """Train the network on what a mask would be trained on, and learn no mask."""

    def __post_init__(self) -> None:
        require(self, "", hold_out=0, seen_size=1)
        if self.hold_out >= 0.5:
            raise OptionError(f"hold_out={self.hold_out} leaves too little to train on; it must be below 0.5")
        for name in ("only_control", "restore_pretrained"):
            if self.train_baseline and getattr(self, name):
                raise OptionError(f"train_baseline=true trains a network and learns no mask; {name} contradicts it")


@dataclass(frozen=True)
class SequenceMaskOptions(MaskOptions):
    """Training of the masks on a network that is trained already."""

    steps: int = 15_000
    """Number of optimiser steps for each mask."""
    penalty: float = 3e-5
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""
    bias: bool = False
    """Mask biases too."""


@dataclass(frozen=True)
class TransformerOptions:
    """The Transformer."""

    n_heads: int = 4
    """Heads of each attention."""
    ff_multiplier: float = 2.0
    """Width between the two linear layers of a block, in widths of the stream."""
    encoder_n_layers: int = 3
    """Blocks that read."""
    decoder_n_layers: int = 3
    """Blocks that answer."""

    def __post_init__(self) -> None:
        require(self, "transformer.", n_heads=1, encoder_n_layers=1, decoder_n_layers=1)


@dataclass(frozen=True)
class InTransformer(SequenceOptions):
    """A task in a Transformer."""

    state_size: int = 100
    """Width of the stream."""
    transformer: TransformerOptions = field(default_factory=TransformerOptions)
    dropout: float = 0.1
    """Of everything that is added to the stream, of attention and of embeddings, while the network is trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.state_size % self.transformer.n_heads:
            heads = self.transformer.n_heads
            raise OptionError(f"state_size={self.state_size} is no multiple of transformer.n_heads={heads}")
