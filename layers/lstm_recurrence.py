"""The steps of one LSTM layer for K recurrent weights at once, with few, large products in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Walk = tuple[Tensor, Tensor, Tensor]


class _Recurrence(torch.autograd.Function):
    """Autograd's own backward pass computes and accumulates a weight gradient at every step.

    Here the steps only pass the state's gradient on, by factors that are made for all steps at once, and the weight's
    gradient is one product at the end.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> Walk:
        gates, width = torch.empty_like(inputs), h.shape[-1]
        outputs, cells = (inputs.new_empty(*inputs.shape[:3], width) for _ in range(2))
        for step in range(inputs.shape[1]):
            now = torch.baddbmm(inputs[:, step], h, weight.mT)
            now[..., : 2 * width].sigmoid_()
            now[..., 2 * width : 3 * width].tanh_()
            now[..., 3 * width :].sigmoid_()
            i, f, g, o = now.chunk(4, -1)
            c = torch.addcmul(f * c, i, g)
            h = c.tanh().mul_(o)
            outputs[:, step], cells[:, step], gates[:, step] = h, c, now
        return outputs, cells, gates

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor], output: Walk) -> None:
        _, weight, h, c = inputs
        outputs, cells, gates = output
        ctx.mark_non_differentiable(gates)
        ctx.save_for_backward(weight, h, c, outputs, cells, gates)

    @staticmethod
    def backward(
        ctx: Any, to_outputs: Tensor, to_cells: Tensor, _: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        weight, h, c, outputs, cells, gates = ctx.saved_tensors
        i, f, g, o = gates.chunk(4, -1)
        tanh = cells.tanh()
        before = torch.cat([c.unsqueeze(1), cells[:, :-1]], 1)
        along = [(i - i * i) * g, (f - f * f) * before, (1 - g * g) * i, (o - o * o) * tanh]
        slopes = torch.stack(along, -2)  # of gates by the cell, and of the last one by the output: [K, T, b, 4, H]
        down = (1 - tanh * tanh) * o  # of the output by the cell
        to_c, to_h = torch.zeros_like(to_cells[:, 0]), torch.zeros_like(to_outputs[:, 0])
        for step in reversed(range(gates.shape[1])):
            to_h = to_h + to_outputs[:, step]
            to_c = torch.addcmul(to_c + to_cells[:, step], to_h, down[:, step])
            now = slopes[:, step]
            now[..., :3, :].mul_(to_c.unsqueeze(-2))
            now[..., 3, :].mul_(to_h)
            to_c = to_c * f[:, step]
            to_h = torch.bmm(now.flatten(-2), weight)
        to_inputs = slopes.flatten(-2)
        seen = torch.cat([h.unsqueeze(1), outputs[:, :-1]], 1).flatten(1, 2)
        return to_inputs, torch.bmm(to_inputs.flatten(1, 2).mT, seen), to_h, to_c


def recurrence(inputs: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Run i, f, g, o = inputs_t + weight h; c' = sigmoid(f) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c').

    Args:
        inputs: [K, T, b, 4H], the input's share of the gates.
        weight: [K, 4H, H], or [4H, H] for all k.
        h, c: [K, b, H], the state before the first step.

    Returns:
        h and c after every step, each [K, T, b, H].
    """
    weight = weight.expand(inputs.shape[0], *weight.shape[-2:])
    with torch.autocast(inputs.device.type, enabled=False):  # a state adds up over the steps, so its type stays
        return _Recurrence.apply(inputs.to(weight.dtype), weight, h.to(weight.dtype), c.to(weight.dtype))[:2]
