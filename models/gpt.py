"""A small GPT: decoder-only, pre-norm, learned positions, tied input and output embeddings."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import LayerError, OptionError
from layers import Embedding, LayerNorm, Linear, MultiheadAttention
from layers.batched import chunks
from layers.batched_linear import product

DEVIATION = 0.02  # of every weight and embedding


class GPTBlock(nn.Module):
    """x += attention(norm(x)), causal, each position to itself and earlier ones; x += linear(GELU(linear(norm(x)))).

    Args:
        width: E, of every position.
        heads: of the attention.
        inner: width between the two linear layers.
        dropout: of what is added to the stream, and of the attention.
        gelu: how GELU is computed.
    """

    def __init__(self, width: int, heads: int, inner: int, dropout: float, gelu: str):
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(width), LayerNorm(width)
        self.attention = MultiheadAttention(width, heads, dropout, batch_first=True)
        self.linear1, self.linear2 = Linear(width, inner), Linear(inner, width)
        self.dropout, self.gelu = nn.Dropout(dropout), gelu

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, E] to [B, T, E]."""
        queries, keys, values = self.attention.project(self.norm1(x), "qkv")
        x = x + self.dropout(self.attention.attend(queries, keys, values, causal=True))
        return x + self.dropout(self.linear2(F.gelu(self.linear1(self.norm2(x)), approximate=self.gelu)))


class GPT(nn.Module):
    """GPT-2 of any size: logits h E^T of the next word at every position, E the embedding of words.

    With 12 layers of width 128 the blocks have 196,608 weights each, 2,359,296 in all.

    Args:
        words: size of the vocabulary.
        context: most words of a sequence.
        layers, width, heads: blocks, E, heads of each attention.
        inner: width inside a block; None: 4 E.
        dropout: of embeddings, attention, and what is added to the stream.
        gelu: "tanh", GPT-2's approximation, or "none", the exact one.
        narrow: draw what adds to the stream with a deviation 1 / sqrt(2 layers) as large, as GPT-2 does.
        rng: the stream of the parameters: weights and embeddings N(0, 0.02^2), biases 0.

    Raises:
        OptionError: the width is not a multiple of the number of heads, or a size is below 1.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; sizes: Zhang, Lepori, Pavlick,
    "Instilling Inductive Biases with Subnetworks", arXiv 2310.10899, section 3 (2 to 12 layers of width 128, 4 heads).
    """

    def __init__(
        self, words: int, context: int, layers: int = 12, width: int = 128, heads: int = 4, inner: int | None = None,
        dropout: float = 0.0, gelu: Literal["tanh", "none"] = "tanh", narrow: bool = False, *, rng: torch.Generator,
    ):  # fmt: skip
        super().__init__()
        sizes = {"words": words, "context": context, "layers": layers, "width": width, "heads": heads}
        for name, size in sizes.items():
            if size < 1:
                raise OptionError(f"{name}={size} of a GPT is too small; it must be at least 1")
        if width % heads:
            raise OptionError(f"width={width} cannot be shared by heads={heads}; it must be a multiple of {heads}")
        if gelu not in ("tanh", "none"):
            raise OptionError(f"gelu={gelu!r} is not one of tanh, none")
        self.context = context
        with torch.device("meta"):  # the constructors would draw from the global generator
            self.words, self.positions = Embedding(words, width), Embedding(context, width)
            inner = 4 * width if inner is None else inner
            self.blocks = nn.ModuleList(GPTBlock(width, heads, inner, dropout, gelu) for _ in range(layers))
            self.norm = LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.to_empty(device=rng.device)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                adds = narrow and name.endswith(("out_proj.weight", "linear2.weight"))
                nn.init.normal_(parameter, 0, DEVIATION / math.sqrt(2 * layers) if adds else DEVIATION, generator=rng)
            else:
                nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map words [B, T] to logits [B, T, words].

        Raises:
            LayerError: T is above the context.
        """
        rows, length = x.shape
        if length > self.context:
            raise LayerError(f"a sequence of {length} words does not fit the context of {self.context}")
        places = torch.arange(length, device=x.device).expand(rows, length)
        y = self.dropout(self.words(x) + self.positions(places))
        for block in self.blocks:
            y = block(y)
        y, table = self.norm(y), self.words.weight
        outputs = product(chunks(y, len(table) if table.dim() == 3 else 1).flatten(1, 2), table)
        return outputs.reshape(rows, length, -1)

    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, the last norm with the last; embeddings are in none."""
        groups = [[f"blocks.{i}.{name}" for name, _ in b.named_parameters()] for i, b in enumerate(self.blocks)]
        groups[-1] += ["norm.weight", "norm.bias"]
        return groups

    def maskable(self) -> list[str]:
        """Return the names of the matrices in the blocks, four each: what is masked, and drawn anew in a transfer."""
        return [name for name, p in self.named_parameters() if name.startswith("blocks") and p.dim() > 1]
