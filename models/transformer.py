"""A Transformer from one sequence to another, which decodes one step at a time without going back over the prefix."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layers import Embedding, LayerNorm, Linear, MultiheadAttention

Heads = tuple[Tensor, ...]


class Block(nn.Module):
    """Attention to itself, in a decoder to the encoded sequence too, and two linear layers; a norm behind each.

    Args:
        size: E, of every position.
        heads: of each attention.
        inner: width between the two linear layers.
        dropout: of everything that is added to the stream.
        decoder: whether it attends to an encoded sequence.
    """

    def __init__(self, size: int, heads: int, inner: int, dropout: float, decoder: bool):
        super().__init__()
        names = ("self_attention", "cross_attention") if decoder else ("self_attention",)
        self.attentions = nn.ModuleDict({
            name: MultiheadAttention(size, heads, dropout, bias=False, batch_first=True) for name in names
        })  # fmt: skip
        self.linear1, self.linear2 = Linear(size, inner), Linear(inner, size)
        self.norms = nn.ModuleList(LayerNorm(size) for _ in range(len(names) + 1))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, own: Heads, mask: Tensor | None, encoded: Heads | None, hidden: Tensor | None
    ) -> Tensor:  # fmt: skip
        """Return [B, T, E].

        Args:
            x: [B, T, E].
            own: keys and values of the positions that x attends to in its own sequence.
            mask: added to the scores of that attention, or None.
            encoded: keys and values of the encoded sequence, of a decoder.
            hidden: added to the scores of that attention.
        """
        first = self.attentions["self_attention"]
        (queries,) = first.project(x, "q")
        x = self.norms[0](x + self.dropout(first.attend(queries, *own, mask)))
        if encoded is not None:
            second = self.attentions["cross_attention"]
            (queries,) = second.project(x, "q")
            x = self.norms[1](x + self.dropout(second.attend(queries, *encoded, hidden)))
        return self.norms[-1](x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class Transformer(nn.Module):
    """Encoder and decoder with sinusoidal positions and a norm behind every block; 607,607 parameters for SCAN.

    The number behind the last word of a vocabulary ends a sequence, and begins the answer.

    Args:
        source_words, target_words: sizes of the vocabularies.
        size, heads, layers, inner, dropout: E, heads of each attention, blocks on each side, width inside, dropout.
        rng: the stream of the parameters: weights by Xavier's uniform rule, biases 0.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; sizes, and embeddings that are not scaled:
    Csordas et al., "Are Neural Nets Modular?", ICLR 2021, its code.
    """

    def __init__(
        self, source_words: int, target_words: int, rng: torch.Generator, size: int = 100, heads: int = 4,
        layers: int = 3, inner: int = 200, dropout: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.size, self.source_end, self.target_end = size, source_words, target_words
        self.input_embedding = Embedding(source_words + 1, size)
        self.output_embedding = Embedding(target_words + 1, size)
        self.encoder = nn.ModuleList(Block(size, heads, inner, dropout, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Block(size, heads, inner, dropout, True) for _ in range(layers))
        self.output_map = Linear(size, target_words + 1)
        self.dropout = nn.Dropout(dropout)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter, generator=rng)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

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
        encoded, hidden = self._encode(source, source_length)
        if target is None:
            return self._greedy(encoded, hidden, most)
        begin = target.new_full((len(target), 1), self.target_end)
        x = self._placed(self.output_embedding(torch.cat([begin, target], 1)), 0)
        length = x.shape[1]
        causal = torch.full((length, length), float("-inf"), device=x.device, dtype=x.dtype).triu(1)
        for block, memory in zip(self.decoder, encoded, strict=True):
            own = block.attentions["self_attention"].project(x, "kv")
            x = block(x, own, causal, memory, hidden)
        return self.output_map(x)

    def _encode(self, source: Tensor, source_length: Tensor) -> tuple[list[Heads], Tensor]:
        """Return the decoder blocks' keys and values of the source, its end included, and what hides the padding."""
        places = torch.arange(source.shape[1] + 1, device=source.device)
        end = source.new_full((len(source), 1), self.source_end)
        words = torch.where(places < source_length[:, None], torch.cat([source, end], 1), self.source_end)
        x = self._placed(self.input_embedding(words), 0)
        hidden = torch.zeros(words.shape, dtype=x.dtype, device=x.device)
        hidden = hidden.masked_fill_(places > source_length[:, None], float("-inf"))[:, None, None, :]
        for block in self.encoder:
            x = block(x, block.attentions["self_attention"].project(x, "kv"), hidden, None, None)
        return [block.attentions["cross_attention"].project(x, "kv") for block in self.decoder], hidden

    def _greedy(self, encoded: list[Heads], hidden: Tensor, most: int) -> Tensor:
        words = torch.full((hidden.shape[0], most + 1), self.target_end, device=hidden.device)
        kept: list[Heads] = []  # keys and values of the prefix, of each block
        ended = torch.zeros(len(words), dtype=torch.bool, device=words.device)
        for step in range(most):
            x = self._placed(self.output_embedding(words[:, step : step + 1]), step)
            for i, (block, memory) in enumerate(zip(self.decoder, encoded, strict=True)):
                own = block.attentions["self_attention"].project(x, "kv")
                if step:
                    own = tuple(torch.cat(pair, 2) for pair in zip(kept[i], own, strict=True))
                    kept[i] = own
                else:
                    kept.append(own)
                x = block(x, own, None, memory, hidden)
            found = self.output_map(x)[:, 0].argmax(-1)
            words[:, step + 1] = torch.where(ended, self.target_end, found)
            ended |= found == self.target_end
            if bool(ended.all()):
                break
        return words[:, 1:]

    def _placed(self, x: Tensor, first: int) -> Tensor:
        return self.dropout(x + positions(first, x.shape[1], self.size).to(x))


def positions(first: int, count: int, size: int) -> Tensor:
    """Return [count, size]: sin(p / 10000^(2i / size)) at 2i and the cosine at 2i + 1, from p = first."""
    place = torch.arange(first, first + count, dtype=torch.float64)[:, None]
    angle = place * torch.exp(torch.arange(0, size, 2, dtype=torch.float64) * (-math.log(10_000.0) / size))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :size]
