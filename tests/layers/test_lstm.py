"""layers.LSTM: torch's kernel without K, the same numbers step by step with it; packed and padded."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from core.errors import BatchError, LayerError
from layers import LSTM


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def lstm(**settings):
    return LSTM(3, 4, dtype=torch.float64, **{"batch_first": True, **settings})


def many(layer, k, names=None):
    """K random versions of the named parameters (all by default)."""
    return {
        name: rand(k, *parameter.shape, seed=i).mul(0.5).requires_grad_()
        for i, (name, parameter) in enumerate(layer.named_parameters())
        if names is None or name in names
    }


DROP_IN = [
    {},
    {"num_layers": 2, "batch_first": True},
    {"bias": False},
    {"bidirectional": True, "num_layers": 2},
    {"proj_size": 2, "batch_first": True},
]


@pytest.mark.parametrize("settings", DROP_IN)
def test_is_a_drop_in_for_torch(settings):
    torch.manual_seed(1)
    theirs = nn.LSTM(3, 4, dtype=torch.float64, **settings)
    torch.manual_seed(1)
    ours = LSTM(3, 4, dtype=torch.float64, **settings)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    x = rand(5, 2, 3)
    lengths = [2, 2, 1, 1, 1] if theirs.batch_first else [4, 5]
    packed = pack_padded_sequence(x, lengths, batch_first=theirs.batch_first, enforce_sorted=False)
    rows = 5 if theirs.batch_first else 2
    depth = theirs.num_layers * (2 if theirs.bidirectional else 1)
    hx = (rand(depth, rows, theirs.proj_size or 4, seed=7), rand(depth, rows, 4, seed=8))
    single = tuple(state[:, 0] for state in hx)
    for inputs in ((x,), (x, hx), (packed,), (packed, hx), (x[:, 0],), (x[:, 0], single)):
        results = []
        for layer in (ours, theirs):
            layer.zero_grad()
            output, (h, c) = layer(*inputs)
            output = output.data if isinstance(output, PackedSequence) else output
            (output.square().sum() + h.sum() + c.sum()).backward()
            results.append([output, h, c, *(p.grad.clone() for p in layer.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    ours.load_state_dict(theirs.state_dict())
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(twin(x)[0], theirs(x)[0])


def test_dropout_is_torchs_own():
    ours, theirs = (kind(3, 4, num_layers=2, dropout=0.5) for kind in (LSTM, nn.LSTM))
    theirs.load_state_dict(ours.state_dict())
    x = torch.ones(5, 2, 3)
    torch.manual_seed(4)
    expected = theirs(x)[0]
    torch.manual_seed(4)
    assert torch.equal(ours(x)[0], expected)


def test_a_named_stream_draws_what_the_global_generator_would():
    torch.manual_seed(3)
    theirs = nn.LSTM(3, 4, 2)
    ours = LSTM(3, 4, 2)
    ours.reset_parameters(torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("extra", [{}, {"proj_size": 2}, {"bidirectional": True}])
def test_one_bias_per_gate_is_torch_with_the_second_at_zero(extra, monkeypatch):
    ours = lstm(num_layers=2, recurrent_bias=False, **extra)
    assert not [name for name in ours.state_dict() if "bias_hh" in name]
    assert "recurrent_bias=False" in repr(ours)
    theirs = nn.LSTM(3, 4, num_layers=2, batch_first=True, dtype=torch.float64, **extra)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.zero_() if "bias_hh" in name else parameter.copy_(ours.get_parameter(name))
    x = rand(2, 5, 3)
    for a, b in zip([ours(x)[0], *ours(x)[1]], [theirs(x)[0], *theirs(x)[1]], strict=True):
        assert torch.equal(a, b)
    assert [len(names) for names in ours.all_weights] == [len(names) - 1 for names in theirs.all_weights]
    moved = pickle.loads(pickle.dumps(copy.deepcopy(ours).float().double()))
    moved.load_state_dict(ours.state_dict())
    assert torch.equal(moved(x)[0], ours(x)[0])
    monkeypatch.setattr(nn.LSTM, "flatten_parameters", None)
    ours.flatten_parameters()  # must not reach torch's, which on CUDA takes the weights for two biases


@pytest.mark.parametrize("recurrent_bias", [True, False])
def test_dense_calls_see_weights_that_were_swapped_in(recurrent_bias):
    layer = lstm(num_layers=2, recurrent_bias=recurrent_bias)
    x = rand(2, 5, 3)
    before = layer(x)[0]
    weights = {name: tensor[0].detach().requires_grad_() for name, tensor in many(layer, 1).items()}
    other = copy.deepcopy(layer)
    other.load_state_dict({name: tensor.detach() for name, tensor in weights.items()})
    swapped = functional_call(layer, weights, (x,))[0]
    assert torch.equal(swapped, other(x)[0]) and not torch.equal(swapped, before)
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(swapped.sum(), list(weights.values())))
    assert torch.equal(layer(x)[0], before)


MATRICES = ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"]


@pytest.mark.parametrize("names", [None, *([name] for name in MATRICES), ["bias_ih_l0"], ["bias_hh_l1"], MATRICES])
@pytest.mark.parametrize("form", ["padded", "packed"])
@pytest.mark.parametrize("start", [False, True])
def test_every_mixture_equals_the_loop(names, form, start):
    layer, k = lstm(num_layers=2), 3
    weights = many(layer, k, names)
    x = rand(6, 5, 3, seed=50).requires_grad_()
    lengths = torch.tensor([2, 5, 1, 5, 4, 3])
    hx = (rand(2, 6, 4, seed=51).requires_grad_(), rand(2, 6, 4, seed=52).requires_grad_()) if start else None

    def run(weights, rows):
        part, state = x[rows], hx and tuple(s[:, rows] for s in hx)
        if form == "packed":
            part = pack_padded_sequence(part, lengths[rows], batch_first=True, enforce_sorted=False)
        output, (h, c) = functional_call(layer, weights, (part, state))
        if form == "packed":
            output, _ = pad_packed_sequence(output, batch_first=True, total_length=5)
        return output, h.transpose(0, 1), c.transpose(0, 1)

    got = run(weights, slice(0, 6))
    parts = [run({n: w[i] for n, w in weights.items()}, slice(2 * i, 2 * i + 2)) for i in range(k)]
    expected = [torch.cat(part) for part in zip(*parts, strict=True)]
    leaves = [x, *weights.values(), *(hx or ())]
    leaves += [parameter for name, parameter in layer.named_parameters() if name not in weights]
    grads = []
    for outputs in (got, expected):
        loss = sum((y * rand(*y.shape, seed=60 + i)).sum() for i, y in enumerate(outputs))
        grads.append(torch.autograd.grad(loss, leaves))
    for a, b in zip([*got, *grads[0]], [*expected, *grads[1]], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    k=st.integers(1, 3),
    bias=st.sampled_from([True, False, "one"]),
    batched=st.booleans(),
)
def test_the_state_is_the_one_after_each_sequences_own_last_step(lengths, k, bias, batched):
    """Bug B2 of the original: the state of a packed sequence came one step early."""
    lengths = lengths * k
    layer = lstm(bias=bool(bias), recurrent_bias=bias != "one")
    weights = many(layer, k) if batched else {name: w[0] for name, w in many(layer, 1).items()}
    x = rand(len(lengths), max(lengths), 3, seed=9)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    output, (h, c) = functional_call(layer, weights, (packed,))
    assert torch.equal(output.batch_sizes, packed.batch_sizes)
    padded, _ = pad_packed_sequence(output, batch_first=True)
    for row, length in enumerate(lengths):
        mine = {n: w[row * k // len(lengths)] for n, w in weights.items()} if batched else weights
        alone, (h_one, c_one) = functional_call(layer, mine, (x[row : row + 1, :length],))
        torch.testing.assert_close(padded[row, :length], alone[0], rtol=0, atol=1e-10)
        assert padded[row, length:].abs().sum() == 0
        torch.testing.assert_close(h[:, row], h_one[:, 0], rtol=0, atol=1e-10)
        torch.testing.assert_close(c[:, row], c_one[:, 0], rtol=0, atol=1e-10)
        torch.testing.assert_close(h[0, row], padded[row, length - 1], rtol=0, atol=1e-10)


def test_a_sequence_packed_in_sorted_order_comes_back_in_it():
    layer = lstm()
    weights = many(layer, 2)
    packed = pack_padded_sequence(rand(4, 5, 3), [5, 4, 4, 1], batch_first=True)
    output, _ = functional_call(layer, weights, (packed,))
    assert output.sorted_indices is None and torch.equal(output.batch_sizes, packed.batch_sizes)


def test_steps_one_at_a_time_equal_one_call():
    layer = lstm(num_layers=2)
    weights = many(layer, 2)
    x = rand(4, 5, 3)
    whole, (h, c) = functional_call(layer, weights, (x,))
    state, outputs = None, []
    for step in range(5):
        output, state = functional_call(layer, weights, (x[:, step : step + 1], state))
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, 1), whole, rtol=0, atol=1e-10)
    torch.testing.assert_close(state, (h, c), rtol=0, atol=1e-10)


def test_dropout_lies_between_the_layers_and_only_in_training():
    layer = lstm(num_layers=2, dropout=0.999999)
    weights, x = many(layer, 2), rand(4, 5, 3)
    _, (h, _) = functional_call(layer, weights, (x,))
    _, (again, _) = functional_call(lstm(num_layers=2), weights, (x,))
    assert torch.equal(h[0], again[0]) and not torch.equal(h[1], again[1])
    _, (h, _) = functional_call(layer.eval(), weights, (x,))
    assert torch.equal(h, again)


WAY_OUT = "or run it with backend='loop'"


@pytest.mark.parametrize(
    ("settings", "shape", "error", "text"),
    [
        (
            {"bidirectional": True},
            (4, 5, 3),
            LayerError,
            f"LSTM: bidirectional=True has no K-batched form; use one direction {WAY_OUT}",
        ),
        (
            {"proj_size": 2},
            (4, 5, 3),
            LayerError,
            f"LSTM: proj_size=2 has no K-batched form; use proj_size=0 {WAY_OUT}",
        ),
        (
            {"batch_first": False},
            (5, 4, 3),
            LayerError,
            "LSTM: K weights follow the batch on axis 0, and batch_first=False puts time there; "
            f"use batch_first=True {WAY_OUT}",
        ),
        ({}, (5, 3), BatchError, "LSTM with K=2 weights needs an input [B, T, C], not [5, 3]"),
        (
            {},
            (5, 4, 3),
            BatchError,
            "a batch of 5 rows cannot be cut into K=2 equal chunks; nearest batch sizes: 4 or 6",
        ),
    ],
)
def test_errors(settings, shape, error, text):
    layer = lstm(**settings)
    with pytest.raises(error) as caught:
        functional_call(layer, many(layer, 2), (rand(*shape),))
    assert str(caught.value) == text


def test_inputs_that_do_not_fit():
    with pytest.raises(BatchError, match="LSTM needs an input of 2 or 3 axes, not"):
        lstm()(rand(3))
    layer = lstm()
    with pytest.raises(RuntimeError, match="h of hx"):
        functional_call(layer, many(layer, 2), (rand(4, 5, 3), (rand(1, 2, 4), rand(1, 4, 4))))
