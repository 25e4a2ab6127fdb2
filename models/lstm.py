"""An LSTM over a sequence with a linear output on every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from layers import LSTM, Linear
from models.layered import Layered


class LSTMModel(Layered):
    """y_t = W h_t + b, where h_t is the last layer's output of an LSTM with one bias per gate.

    Initialisation: forget-gate bias 1, other gate biases 0, the cell gate's block of each recurrent weight
    orthogonal, everything else torch's default.

    Args:
        n_in: width of the input of one step.
        n_out: width of the output of one step.
        state_size: width of each layer's state.
        n_layers: layers of the LSTM.
        dropout: probability of dropping an activation between two layers.
        rng: the stream the initialisation is drawn from. The network is built on its device.

    Source: Csordas et al. 2021, "Are neural nets modular?", section 3 (2 layers of 256).
    """

    def __init__(
        self, n_in: int, n_out: int, state_size: int, n_layers: int, dropout: float = 0.0, *, rng: torch.Generator
    ):
        super().__init__()
        with torch.device("meta"):  # the constructors would draw from the global generator
            self.lstm = LSTM(n_in, state_size, n_layers, dropout=dropout, batch_first=True, recurrent_bias=False)
            self.output = Linear(state_size, n_out)
        self.to_empty(device=rng.device)
        self.lstm.reset_parameters(rng)
        self.output.reset_parameters(rng)
        remember(self.lstm, rng)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, n_in] to [B, T, n_out]."""
        return self.output(self.lstm(x)[0])

    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, from input to output."""
        names = [name for name, _ in self.lstm.named_parameters()]
        layers = [[f"lstm.{n}" for n in names if n.endswith(f"_l{i}")] for i in range(self.lstm.num_layers)]
        return [*layers, [f"output.{name}" for name, _ in self.output.named_parameters()]]

    def io(self) -> set[str]:
        """Return the names of the first layer's input weights and of the output layer's parameters."""
        return {"lstm.weight_ih_l0", *self.groups()[-1]}


def remember(lstm: LSTM, rng: torch.Generator) -> None:
    """Set forget-gate biases to 1 and the others to 0, and draw the cell gates' recurrent weights orthogonal."""
    size = lstm.hidden_size
    with torch.no_grad():
        for layer in range(lstm.num_layers):
            # torch's order of the blocks is input, forget, cell, output
            nn.init.orthogonal_(getattr(lstm, f"weight_hh_l{layer}")[2 * size : 3 * size], generator=rng)
            bias = getattr(lstm, f"bias_ih_l{layer}")
            bias.zero_()
            bias[size : 2 * size] = 1
