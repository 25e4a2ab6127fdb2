"""Options of SCAN, in LSTMs or in a Transformer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.errors import OptionError
from masks.options import mask_options
from tasks.options.seq2seq import InTransformer, SequenceMaskOptions, SequenceOptions

Split = Literal["simple", "length", "jump", "turn_left"]


@dataclass(frozen=True)
class TrafoScanMaskOptions(SequenceMaskOptions):
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

    mask: SequenceMaskOptions = field(default_factory=mask_options("gumbel", SequenceMaskOptions))
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
class TrafoScanOptions(InTransformer, _OnScan):
    """SCAN in a Transformer."""

    mask: TrafoScanMaskOptions = field(default_factory=mask_options("gumbel", TrafoScanMaskOptions))
