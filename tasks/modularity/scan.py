"""SCAN: do the commands held out by a split need weights of their own? With LSTMs, and with a Transformer."""

from __future__ import annotations

from typing import TypeVar

import torch

from data.scan import ACTIONS, COMMANDS, FILES, load_scan
from data.sequences import Sequences
from models.encoder_decoder import EncoderDecoder
from models.sequence import SequenceModel
from models.transformer import Transformer
from tasks.modularity.scan_options import ScanOptions, TrafoScanOptions
from tasks.modularity.seq2seq import SequenceTask

ScanT = TypeVar("ScanT", ScanOptions, TrafoScanOptions)


class _OnScan(SequenceTask[ScanT]):
    """The data: masks are trained on the training commands of splits, and evaluated on all splits' test sets."""

    @property
    def subtasks(self) -> tuple[str, ...]:
        """The splits whose training commands give a mask."""
        return self.options.scan.analyze_splits

    def load(self) -> dict[str, dict[str, Sequences]]:
        scan = self.options.scan
        of_split = {split: load_scan(split, self.options.run.cache) for split in FILES}
        of_network = scan.analyze_splits[0] if self.options.train_baseline else scan.train_split
        self.use(None, {"": {of_network: of_split[of_network]["train"]}})
        if not self.options.train_baseline:
            for split in scan.analyze_splits:
                self.use(split, {"": {split: of_split[split]["train"]}})
        return {split: {"": sets["test"].to(self.device)} for split, sets in of_split.items()}


class Scan(_OnScan[ScanOptions]):
    """With two LSTMs, with teacher forcing in half of the batches and free running in the others."""

    @property
    def teaching(self) -> float:
        """Fraction of the batches with teacher forcing."""
        return self.options.teacher_forcing

    def make_model(self, rng: torch.Generator) -> SequenceModel:
        options = self.options
        return EncoderDecoder(
            len(COMMANDS), len(ACTIONS), rng, options.state_size, options.n_layers, options.embedding_size,
            options.dropout,
        )  # fmt: skip


class TrafoScan(_OnScan[TrafoScanOptions]):
    """With a Transformer, always with teacher forcing."""

    def make_model(self, rng: torch.Generator) -> SequenceModel:
        options, shape = self.options, self.options.transformer
        return Transformer(
            len(COMMANDS), len(ACTIONS), rng, options.state_size, shape.n_heads, shape.encoder_n_layers,
            shape.decoder_n_layers, round(shape.ff_multiplier * options.state_size), options.dropout,
        )  # fmt: skip
