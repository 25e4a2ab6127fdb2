"""LSTMs from one sequence to another: one reads, the other goes on from its state and answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from layers import LSTM, Embedding, Linear
from models.lstm import remember


class EncoderDecoder(nn.Module):
    """Two LSTMs with one bias for each gate, embeddings, and a linear output; 990,543 parameters for SCAN.

    The number behind the last word of a vocabulary ends a sequence, and begins the answer.

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
        super().__init__()
        self.source_end, self.target_end = source_words, target_words
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

    def forward(
        self, source: Tensor, source_length: Tensor, target: Tensor | None = None, most: int = 0
    ) -> Tensor:  # fmt: skip
        """Return the outputs for an answer that is given, or the answer that the network finds.

        Args:
            source: [B, S] words; what is behind the length of a row is not looked at.
            source_length: [B].
            target: [B, T] words of the right answers.
            most: without a target, the longest answer that is tried.

        Returns:
            With a target: [B, T + 1, words + 1]: for every position the next word, the end after the last.
            Without: [B, most] words, the end's number behind the end.
        """
        places = torch.arange(source.shape[1] + 1, device=source.device)
        end = source.new_full((len(source), 1), self.source_end)
        words = torch.where(places < source_length[:, None], torch.cat([source, end], 1), self.source_end)
        read = self.dropout(self.encoder_embedding(words))
        packed = pack_padded_sequence(read, source_length.cpu() + 1, batch_first=True, enforce_sorted=False)
        _, state = self.encoder(packed)
        begin = words.new_full((len(words), 1), self.target_end)
        if target is None:
            return self._greedy(state, begin, most)
        said = self.dropout(self.decoder_embedding(torch.cat([begin, target], 1)))
        return self.output(self.decoder(said, state)[0])

    def _greedy(self, state: tuple[Tensor, Tensor], word: Tensor, most: int) -> Tensor:
        words = word.new_full((len(word), most), self.target_end)
        ended = torch.zeros(len(word), dtype=torch.bool, device=word.device)
        for step in range(most):
            y, state = self.decoder(self.decoder_embedding(word), state)
            found = self.output(y)[:, 0].argmax(-1)
            words[:, step] = torch.where(ended, self.target_end, found)
            ended |= found == self.target_end
            if bool(ended.all()):
                break
            word = found[:, None]
        return words
