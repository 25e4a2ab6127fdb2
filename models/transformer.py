"""A sequence-to-sequence Transformer that decodes one step at a time without recomputing the prefix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layers import Embedding, LayerNorm, Linear, MultiheadAttention
from layers.batched import chunks
from layers.batched_linear import product
from models.sequence import SequenceModel

Heads = tuple[Tensor, ...]


class Block(nn.Module):
    """Self-attention, in a decoder also cross-attention, and a feed-forward sublayer; each followed by a norm.

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
            own: its queries, and keys and values of the positions that it attends to in its own sequence.
            mask: added to the scores of that attention, or None.
            encoded: keys and values of the encoded sequence, of a decoder.
            hidden: added to the scores of that attention.
        """
        first = attention(self, "self_attention")
        queries, keys, values = own
        x = self.norms[0](x + self.dropout(first.attend(queries, keys, values, mask)))
        if encoded is not None:
            second = attention(self, "cross_attention")
            (queries,), (keys, values) = second.project(x, "q"), encoded
            x = self.norms[1](x + self.dropout(second.attend(queries, keys, values, hidden)))
        return self.norms[-1](x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(x))))))


def attention(block: nn.Module, name: str) -> MultiheadAttention:
    """Return one of the attentions of a block, "self_attention" or "cross_attention"."""
    assert isinstance(block, Block)
    found = block.attentions[name]
    assert isinstance(found, MultiheadAttention)
    return found


@dataclass(frozen=True)
class Prefix:
    """Cached keys and values of the words decoded so far, and of the source.

    Attributes:
        length: number of words.
        kept: their keys and values, of each block; without gradients there is room behind them, which the next words
            take, so that a prefix is gone on from once.
        encoded: keys and values of the source, of each block.
        hidden: added to the scores of the source, [B, 1, 1, S].
    """

    length: int
    kept: list[Heads]
    encoded: list[Heads]
    hidden: Tensor


class Transformer(SequenceModel):
    """Encoder and decoder with sinusoidal positions and post-norm blocks; 607,607 parameters for SCAN.

    Args:
        source_words, target_words: sizes of the vocabularies.
        rng: the stream of the parameters: weights by Xavier's uniform rule, biases 0.
        size, heads, inner, dropout: E, heads of each attention, width inside, dropout.
        encoder_layers, decoder_layers: blocks on each side.
        tied: one embedding for both sides and for the output, whose logits are h E^T / sqrt(size).

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; sizes, and embeddings that are not scaled:
    Csordas et al., "Are Neural Nets Modular?", ICLR 2021, its code.
    """

    def __init__(
        self, source_words: int, target_words: int, rng: torch.Generator, size: int = 100, heads: int = 4,
        encoder_layers: int = 3, decoder_layers: int = 3, inner: int = 200, dropout: float = 0.1, tied: bool = False,
    ):  # fmt: skip
        super().__init__(source_words, target_words)
        self.size, self.tied = size, tied
        with torch.device("meta"):  # the constructors would draw from the global generator
            self.input_embedding = Embedding(source_words + 1, size)
            self.output_embedding = self.input_embedding if tied else Embedding(target_words + 1, size)
            self.encoder = nn.ModuleList(Block(size, heads, inner, dropout, False) for _ in range(encoder_layers))
            self.decoder = nn.ModuleList(Block(size, heads, inner, dropout, True) for _ in range(decoder_layers))
            if not tied:
                self.output_map = Linear(size, target_words + 1)
        self.dropout = nn.Dropout(dropout)
        self.to_empty(device=rng.device)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter, generator=rng)
            else:
                nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)

    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, block i of both sides together; embeddings are in none."""
        count = max(len(self.encoder), len(self.decoder))
        groups: list[list[str]] = [[] for _ in range(count)]
        for side, blocks in (("encoder", self.encoder), ("decoder", self.decoder)):
            for i, block in enumerate(blocks):
                groups[i] += [f"{side}.{i}.{name}" for name, _ in block.named_parameters()]
        return groups if self.tied else [*groups, ["output_map.weight", "output_map.bias"]]

    def encode(self, words: Tensor, length: Tensor) -> Prefix:
        """Return an empty prefix, and the decoder blocks' keys and values of the source."""
        x = self._placed(self.input_embedding(words), 0)
        padding = torch.arange(words.shape[1], device=words.device) >= length[:, None]
        hidden = torch.zeros(words.shape, dtype=x.dtype, device=x.device).masked_fill(padding, float("-inf"))
        hidden = hidden[:, None, None, :]
        for block in self.encoder:
            x = block(x, attention(block, "self_attention").project(x, "qkv"), hidden, None, None)
        encoded = [attention(block, "cross_attention").project(x, "kv") for block in self.decoder]
        return Prefix(0, [], encoded, hidden)

    def decode(self, state: Prefix, words: Tensor) -> tuple[Tensor, Prefix]:
        """Return the outputs of the next words, and the prefix with them."""
        x = self._placed(self.output_embedding(words), state.length)
        count, kept, later = words.shape[1], [], None
        if count > 1:
            later = torch.full((count, state.length + count), float("-inf"), device=x.device, dtype=x.dtype)
            later = later.triu(state.length + 1)
        for i, (block, memory) in enumerate(zip(self.decoder, state.encoded, strict=True)):
            queries, *own = attention(block, "self_attention").project(x, "qkv")
            if state.kept:
                own = [_appended(*pair, state.length) for pair in zip(state.kept[i], own, strict=True)]
            kept.append(tuple(own))
            seen = (tensor[:, :, : state.length + count] for tensor in own)
            x = block(x, (queries, *seen), later, memory, state.hidden)
        return self._outputs(x), Prefix(state.length + count, kept, state.encoded, state.hidden)

    def _outputs(self, x: Tensor) -> Tensor:
        if not self.tied:
            return self.output_map(x)
        weight = self.input_embedding.weight
        rows = chunks(x, len(weight) if weight.dim() == 3 else 1).flatten(1, -2)
        return product(rows, weight).reshape(*x.shape[:-1], -1) / math.sqrt(self.size)

    def _placed(self, x: Tensor, first: int) -> Tensor:
        return self.dropout(x + positions(first, x.shape[1], self.size).to(x))


def _appended(kept: Tensor, new: Tensor, length: int) -> Tensor:
    """Return [B, heads, T, d] with `new` behind the first `length` places of `kept`."""
    if torch.is_grad_enabled():
        return torch.cat([kept[:, :, :length], new], 2)
    end = length + new.shape[2]
    if end > kept.shape[2]:  # twice the room, or copying all that is kept at every step is a quarter of the time
        grown = kept.new_empty(*kept.shape[:2], 2 * end, kept.shape[3])
        grown[:, :, :length] = kept[:, :, :length]
        kept = grown
    kept[:, :, length:end] = new
    return kept


@cache
def positions(first: int, count: int, size: int) -> Tensor:
    """Return [count, size]: sin(p / 10000^(2i / size)) at 2i and the cosine at 2i + 1, from p = first."""
    place = torch.arange(first, first + count, dtype=torch.float64)[:, None]
    angle = place * torch.exp(torch.arange(0, size, 2, dtype=torch.float64) * (-math.log(10_000.0) / size))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :size]
