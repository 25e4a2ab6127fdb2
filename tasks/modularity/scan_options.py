"""Options of SCAN, in LSTMs or in a Transformer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from core.conditions import when
from core.errors import OptionError
from core.limits import Below1, Depth, Fraction, Items, Strength, Width
from masks.options import mask_options
from tasks.modularity.seq2seq_options import InTransformer, SequenceMaskOptions, SequenceOptions

Split = Literal["simple", "length", "jump", "turn_left"]


@dataclass(frozen=True)
class TrafoScanMaskOptions(SequenceMaskOptions):
    """Training of the masks on a network that is trained already."""

    penalty: Strength = 6e-4
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""


@dataclass(frozen=True)
class ScanSplits:
    """Which of SCAN's splits."""

    train_split: Split = "simple"
    """Whose training commands train the network and the mask of the whole task."""
    analyze_splits: Annotated[tuple[Split, ...], Items(least=1)] = ("jump", "length", "turn_left")
    """A mask is learned from the training commands of each."""


@dataclass(frozen=True)
class _OnScan(SequenceOptions):
    scan: ScanSplits = field(default_factory=ScanSplits)

    only_with: ClassVar = {
        "scan.train_split": when("train_baseline", False),
        "scan.analyze_splits": when("only_control", False),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_baseline and len(self.scan.analyze_splits) > 1:
            given = ",".join(self.scan.analyze_splits)
            raise OptionError(f"train_baseline=true trains on one split; scan.analyze_splits={given} names several")


@dataclass(frozen=True)
class ScanOptions(_OnScan):
    """SCAN in two LSTMs, one that reads and one that answers."""

    mask: SequenceMaskOptions = field(default_factory=mask_options("gumbel", SequenceMaskOptions))
    state_size: Width = 200
    """Width of each LSTM layer."""
    n_layers: Depth = 2
    """Layers of each LSTM."""
    embedding_size: Width = 16
    """Width of a word."""
    dropout: Below1 = 0.5
    """Of embeddings and between layers, while the network is trained."""
    teacher_forcing: Fraction = 0.5
    """Fraction of the batches in which the words before are those of the right answer, not the network's own."""


@dataclass(frozen=True)
class TrafoScanOptions(InTransformer, _OnScan):
    """SCAN in a Transformer."""

    mask: TrafoScanMaskOptions = field(default_factory=mask_options("gumbel", TrafoScanMaskOptions))
