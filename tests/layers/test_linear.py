"""layers.Linear: torch's own without K, one product per chunk with it."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from core.errors import BatchError, MaskError
from layers import Linear


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
def test_is_a_drop_in_for_torch(bias):
    torch.manual_seed(3)
    theirs = nn.Linear(5, 4, bias=bias, dtype=torch.float64)
    torch.manual_seed(3)
    ours = Linear(5, 4, bias=bias, dtype=torch.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    for shape in ((5,), (3, 5), (2, 3, 5)):
        x, y = (rand(*shape).requires_grad_() for _ in range(2))
        out, expected = ours(x), theirs(y)
        assert torch.equal(out, expected)
        out.square().sum().backward()
        expected.square().sum().backward()
        assert torch.equal(x.grad, y.grad) and torch.equal(ours.weight.grad, theirs.weight.grad)
    Linear(5, 4, bias=bias, dtype=torch.float64).load_state_dict(theirs.state_dict())


def test_a_named_stream_draws_what_the_global_generator_would():
    torch.manual_seed(3)
    theirs = nn.Linear(5, 4)
    ours = Linear(5, 4)
    ours.reset_parameters(rng(3))
    assert torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    k=st.integers(1, 4),
    rows=st.integers(0, 3),
    middle=st.lists(st.integers(1, 3), max_size=2),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    weight_k=st.booleans(),
    bias=st.sampled_from(["K", "plain", "none"]),
)
def test_every_mixture_equals_the_loop(k, rows, middle, sizes, weight_k, bias):
    assume(weight_k or bias == "K")
    n_in, n_out = sizes
    layer = Linear(n_in, n_out, bias=bias != "none", dtype=torch.float64)
    given_ = {}
    if weight_k:
        given_["weight"] = rand(k, n_out, n_in, seed=1).requires_grad_()
    if bias == "K":
        given_["bias"] = rand(k, n_out, seed=2).requires_grad_()
    x = rand(k * rows, *middle, n_in, seed=3).requires_grad_()
    leaves = [x, *given_.values(), *layer.parameters()]
    probe = rand(k * rows, *middle, n_out, seed=4)

    def gradients(y):
        return y, torch.autograd.grad((y * probe).sum(), leaves, allow_unused=True)

    y, got = gradients(functional_call(layer, given_, (x,)))
    loop = [
        functional_call(layer, {n: w[i] for n, w in given_.items()}, (part,))
        for i, part in enumerate(x.reshape(k, rows, *middle, n_in))
    ]
    expected_y, expected = gradients(torch.cat(loop))
    assert y.shape == expected_y.shape == (k * rows, *middle, n_out)
    torch.testing.assert_close(y, expected_y, rtol=0, atol=1e-10)
    for a, b in zip(got, expected, strict=True):
        if a is not None or b is not None:
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_the_mask_follows_the_batch_and_not_time():
    """Bug B4 of the original: on [B, T, C] the sample index followed time."""
    layer = Linear(2, 3, bias=False, dtype=torch.float64)
    weight = rand(4, 3, 2).requires_grad_()
    y = functional_call(layer, {"weight": weight}, (rand(8, 6, 2, seed=1),))
    y[2:4, -1].sum().backward()  # the last step of chunk 1
    assert weight.grad[1].abs().sum() > 0
    assert weight.grad[[0, 2, 3]].abs().sum() == 0


def test_the_weight_gradient_is_contiguous_and_can_be_differentiated_again():
    layer = Linear(3, 2, dtype=torch.float64)
    weight, bias, x = (rand(*shape).requires_grad_() for shape in ((2, 2, 3), (2, 2), (4, 3)))

    def run(weight, bias, x):
        return functional_call(layer, {"weight": weight, "bias": bias}, (x,)).tanh()

    (gradient,) = torch.autograd.grad(run(weight, bias, x).sum(), weight)
    assert gradient.is_contiguous()
    assert torch.autograd.gradcheck(run, (weight, bias, x))
    assert torch.autograd.gradgradcheck(run, (weight, bias, x))


def test_frozen_parameters_get_no_gradient():
    layer = Linear(3, 2).requires_grad_(False)
    weight = torch.randn(2, 2, 3, generator=rng()).requires_grad_()
    functional_call(layer, {"weight": weight}, (torch.ones(4, 3),)).sum().backward()
    assert weight.grad is not None and layer.bias.grad is None and layer.weight.grad is None


def test_autocast_runs_the_product_in_its_type():
    layer = Linear(3, 2)
    weight = torch.randn(2, 2, 3, generator=rng()).requires_grad_()
    x = torch.randn(4, 3, generator=rng(1))
    with torch.autocast("cpu", torch.bfloat16):
        y = functional_call(layer, {"weight": weight}, (x,))
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16 and weight.grad.dtype == torch.float32
    torch.testing.assert_close(weight.grad[0, 0], x[:2].sum(0), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    ("shapes", "x", "error", "text"),
    [
        (
            {"weight": (4, 2, 3)},
            (10, 3),
            BatchError,
            "a batch of 10 rows cannot be cut into K=4 equal chunks; nearest batch sizes: 8 or 12",
        ),
        (
            {"weight": (4, 2, 3)},
            (3, 3),
            BatchError,
            "a batch of 3 rows cannot be cut into K=4 equal chunks; nearest batch sizes: 4 or 8",
        ),
        ({"weight": (4, 2, 3)}, (3,), BatchError, "Linear with K=4 weights needs an input [B, ..., 3], not [3]"),
        (
            {"weight": (4, 2, 3), "bias": (2, 2)},
            (4, 3),
            MaskError,
            "the parameters of one Linear carry different numbers of masks: [2, 4]",
        ),
    ],
)
def test_errors(shapes, x, error, text):
    with pytest.raises(error) as caught:
        functional_call(Linear(3, 2), {n: torch.zeros(s) for n, s in shapes.items()}, (torch.zeros(x),))
    assert str(caught.value) == text
