"""Options of SCAN, with LSTMs or a Transformer."""

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
    """Training of the masks on the trained network."""

    penalty: Strength = 6e-4
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""


@dataclass(frozen=True)
class ScanSplits:
    """Splits of SCAN."""

    train_split: Split = "simple"
    """Split whose training commands are used to train the network and the mask of the whole task."""
    analyze_splits: Annotated[tuple[Split, ...], Items(least=1)] = ("jump", "length", "turn_left")
    """Splits on whose training commands a mask is trained."""


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
    """SCAN with an LSTM encoder and an LSTM decoder."""

    mask: SequenceMaskOptions = field(default_factory=mask_options("gumbel", SequenceMaskOptions))
    state_size: Width = 200
    """Width of each LSTM layer."""
    n_layers: Depth = 2
    """Number of layers of each LSTM."""
    embedding_size: Width = 16
    """Width of the word embeddings."""
    dropout: Below1 = 0.5
    """Dropout on embeddings and between layers while the network's weights are trained."""
    teacher_forcing: Fraction = 0.5
    """Fraction of the batches with teacher forcing; in the others, the network's own outputs are fed back."""


@dataclass(frozen=True)
class TrafoScanOptions(InTransformer, _OnScan):
    """SCAN with a Transformer."""

    mask: TrafoScanMaskOptions = field(default_factory=mask_options("gumbel", TrafoScanMaskOptions))
