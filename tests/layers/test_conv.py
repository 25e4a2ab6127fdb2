"""layers.Conv2d: torch's own without K, one convolution per chunk with it, grouped or one after the other."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

import layers.conv
from core.errors import BatchError, MaskError
from layers import Conv2d, Linear
from masks.masking import Sample
from masks.methods.gumbel import Gumbel
from masks.model import MaskedModel, freeze


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    "more",
    [{}, {"bias": False}, {"stride": 2, "padding": 1}, {"groups": 2, "dilation": 2}, {"padding": "same"},
     {"padding": 1, "padding_mode": "circular"}],
    ids=str,
)  # fmt: skip
def test_is_a_drop_in_for_torch(more):
    torch.manual_seed(3)
    theirs = nn.Conv2d(4, 6, 3, dtype=torch.float64, **more)
    torch.manual_seed(3)
    ours = Conv2d(4, 6, 3, dtype=torch.float64, **more)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    x = rand(2, 4, 7, 6)
    assert torch.equal(ours(x), theirs(x)) and torch.equal(ours(x[0]), theirs(x[0]))
    named = Conv2d(4, 6, 3, dtype=torch.float64, **more)
    named.reset_parameters(rng(3))
    assert torch.equal(named.weight, ours.weight)


@pytest.mark.parametrize("limit", [0, 10**12], ids=["one after the other", "grouped"])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    k=st.integers(1, 4), rows=st.integers(1, 3), groups=st.integers(1, 2),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)), stride=st.integers(1, 2), dilation=st.integers(1, 2),
    padding=st.sampled_from([0, 1, (2, 0), "same", "valid"]), mode=st.sampled_from(["zeros", "reflect", "circular"]),
    weight_k=st.booleans(), bias=st.sampled_from(["K", "plain", "none"]),
)  # fmt: skip
def test_every_mixture_equals_the_loop(
    limit, k, rows, groups, sizes, kernel, stride, dilation, padding, mode, weight_k, bias
):
    assume(weight_k or bias == "K")
    assume(not (padding == "same" and stride > 1))
    c, o = groups * sizes[0], groups * sizes[1]
    layer = Conv2d(c, o, kernel, stride, padding, dilation, groups, bias != "none", mode, dtype=torch.float64)
    given = {"weight": rand(*((k,) if weight_k else ()), *layer.weight.shape).requires_grad_()}
    if bias != "none":
        given["bias"] = rand(*((k,) if bias == "K" else ()), o, seed=1).requires_grad_()
    x = rand(k * rows, c, 8, 7, seed=2).requires_grad_()
    tensors = [x, *given.values()]

    def alone(i):
        mine = {name: t[i] if t.dim() > dims else t for (name, t), dims in zip(given.items(), (4, 1), strict=False)}
        return functional_call(layer, mine, (x[i * rows : (i + 1) * rows],))

    expected = torch.cat([alone(i) for i in range(k)])
    before, layers.conv.GROUPED = layers.conv.GROUPED, limit
    try:
        y = functional_call(layer, given, (x,))
    finally:
        layers.conv.GROUPED = before
    assert torch.allclose(y, expected, rtol=0, atol=1e-10)
    gradient = rand(*y.shape, seed=3)
    found, wanted = (torch.autograd.grad(output, tensors, gradient) for output in (y, expected))
    for a, b in zip(found, wanted, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-10)


def test_a_masked_network_of_them_runs_through_the_layers():
    torch.manual_seed(0)
    network = nn.Sequential(Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), Linear(27, 4))
    names, x = ["0.weight", "4.weight"], rand(6, 2, 6, 6)
    outputs = []
    for backend in ("layers", "auto", "vmap", "loop"):
        masked = MaskedModel(freeze(network.double()), Gumbel(), names, backend=backend)
        masked.add_scores("subnet", 0.0, 0)
        outputs.append(masked(x, Sample("subnet", 3, 7)))
    assert all(torch.allclose(y, outputs[0], rtol=0, atol=1e-10) for y in outputs)
    assert outputs[0].std() > 0.01


def test_what_does_not_fit():
    layer = Conv2d(2, 3, 3)
    weight = torch.zeros(3, 3, 2, 3, 3)
    with pytest.raises(BatchError, match="a batch of 4 rows cannot be cut into K=3 equal chunks"):
        functional_call(layer, {"weight": weight}, (torch.zeros(4, 2, 5, 5),))
    with pytest.raises(BatchError, match=r"Conv2d with K=3 weights needs an input \[B, C, H, W\], not \[2, 5, 5\]"):
        functional_call(layer, {"weight": weight}, (torch.zeros(2, 5, 5),))
    with pytest.raises(MaskError, match=r"different numbers of masks: \[2, 3\]"):
        functional_call(layer, {"weight": weight, "bias": torch.zeros(2, 3)}, (torch.zeros(6, 2, 5, 5),))
