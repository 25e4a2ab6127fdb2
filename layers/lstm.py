"""`torch.nn.LSTM` whose parameters may carry a leading axis K, with one bias per gate or torch's two."""

from __future__ import annotations

from typing import Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from core.errors import BatchError, LayerError
from layers.batched import Batched, chunk_rows, chunks, samples
from layers.batched_linear import product
from layers.lstm_recurrence import recurrence

State = tuple[Tensor, Tensor]

# From this width and so many steps on, K calls of torch's CPU kernel (float32) take less time than steps of K products:
# 0.8x at 6 steps of width 256 and 10 of 200, 0.9x at 6 of 128, but 1.4x at 6 of 64, and 1.4x at one of 200, as in
# decoding (K=8, 128 rows, one thread, forward and backward).
KERNEL_WIDTH, KERNEL_STEPS = 128, 4


class LSTM(Batched, nn.LSTM):
    """`torch.nn.LSTM`: the fused kernel for plain weights, a loop over steps for K weights.

    i, f, g, o = W_ih x + b_ih + W_hh h + b_hh
    c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c')

    Args:
        *args, **kwargs: those of `torch.nn.LSTM`.
        recurrent_bias: False leaves out `bias_hh_l*`, so that a gate has one bias, as in most papers; the two
            of torch are redundant.

    With K weights the input is [B, T, C] (`batch_first=True`) or a PackedSequence of B sequences.
    """

    recurrent_bias = True  # torch's constructor calls flatten_parameters before ours has set it

    def __init__(self, *args: Any, recurrent_bias: bool = True, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.recurrent_bias = recurrent_bias
        if self._one_bias:
            for names in self._all_weights:
                for name in [n for n in names if n.startswith("bias_hh")]:
                    names.remove(name)
                    delattr(self, name)
            self._flat_weights_names = [name for names in self._all_weights for name in names]
            self._init_flat_weights()

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw torch's default initialisation, from `rng` when given and the global generator otherwise."""
        bound = self.hidden_size**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=rng)

    def flatten_parameters(self) -> None:
        """Lay the weights out as cuDNN wants them, which it only can with both biases."""
        if not self._one_bias:
            super().flatten_parameters()

    @property
    def _one_bias(self) -> bool:
        return self.bias and not self.recurrent_bias

    def why_not_batched(self) -> str:
        way_out = "or run it with backend='loop'"
        if self.bidirectional:
            return f"bidirectional=True has no K-batched form; use one direction {way_out}"
        if self.proj_size:
            return f"proj_size={self.proj_size} has no K-batched form; use proj_size=0 {way_out}"
        return ""

    @overload
    def forward(self, input: Tensor, hx: State | None = None) -> tuple[Tensor, State]: ...

    @overload
    def forward(self, input: PackedSequence, hx: State | None = None) -> tuple[PackedSequence, State]: ...

    def forward(self, input: Tensor | PackedSequence, hx: State | None = None) -> tuple[Tensor | PackedSequence, State]:
        """Run over a batch of sequences.

        Args:
            input: [T, B, C], [B, T, C] with `batch_first`, [T, C], or a PackedSequence.
            hx: (h [layers, B, H], c [layers, B, H]) before the first step; zeros when None.

        Returns:
            (output, (h, c)): the output of every step in the form of the input, and the state of each
            sequence after its own last step.

        Raises:
            BatchError: with K weights, B is not a multiple of K or the input has no batch axis.
            LayerError: with K weights, two directions, a projection, or [T, B, C].
        """
        axes = {name: 2 if name.startswith("weight") else 1 for name in self._flat_weights_names}
        k = samples(self, *((getattr(self, name), n) for name, n in axes.items()))
        return self._batched(input, hx, k) if k else self._dense(input, hx)

    def _dense(self, input: Tensor | PackedSequence, hx: State | None) -> tuple[Tensor | PackedSequence, State]:
        """Run torch's kernel on the parameters as they are now; the list nn.LSTM keeps may be out of date."""
        weights = self._weights()
        settings = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if isinstance(input, PackedSequence):
            data, sizes, order, back = input
            hx = self._start(data, int(sizes[0])) if hx is None else self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, sizes)
            output, h, c = torch.lstm(data, sizes, hx, weights, *settings)
            return PackedSequence(output, sizes, order, back), self.permute_hidden((h, c), back)

        if input.dim() not in (2, 3):
            raise BatchError(f"LSTM needs an input of 2 or 3 axes, not {list(input.shape)}")
        single = input.dim() == 2
        batch_axis = 0 if self.batch_first else 1
        if single:
            input = input.unsqueeze(batch_axis)
            hx = None if hx is None else (hx[0].unsqueeze(1), hx[1].unsqueeze(1))
        if hx is None:
            hx = self._start(input, input.shape[batch_axis])
        self.check_forward_args(input, hx, None)
        output, h, c = torch.lstm(input, hx, weights, *settings, self.batch_first)
        if single:
            return output.squeeze(batch_axis), (h.squeeze(1), c.squeeze(1))
        return output, (h, c)

    def _weights(self) -> list[Tensor]:
        """Return the parameters in the kernel's order, zeros for a second bias that was left out."""
        weights = []
        for names in self._all_weights:
            weights += [getattr(self, name) for name in names]
            if self._one_bias:
                at = len(weights) - (1 if self.proj_size else 0)
                weights.insert(at, torch.zeros_like(weights[at - 1]))
        return weights

    def _start(self, like: Tensor, rows: int) -> State:
        layers = self.num_layers * (2 if self.bidirectional else 1)
        return (
            like.new_zeros(layers, rows, self.proj_size or self.hidden_size),
            like.new_zeros(layers, rows, self.hidden_size),
        )

    def _batched(
        self, input: Tensor | PackedSequence, hx: State | None, k: int
    ) -> tuple[Tensor | PackedSequence, State]:
        if isinstance(input, PackedSequence):
            x, lengths = pad_packed_sequence(input, batch_first=True)  # back in the caller's order of rows
        elif not self.batch_first:
            raise LayerError(
                "LSTM: K weights follow the batch on axis 0, and batch_first=False puts time there; "
                "use batch_first=True or run it with backend='loop'"
            )
        elif input.dim() != 3:
            raise BatchError(f"LSTM with K={k} weights needs an input [B, T, C], not {list(input.shape)}")
        else:
            x, lengths = input, None
        rows, steps = x.shape[:2]
        h, c = self._start(x, rows) if hx is None else hx
        for name, state in (("h", h), ("c", c)):
            self.check_hidden_size(
                state, (self.num_layers, rows, self.hidden_size), f"LSTM: {name} of hx needs size {{}}, got {{}}"
            )
        chunk_rows(rows, k)
        # k == 1 is how a network runs under vmap, for which the kernel has no rule
        fast = k > 1 and rows and lengths is None and x.device.type == "cpu" and x.dtype == torch.float32
        if fast and self.hidden_size >= KERNEL_WIDTH and steps >= KERNEL_STEPS:
            return self._by_kernel(x, (h, c), k)
        x = chunks(x, k).transpose(1, 2)  # [K, T, B/K, C]
        ends = None
        if lengths is not None:  # [K, 1, b, H]: the last step of each sequence; what comes after it is not looked at
            ends = (lengths.to(x.device) - 1).view(k, 1, -1, 1).expand(-1, -1, -1, self.hidden_size)
        h_last, c_last = [], []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            x, h_end, c_end = self._layer(layer, x, chunks(h[layer], k), chunks(c[layer], k), ends)
            h_last.append(h_end.flatten(0, 1))
            c_last.append(c_end.flatten(0, 1))
        output = x.transpose(1, 2).reshape(rows, steps, self.hidden_size)
        return _packed_like(input, output), (torch.stack(h_last), torch.stack(c_last))

    def _by_kernel(self, x: Tensor, hx: State, k: int) -> tuple[Tensor, State]:
        """Run chunk i [B/K, T, C] through torch's kernel on weights i, for every i."""
        axes = ([2, 2, 1, 1] if self.bias else [2, 2]) * self.num_layers
        pairs = zip(self._weights(), axes, strict=True)
        sets = zip(*(w.unbind() if w.dim() > plain else [w] * k for w, plain in pairs), strict=True)
        settings = (self.bias, self.num_layers, self.dropout, self.training, False, True)
        h, c = (state.unflatten(1, (k, -1)).unbind(1) for state in hx)
        parts = zip(x.chunk(k), h, c, sets, strict=True)
        results = [torch.lstm(rows, (h, c), weights, *settings) for rows, h, c, weights in parts]
        outputs, h, c = zip(*results, strict=True)
        return torch.cat(outputs), (torch.cat(h, 1), torch.cat(c, 1))

    def _layer(self, layer: int, x: Tensor, h: Tensor, c: Tensor, ends: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Run one layer: x [K, T, b, C], h and c [K, b, H] -> (outputs [K, T, b, H], last h, last c)."""
        bias_ih = getattr(self, f"bias_ih_l{layer}", None)
        bias_hh = getattr(self, f"bias_hh_l{layer}", None)
        bias = bias_ih if bias_hh is None else bias_ih + bias_hh  # [4H] + [K, 4H] broadcasts too
        inputs = product(x.flatten(1, 2), getattr(self, f"weight_ih_l{layer}"), bias)
        inputs = inputs.unflatten(1, x.shape[1:3])  # the input's share of all steps, in one product
        outputs, cells = recurrence(inputs, getattr(self, f"weight_hh_l{layer}"), h, c)
        if ends is None:
            return outputs, outputs[:, -1], cells[:, -1]
        return outputs, outputs.gather(1, ends).squeeze(1), cells.gather(1, ends).squeeze(1)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", recurrent_bias=False" if self._one_bias else "")


def _packed_like(input: Tensor | PackedSequence, output: Tensor) -> Tensor | PackedSequence:
    """Pack `output` [B, T, H] with the order and lengths of `input` when that is packed."""
    if not isinstance(input, PackedSequence):
        return output
    _, sizes, order, back = input
    if order is not None:
        output = output.index_select(0, order)
    data = torch.cat([output[:n, step] for step, n in enumerate(sizes.tolist())])
    return PackedSequence(data, sizes, order, back)
