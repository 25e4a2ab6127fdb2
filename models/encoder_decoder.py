"""Sequence-to-sequence LSTMs: an encoder, and a decoder that starts from its final state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from layers import LSTM, Embedding, Linear
from models.lstm import remember
from models.sequence import SequenceModel

State = tuple[Tensor, Tensor]


class EncoderDecoder(SequenceModel):
    """Two LSTMs with one bias for each gate, embeddings, and a linear output; 990,543 parameters for SCAN.

    Args:
        source_words, target_words: sizes of the vocabularies.
        rng: the stream of the parameters, drawn as `models.lstm.LSTMModel`'s.
        state_size, layers: of each LSTM.
        embedding: width of a word.
        dropout: of embeddings, and between two layers.

    Source: Csordas et al., "Are Neural Nets Modular?", ICLR 2021, its code. Differs from it: the encoder's state is
    that behind the end of the command, not the one before; nothing is dropped in evaluation.
    """

    def __init__(
        self, source_words: int, target_words: int, rng: torch.Generator, state_size: int = 200, layers: int = 2,
        embedding: int = 16, dropout: float = 0.5,
    ):  # fmt: skip
        super().__init__(source_words, target_words)
        between = dropout if layers > 1 else 0.0
        with torch.device("meta"):  # the constructors would draw from the global generator
            self.encoder_embedding = Embedding(source_words + 1, embedding)
            self.decoder_embedding = Embedding(target_words + 1, embedding)
            self.encoder, self.decoder = (
                LSTM(embedding, state_size, layers, dropout=between, batch_first=True, recurrent_bias=False)
                for _ in range(2)
            )
            self.output = Linear(state_size, target_words + 1)
        self.dropout = nn.Dropout(dropout)
        self.to_empty(device=rng.device)
        for part in (self.encoder_embedding, self.decoder_embedding, self.encoder, self.decoder, self.output):
            part.reset_parameters(rng)
        for lstm in (self.encoder, self.decoder):
            remember(lstm, rng)

    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, layer i of both LSTMs together; embeddings are in none."""
        names = [f"{side}.{name}" for side in ("encoder", "decoder") for name, _ in self.encoder.named_parameters()]
        layers = [[n for n in names if n.endswith(f"_l{i}")] for i in range(self.encoder.num_layers)]
        return [*layers, ["output.weight", "output.bias"]]

    def encode(self, words: Tensor, length: Tensor) -> State:
        """Return the state behind the end."""
        read = self.dropout(self.encoder_embedding(words))
        packed = pack_padded_sequence(read, length.cpu(), batch_first=True, enforce_sorted=False)
        return self.encoder(packed)[1]

    def decode(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """Return the outputs of the next words, and the state behind them."""
        y, state = self.decoder(self.dropout(self.decoder_embedding(words)), state)
        return self.output(y), state
