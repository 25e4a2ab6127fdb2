"""`torch.nn.MultiheadAttention` whose weights and biases may carry a leading axis K."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import BatchError, LayerError
from layers.batched import Batched, chunks, samples
from layers.batched_linear import product
from layers.init import torch_default
from layers.linear import Linear


class MultiheadAttention(Batched, nn.MultiheadAttention):
    """`torch.nn.MultiheadAttention`: softmax(Q_k K_k^T / sqrt(d)) V_k by heads, then O_k, for the rows of chunk k.

    Args:
        embed_dim, num_heads, dropout, bias, batch_first, **more: as torch's.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, batch_first: bool = False,
        **more: Any,
    ):  # fmt: skip
        super().__init__(embed_dim, num_heads, dropout, bias, batch_first=batch_first, **more)
        theirs = self.out_proj
        ours = Linear(embed_dim, embed_dim, bias, theirs.weight.device, theirs.weight.dtype)
        self.out_proj = ours  # type: ignore[assignment]  # torch names its own class of linear layers
        self.out_proj.load_state_dict(theirs.state_dict())

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw torch's default initialisation, from `rng` when given and the global generator otherwise."""
        torch_default(self.out_proj.weight, None, rng)
        weights = (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        for weight in weights:
            if weight is not None:
                nn.init.xavier_uniform_(weight, generator=rng)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                nn.init.zeros_(bias)

    def why_not_batched(self) -> str:
        """Return what has no K-batched form."""
        if not self.batch_first:
            return "the batch must be axis 0 to be cut into chunks; batch_first=True"
        if self.in_proj_weight is None:
            return "kdim and vdim make three weights of what is one here; leave them as embed_dim"
        if self.bias_k is not None or self.add_zero_attn:
            return "add_bias_kv and add_zero_attn are not done for K weights"
        return ""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Map [B, T, E], [B, S, E], [B, S, E] to [B, T, E] and the attention, or None where it is not asked for.

        Raises:
            BatchError: with K weights, B is not a multiple of K or an input has no batch axis.
            LayerError: with K weights, the attention itself is asked for.
        """
        k = self._samples()
        if not k:
            return super().forward(
                query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
            )
        if need_weights:
            raise LayerError(f"MultiheadAttention with K={k} weights does not return the attention; need_weights=False")
        if query.dim() != 3:
            raise BatchError(f"MultiheadAttention with K={k} needs inputs [B, T, E], not {list(query.shape)}")
        if key is value and query is key:
            q, keys, values = self.project(query, "qkv")
        else:
            q, keys, values = (self.project(x, part)[0] for x, part in ((query, "q"), (key, "k"), (value, "v")))
        causal = is_causal and key_padding_mask is None
        mask = None if causal else self._mask(attn_mask, key_padding_mask, q)
        return self.attend(q, keys, values, mask, causal), None

    def project(self, x: Tensor, parts: str) -> tuple[Tensor, ...]:
        """Return what the attention is made of, each [B, heads, T, d]: decoding keeps keys and values.

        Args:
            x: [B, T, E].
            parts: neighbours of "qkv": queries, keys, values.
        """
        first, rows = "qkv".index(parts), len(parts) * self.embed_dim
        weight = self.in_proj_weight.narrow(-2, first * self.embed_dim, rows)
        bias = None if self.in_proj_bias is None else self.in_proj_bias.narrow(-1, first * self.embed_dim, rows)
        y = product(chunks(x, self._samples() or 1).flatten(1, 2), weight, bias).view(*x.shape[:-1], rows)
        return tuple(p.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for p in y.chunk(len(parts), -1))

    def attend(
        self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Return the output [B, T, E] for what `project` gave.

        Args:
            queries, keys, values: [B, heads, T or S, d].
            mask: added to the scores, of a shape that broadcasts to [B, heads, T, S].
            causal: a position attends to none after it.
        """
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(queries, keys, values, mask, dropout, causal).transpose(1, 2).flatten(2)
        rows = product(chunks(y, self._samples() or 1).flatten(1, 2), self.out_proj.weight, self.out_proj.bias)
        return rows.view(y.shape)

    def _samples(self) -> int:
        return samples(
            self, (self.in_proj_weight, 2), (self.in_proj_bias, 1), (self.out_proj.weight, 2), (self.out_proj.bias, 1)
        )

    def _mask(self, attn_mask: Tensor | None, padding: Tensor | None, q: Tensor) -> Tensor | None:
        """Return what is added to the scores: -inf where torch's masks say True, the sum of both."""
        found = None
        if attn_mask is not None:
            found = _added(attn_mask, q)
            found = found.unflatten(0, (-1, self.num_heads)) if found.dim() == 3 else found
        if padding is not None:
            hidden = _added(padding, q)[:, None, None, :]
            found = hidden if found is None else found + hidden
        return found


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros(mask.shape, dtype=like.dtype, device=mask.device).masked_fill_(mask, float("-inf"))
