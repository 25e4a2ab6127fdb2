"""What cannot run K weight sets the way it was asked to is refused in one sentence, before it runs."""

import pytest
import torch
from torch import nn

from core.errors import BatchError, LayerError, MaskError, OptionError
from layers import LSTM, Linear
from layers.functional.batching import forward


def versions(model, k):
    return {name: p.detach().expand(k, *p.shape) for name, p in model.named_parameters()}


class Numbers(nn.Module):
    """Returns what has no batch axis, or looks at a number in the middle."""

    def __init__(self, what):
        super().__init__()
        self.linear, self.what = nn.Linear(3, 2), what

    def forward(self, x):
        y = self.linear(x)
        if self.what == "item":
            return y * y.sum().item()
        return y.mean() if self.what == "scalar" else y.T


CHUNK = "for a chunk of 4 rows; K chunks can only be joined where axis 0 is the batch"
LSTM_TEXT = "runs a fused kernel that vmap cannot see into;"
NORM_TEXT = (
    "would update its running statistics K times at once, which vmap cannot do; "
    "use eval(), track_running_stats=False, or backend='loop'"
)


@pytest.mark.parametrize(
    ("model", "backend", "error", "text"),
    [
        (
            nn.Sequential(nn.LSTM(3, 2)),
            "auto",
            LayerError,
            f"layer '0' (torch.nn.LSTM) {LSTM_TEXT} use layers.LSTM or backend='loop'",
        ),
        (
            nn.ModuleDict({"rnn": nn.ModuleList([nn.GRU(3, 2)])}),
            "vmap",
            LayerError,
            f"layer 'rnn.0' (torch.nn.GRU) {LSTM_TEXT} write it with Linear layers or backend='loop'",
        ),
        (
            nn.RNN(3, 2),
            "auto",
            LayerError,
            f"the model itself (torch.nn.RNN) {LSTM_TEXT} write it with Linear layers or backend='loop'",
        ),
        (
            LSTM(3, 2, bidirectional=True),
            "auto",
            LayerError,
            "the model itself (LSTM): bidirectional=True has no K-batched form; "
            "use one direction or run it with backend='loop'",
        ),
        (
            LSTM(3, 2, proj_size=1),
            "layers",
            LayerError,
            "the model itself (LSTM): proj_size=1 has no K-batched form; use proj_size=0 or run it with backend='loop'",
        ),
        (
            nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)),
            "auto",
            LayerError,
            f"layer '1' (torch.nn.BatchNorm1d) {NORM_TEXT}",
        ),
        (
            nn.Sequential(nn.Linear(3, 2), nn.InstanceNorm1d(2, track_running_stats=True)),
            "vmap",
            LayerError,
            f"layer '1' (torch.nn.InstanceNorm1d) {NORM_TEXT}",
        ),
        (
            nn.Sequential(nn.Linear(3, 2)),
            "layers",
            LayerError,
            "layer '0' (torch.nn.Linear) cannot take weights with a leading K axis; "
            "use its twin from layers, backend='vmap' or backend='loop'",
        ),
        (Linear(3, 2), "vmpa", OptionError, "backend='vmpa'; allowed: auto, layers, vmap, loop; did you mean 'vmap'?"),
        (
            Numbers("scalar"),
            "vmap",
            BatchError,
            f"an output has shape [] {CHUNK}; of a loss, leave the targets out and compute it from the outputs",
        ),
        (Numbers("transposed"), "vmap", BatchError, f"an output has shape [2, 4] {CHUNK}"),
        (Numbers("transposed"), "loop", BatchError, f"an output has shape [2, 4] {CHUNK}"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(model, backend, error, text):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(error) as caught:
        forward(model, versions(model, 2), 2, torch.ones(8, 3), backend=backend)
    assert str(caught.value) == text
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_what_vmap_finds_only_on_the_way_is_said_too():
    model = Numbers("item")
    with pytest.raises(LayerError, match=r"^Numbers cannot run under vmap \(.*\); run it with backend='loop'$"):
        forward(model, versions(model, 2), 2, torch.ones(8, 3))
    assert forward(model, versions(model, 2), 2, torch.ones(8, 3), backend="loop").shape == (8, 2)


@pytest.mark.parametrize(
    ("weights", "k", "inputs", "error", "text"),
    [
        (
            {},
            4,
            [(10, 3)],
            BatchError,
            "a batch of 10 rows cannot be cut into K=4 equal chunks; nearest batch sizes: 8 or 12",
        ),
        (
            {},
            2,
            [(4, 3), (3, 3)],
            BatchError,
            "an input of shape [3, 3] does not have the 4 rows of the first on axis 0; "
            "every tensor input needs the batch there: what is no batch goes into Shared(...)",
        ),
        ({}, 2, [()], BatchError, "no input is a tensor with a batch axis, so there is nothing to cut into K chunks"),
        ({"wieght": (2, 2, 3)}, 2, [(4, 3)], MaskError, "the model has no parameter 'wieght'; did you mean 'weight'?"),
        (
            {"weight": (3, 2, 3)},
            2,
            [(4, 3)],
            MaskError,
            "the weight for 'weight' has shape [3, 2, 3]; with k=2 it must be [2, 2, 3]",
        ),
        (
            {"weight": (2, 2, 3)},
            None,
            [(4, 3)],
            MaskError,
            "the weight for 'weight' has shape [2, 2, 3]; with k=None it must be [2, 3]",
        ),
        ({}, 0, [(4, 3)], MaskError, "k=0: the number of weight sets is at least 1, or None"),
    ],
)
def test_weights_and_batches_that_do_not_fit(weights, k, inputs, error, text):
    weights = {name: torch.zeros(shape) for name, shape in weights.items()}
    with pytest.raises(error) as caught:
        forward(Linear(3, 2), weights, k, *(torch.zeros(shape) for shape in inputs), backend="loop")
    assert str(caught.value) == text
