"""Options of the tasks from one sequence to another: SCAN in an LSTM or a Transformer, and DeepMind mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.errors import OptionError
from core.option_groups import RunOptions, TrainOptions, require
from masks.options import MaskOptions, mask_options
from tasks.options.subnets import SubnetOptions

Split = Literal["simple", "length", "jump", "turn_left"]
Difficulty = Literal["easy", "medium", "hard"]


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
class ScanMaskOptions(MaskOptions):
    """Training of the masks on a network that is trained already."""

    steps: int = 15_000
    """Number of optimiser steps for each mask."""
    penalty: float = 3e-5
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""
    bias: bool = False
    """Mask biases too."""


@dataclass(frozen=True)
class TrafoScanMaskOptions(ScanMaskOptions):
    """Training of the masks on a network that is trained already."""

    penalty: float = 6e-4
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""


@dataclass(frozen=True)
class ScanSplits:
    """Which of SCAN's splits."""

    train_split: Split = "simple"
    """Whose training commands train the network and the mask of the whole task."""
    analyze_splits: tuple[Split, ...] = ("jump", "length", "turn_left")
    """A mask is learned from the training commands of each."""

    def __post_init__(self) -> None:
        if not self.analyze_splits or len(set(self.analyze_splits)) < len(self.analyze_splits):
            given = ",".join(self.analyze_splits) or "none"
            raise OptionError(f"scan.analyze_splits={given} must name at least one split, each once")


@dataclass(frozen=True)
class _OnScan(SequenceOptions):
    scan: ScanSplits = field(default_factory=ScanSplits)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_baseline and len(self.scan.analyze_splits) > 1:
            given = ",".join(self.scan.analyze_splits)
            raise OptionError(f"train_baseline=true trains on one split; scan.analyze_splits={given} names several")


@dataclass(frozen=True)
class ScanOptions(_OnScan):
    """SCAN in two LSTMs, one that reads and one that answers."""

    mask: ScanMaskOptions = field(default_factory=mask_options("gumbel", ScanMaskOptions))
    run: RunOptions = field(default_factory=RunOptions)
    state_size: int = 200
    """Width of each LSTM layer."""
    n_layers: int = 2
    """Layers of each LSTM."""
    embedding_size: int = 16
    """Width of a word."""
    dropout: float = 0.5
    """Of embeddings and between layers, while the network is trained."""
    teacher_forcing: float = 0.5
    """Fraction of the batches in which the words before are those of the right answer, not the network's own."""


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
class LargeTransformerOptions(TransformerOptions):
    """The Transformer."""

    n_heads: int = 8
    """Heads of each attention."""
    ff_multiplier: float = 4.0
    """Width between the two linear layers of a block, in widths of the stream."""
    encoder_n_layers: int = 6
    """Blocks that read."""
    decoder_n_layers: int = 6
    """Blocks that answer."""


@dataclass(frozen=True)
class TrafoScanOptions(_OnScan):
    """SCAN in a Transformer."""

    mask: TrafoScanMaskOptions = field(default_factory=mask_options("gumbel", TrafoScanMaskOptions))
    run: RunOptions = field(default_factory=RunOptions)
    state_size: int = 100
    """Width of the stream."""
    transformer: TransformerOptions = field(default_factory=TransformerOptions)
    dropout: float = 0.1
    """Of everything that is added to the stream, of attention and of embeddings, while the network is trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_heads(self)


@dataclass(frozen=True)
class MathTrainOptions(SequenceTrainOptions):
    """Training of the network's weights."""

    steps: int = 50_000
    """Number of optimiser steps."""
    lr: float = 1e-4
    """Learning rate."""
    beta2: float = 0.995
    """How slowly Adam forgets squared gradients."""
    eps: float = 1e-9
    """Adam's term in the denominator."""
    grad_clip: float | None = 0.1
    """Largest global gradient norm; none turns clipping off."""


@dataclass(frozen=True)
class MathMaskOptions(ScanMaskOptions):
    """Training of the masks on a network that is trained already."""

    steps: int = 20_000
    """Number of optimiser steps for each mask."""
    samples: int = 8
    """K: masks drawn for each step; chunk i of the batch goes through mask i."""
    penalty: float = 1e-3
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""


@dataclass(frozen=True)
class MathData:
    """The questions."""

    modules: tuple[str, ...] = ("algebra__linear_1d",)
    """Modules of DeepMind mathematics, such as algebra__linear_1d,calculus__differentiate."""
    train_splits: tuple[Difficulty, ...] = ("easy", "medium", "hard")
    """Difficulties that train the network and the mask of the whole task."""
    mask_splits: tuple[Difficulty, ...] = ("easy",)
    """Difficulties that train the other mask."""
    archive: str | None = None
    """The questions' .tar.gz; none: <run.cache>/dm_math/mathematics_dataset-v1.0.tar.gz."""
    generate: int | None = None
    """Generate so many questions of each difficulty in place of an archive; none: read it."""

    def __post_init__(self) -> None:
        require(self, "dm_math.", generate=1)
        for name in ("modules", "train_splits", "mask_splits"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                given = ",".join(values) or "none"
                raise OptionError(f"dm_math.{name}={given} must name at least one, each once")
        if self.archive is not None and self.generate is not None:
            raise OptionError(
                f"dm_math.archive={self.archive} and dm_math.generate={self.generate} contradict each other; give one"
            )


@dataclass(frozen=True)
class DeepMindMathOptions(SequenceOptions):
    """DeepMind mathematics in a Transformer, character by character."""

    train: MathTrainOptions = field(default_factory=MathTrainOptions)
    mask: MathMaskOptions = field(default_factory=mask_options("gumbel", MathMaskOptions))
    run: RunOptions = field(default_factory=RunOptions)
    dm_math: MathData = field(default_factory=MathData)
    state_size: int = 512
    """Width of the stream."""
    transformer: LargeTransformerOptions = field(default_factory=LargeTransformerOptions)
    dropout: float = 0.1
    """Of everything that is added to the stream, of attention and of embeddings, while the network is trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_heads(self)


def _check_heads(options: TrafoScanOptions | DeepMindMathOptions) -> None:
    size, heads = options.state_size, options.transformer.n_heads
    if size % heads:
        raise OptionError(f"state_size={size} is no multiple of transformer.n_heads={heads}")
