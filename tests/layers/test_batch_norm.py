"""layers.BatchNorm1d and 2d: torch's own without K; with statistics [K, C] each chunk is a layer of its own."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from core.errors import BatchError, LayerError
from layers import BatchNorm1d, BatchNorm2d, Conv2d
from layers.functional.batching import forward

SHAPES = {BatchNorm1d: (6,), BatchNorm2d: (6, 3, 5)}
STATISTICS = ("running_mean", "running_var")


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def statistics(k):
    return {"running_mean": rand(k, 6, seed=7), "running_var": rand(k, 6, seed=8).abs() + 0.5}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}, {"momentum": None}])
def test_is_a_drop_in_for_torch(kind, options):
    theirs = getattr(nn, kind.__name__)(6, dtype=torch.float64, **options)
    ours = kind(6, dtype=torch.float64, **options)
    ours.reset_parameters(torch.Generator())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for step in range(3):
        x = rand(4, *SHAPES[kind], seed=step)
        assert torch.equal(ours(x), theirs(x))
    assert all(torch.equal(a, b) for a, b in zip(ours.buffers(), theirs.buffers(), strict=True))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("affine", [None, [], ["weight"], ["weight", "bias"]])
@pytest.mark.parametrize("training", [True, False])
def test_every_chunk_is_a_layer_of_its_own(kind, affine, training):
    k, layer = 3, kind(6, affine=affine is not None, dtype=torch.float64).train(training)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += rand(6, seed=5)
    given = {name: rand(k, 6, seed=i).requires_grad_() for i, name in enumerate(affine or ())}
    x, probe = rand(12, *SHAPES[kind], seed=3).requires_grad_(), rand(12, *SHAPES[kind], seed=4)
    together, alone = statistics(k), statistics(k)
    y = functional_call(layer, given | together, (x,))
    parts = []
    for i, part in enumerate(x.chunk(k)):
        one = {name: tensor[i] for name, tensor in (given | alone).items()}
        parts.append(
            functional_call(
                getattr(nn, kind.__name__)(6, affine=affine is not None, dtype=torch.float64).train(training),
                dict(layer.named_parameters()) | one,
                (part,),
            )
        )
    expected = torch.cat(parts)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    for name in STATISTICS:
        assert torch.equal(together[name], alone[name]), "the running ones move, and as each would alone"
        assert torch.equal(together[name], statistics(k)[name]) == (not training)
    leaves = [x, *given.values()]
    got, wanted = (torch.autograd.grad((out * probe).sum(), leaves, retain_graph=True) for out in (y, expected))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10)


def test_shared_statistics_with_weights_per_chunk():
    layer = BatchNorm2d(6, dtype=torch.float64).train()
    x, weight = rand(4, 6, 2, 2), rand(2, 6, seed=1)
    y = functional_call(layer, {"weight": weight}, (x,))
    plain, weight = nn.BatchNorm2d(6, affine=False, dtype=torch.float64)(x), weight[:, :, None, None]
    torch.testing.assert_close(y, torch.cat([plain[:2] * weight[0], plain[2:] * weight[1]]))


def test_a_network_takes_statistics_for_each_chunk_and_refuses_to_mix_them():
    network = nn.Sequential(Conv2d(6, 6, 1, bias=False), BatchNorm2d(6, affine=False)).double().train()
    x, weights = rand(4, 6, 3, 3), {"0.weight": rand(2, 6, 6, 1, 1, seed=2)}
    given = {f"1.{name}": tensor for name, tensor in statistics(2).items()}
    looped = {name: tensor.clone() for name, tensor in given.items()}
    y = forward(network, weights | given, 2, x)
    torch.testing.assert_close(y, forward(network, weights | looped, 2, x, backend="loop"))
    assert all(torch.equal(given[name], looped[name]) for name in given)
    assert forward(network, {"0.weight": weights["0.weight"][:1]}, 1, x).shape == x.shape, "one chunk mixes nothing"
    with pytest.raises(LayerError, match=r"'1' .*BatchNorm2d\) takes statistics over the whole batch"):
        forward(network, weights, 2, x, backend="layers")


def test_what_cannot_be_done_is_one_sentence():
    with pytest.raises(LayerError, match="momentum=None averages over steps"):
        functional_call(BatchNorm1d(6, momentum=None).double(), statistics(2), (rand(4, 6),))
    with pytest.raises(BatchError, match=r"BatchNorm1d with K=2 needs an input \[B, C, ...\], not \[6\]"):
        functional_call(BatchNorm1d(6).double(), statistics(2), (rand(6),))
