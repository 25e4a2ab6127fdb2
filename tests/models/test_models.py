"""What every network must do. A new one is one row of MODELS (and one of tests/masks/test_batching.py)."""

import math

import pytest
import torch
from torch import nn

from models.feedforward import FeedForward
from models.lstm import LSTMModel


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


#        network, its arguments, input shape, output shape
MODELS = [
    pytest.param(FeedForward, (6, 4, (5, 7)), (8, 6), (8, 4), id="feedforward"),
    pytest.param(FeedForward, (6, 4, ()), (8, 3, 6), (8, 3, 4), id="one linear layer"),
    pytest.param(LSTMModel, (6, 4, 5, 1), (8, 3, 6), (8, 3, 4), id="lstm"),
    pytest.param(LSTMModel, (6, 4, 5, 2, 0.5), (8, 3, 6), (8, 3, 4), id="lstm with two layers and dropout"),
]


@pytest.mark.parametrize("kind, arguments, x, y", MODELS)
def test_every_network(kind, arguments, x, y):
    before = torch.get_rng_state()
    model = kind(*arguments, rng=rng(1))
    assert torch.equal(torch.get_rng_state(), before), "the constructor drew from the global generator"
    assert model.eval()(torch.randn(x, generator=rng())).shape == y

    same, other = kind(*arguments, rng=rng(1)), kind(*arguments, rng=rng(2))
    drawn = dict(model.named_parameters())
    assert all(torch.equal(p, drawn[name]) for name, p in same.named_parameters())
    assert all(p.isfinite().all() and not p.is_meta and p.requires_grad for p in model.parameters())
    weights = [name for name in drawn if "weight" in name]
    assert all(not torch.equal(other.get_parameter(name), drawn[name]) for name in weights)
    other.load_state_dict(model.state_dict())
    x = torch.randn(x, generator=rng())
    assert torch.equal(other.eval()(x), model(x))

    grouped = [name for group in model.groups() for name in group]
    assert sorted(grouped) == sorted(drawn), "every parameter is in exactly one group"
    assert model.io() <= set(drawn) and set(model.groups()[-1]) <= model.io()


@pytest.mark.parametrize(
    "model, count",
    [
        (lambda: FeedForward(80, 40, (2000,) * 4, rng=rng()), 12_248_040),
        (lambda: FeedForward(42, 20, (2000,) * 4, rng=rng()), 12_132_020),
        (lambda: FeedForward(80, 40, (800,) * 4, rng=rng()), 2_019_240),
        (lambda: LSTMModel(80, 40, 256, 2, rng=rng()), 880_680),
        (lambda: LSTMModel(42, 20, 256, 2, rng=rng()), 836_628),
    ],
)
def test_sizes_are_the_published_ones(model, count):
    assert sum(p.numel() for p in model().parameters()) == count


def test_feedforward_is_linear_and_relu_with_torchs_initialisation():
    torch.manual_seed(5)
    theirs = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 4))
    ours = FeedForward(6, 4, (5, 7), rng=rng(5))
    x = torch.randn(3, 6, generator=rng())
    assert torch.equal(ours(x), theirs(x))
    assert ours.groups() == [[f"layers.{i}.weight", f"layers.{i}.bias"] for i in range(3)]
    assert ours.io() == {"layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"}


def test_lstm_is_torchs_with_a_linear_output():
    model = LSTMModel(6, 4, 5, 2, rng=rng())
    theirs = nn.LSTM(6, 5, 2, batch_first=True)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.zero_() if "bias_hh" in name else parameter.copy_(model.lstm.get_parameter(name))
    x = torch.randn(3, 7, 6, generator=rng())
    torch.testing.assert_close(model(x), model.output(theirs(x)[0]))


def test_lstm_names():
    model = LSTMModel(6, 4, 5, 12, rng=rng())
    assert model.groups()[1] == ["lstm.weight_ih_l1", "lstm.weight_hh_l1", "lstm.bias_ih_l1"]
    assert len(model.groups()) == 13 and model.groups()[-1] == ["output.weight", "output.bias"]
    assert model.io() == {"lstm.weight_ih_l0", "output.weight", "output.bias"}


def test_lstm_initialisation():
    size = 16
    model = LSTMModel(6, 4, size, 2, rng=rng())
    for layer in range(2):
        bias = model.lstm.get_parameter(f"bias_ih_l{layer}").view(4, size)  # input, forget, cell, output
        assert torch.equal(bias, torch.tensor([0.0, 1, 0, 0])[:, None].expand(4, size))
        recurrent = model.lstm.get_parameter(f"weight_hh_l{layer}").view(4, size, size)
        torch.testing.assert_close(recurrent[2] @ recurrent[2].T, torch.eye(size), rtol=0, atol=1e-5)
        inputs = model.lstm.get_parameter(f"weight_ih_l{layer}")
        others = torch.cat([recurrent[[0, 1, 3]].flatten(), inputs.flatten()])
        assert others.abs().max() <= size**-0.5 and others.std() > 0.9 * size**-0.5 / math.sqrt(3)
    assert model.output.bias.abs().max() > 0


def test_lstm_dropout_is_between_layers_and_only_in_training():
    model = LSTMModel(6, 4, 5, 2, 0.5, rng=rng())
    x = torch.randn(3, 7, 6, generator=rng())
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
