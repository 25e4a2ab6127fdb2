"""layers.LocallyConnected2d: a convolution at the split, and free of it afterwards."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from core.errors import BatchError, LayerError
from layers import LocallyConnected2d


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def conv_of(c=2, o=3, kernel=3, stride=1, padding=0, bias=True, **more):
    torch.manual_seed(0)
    return nn.Conv2d(c, o, kernel, stride, padding, bias=bias, dtype=torch.float64, **more)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.one_of(st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2)), st.just("valid")),
    bias=st.booleans(),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    groups=st.integers(1, 3),
    n=st.integers(0, 3),
)
def test_at_the_split_it_is_the_convolution(channels, size, kernel, stride, padding, bias, dilation, groups, n):
    """Equal outputs, equal gradients to the input, and the sites' gradients sum to the convolution's."""
    pads = (0, 0) if padding == "valid" else padding if isinstance(padding, tuple) else (padding, padding)
    assume(all(s + 2 * p > d * (k - 1) for s, p, k, d in zip(size, pads, kernel, dilation, strict=True)))
    c, o = channels[0] * groups, channels[1] * groups
    conv = conv_of(c, o, kernel, stride, padding, bias, dilation=dilation, groups=groups)
    local = LocallyConnected2d.from_conv(conv, size)
    x = rand(n, c, *size).requires_grad_()
    y, expected = local(x), conv(x)
    assert y.shape == expected.shape and torch.allclose(y, expected, rtol=0, atol=1e-10)
    dense = local.to_dense()
    assert torch.allclose(dense(x), expected, rtol=0, atol=1e-10)
    again = dense.to_local().to_conv()  # what lies on the padding is lost in between, and does not matter
    assert torch.allclose(again(x), expected, rtol=0, atol=1e-10)
    gradient = rand(*y.shape, seed=1)
    to_x, to_weight, *to_bias = torch.autograd.grad(y, [x, *local.parameters()], gradient)
    to_x_conv, *to_conv = torch.autograd.grad(expected, [x, *conv.parameters()], gradient)
    assert torch.allclose(to_x, to_x_conv, rtol=0, atol=1e-10)
    for site, tied in zip([local.kernels(to_weight), *to_bias], to_conv, strict=True):
        assert torch.allclose(site.sum(0), tied, rtol=0, atol=1e-10)


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's own, for even kernels
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("kernel", [(3, 3), (4, 3), (2, 5)])
def test_same_padding(kernel, dilation):
    conv = conv_of(kernel=kernel, padding="same", dilation=dilation)
    x = rand(2, 2, 6, 5)
    assert torch.allclose(LocallyConnected2d.from_conv(conv, (6, 5))(x), conv(x), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("bias", "dilation", "groups"), [(True, 1, 1), (False, 1, 1), (True, (1, 2), 2)])
def test_gradients(bias, dilation, groups):
    local = LocallyConnected2d(2, 4, (3, 2), (5, 4), (2, 1), 1, bias, dilation, groups, dtype=torch.float64)
    parameters = [parameter.detach().requires_grad_() for parameter in local.parameters()]

    def forward(x, *given):
        return functional_call(local, dict(zip(dict(local.named_parameters()), given, strict=True)), (x,))

    assert torch.autograd.gradcheck(forward, (rand(2, 2, 5, 4).requires_grad_(), *parameters))
    assert torch.autograd.gradgradcheck(forward, (rand(1, 2, 5, 4).requires_grad_(), *parameters))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("which", ["both", "weight", "bias"])
def test_k_weights_are_k_layers_side_by_side(which, groups):
    layers = [LocallyConnected2d(2, 4, 3, (5, 6), padding=1, groups=groups, dtype=torch.float64) for _ in range(3)]
    shared = layers[0]
    given = {
        name: torch.stack([getattr(layer, name).detach() for layer in layers]).requires_grad_()
        for name in ("weight", "bias")
        if which in ("both", name)
    }
    x = rand(6, 2, 5, 6).requires_grad_()
    y = functional_call(shared, given, (x,))
    alone = [{name: stack[i].detach().requires_grad_() for name, stack in given.items()} for i in range(3)]
    expected = torch.cat([functional_call(shared, mine, (x[2 * i : 2 * i + 2],)) for i, mine in enumerate(alone)])
    assert torch.allclose(y, expected, rtol=0, atol=1e-12)
    gradient = rand(*y.shape, seed=1)
    y.backward(gradient, inputs=list(given.values()))
    expected.backward(gradient, inputs=[tensor for mine in alone for tensor in mine.values()])
    for name, stack in given.items():
        for i, mine in enumerate(alone):
            assert torch.allclose(stack.grad[i], mine[name].grad, rtol=0, atol=1e-12)
    if which != "bias":
        with pytest.raises(BatchError, match="cannot be cut into K=3 equal chunks"):
            functional_call(shared, given, (x[:4],))


@pytest.mark.parametrize("groups", [1, 2])
def test_vmap_over_weights_and_inputs(groups):
    layer = LocallyConnected2d(2, 4, 3, (5, 6), padding=1, groups=groups, dtype=torch.float64)
    weights = {name: rand(4, *p.shape, seed=i) for i, (name, p) in enumerate(layer.named_parameters())}
    x = rand(4, 2, 2, 5, 6)

    def loss(given, x):
        return functional_call(layer, given, (x,)).square().sum()

    together = torch.func.vmap(torch.func.grad(loss))(weights, x)
    for i in range(4):
        alone = torch.func.grad(loss)({name: stack[i] for name, stack in weights.items()}, x[i])
        for name, gradient in alone.items():
            assert torch.allclose(together[name][i], gradient, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("stride", "padding", "bias", "groups"),
    [(1, 1, True, 1), (2, 0, False, 1), ((1, 2), (0, 1), True, 1), (1, 1, True, 2), (2, 0, False, 2)],
)
def test_dense_computes_the_same_with_zeros_outside_the_blocks(stride, padding, bias, groups):
    local = LocallyConnected2d(2, 4, (3, 2), (5, 6), stride, padding, bias, 1, groups, dtype=torch.float64)
    dense, x = local.to_dense(), rand(4, 2, 5, 6)
    assert torch.allclose(dense(x), local(x), rtol=0, atol=1e-10)
    weight, inside = dense.linear.weight, dense.local_mask()
    assert weight.shape == inside.shape == (4 * local.sites.count, 60)
    assert (weight[~inside] == 0).all() and (weight[inside] != 0).all()
    again = dense.to_local()
    assert torch.allclose(again(x), local(x), rtol=0, atol=1e-10)
    if not padding:  # entries that only ever meet the padding are not in the dense weight
        assert torch.equal(again.weight, local.weight)


def test_the_mean_over_sites_is_the_nearest_convolution():
    local = LocallyConnected2d(2, 3, 3, 5, padding=1, dtype=torch.float64)
    tied = LocallyConnected2d.from_conv(local.to_conv(), (5, 5))
    assert torch.allclose(local.weight - tied.weight, local.weight - local.tied(), atol=1e-15)
    on_map = local.sites.on_map().unsqueeze(-1)
    assert on_map.sum() == 13 * 13 * 2, "a kernel's entry lies on the padding at the border"
    assert torch.allclose(
        ((local.weight - local.tied()) * on_map).sum(0), torch.zeros(18, 3, dtype=torch.float64), atol=1e-14
    )
    conv = conv_of(padding=1)
    again = LocallyConnected2d.from_conv(conv, (4, 7)).to_conv()
    assert torch.allclose(again.weight, conv.weight, atol=1e-15) and torch.allclose(again.bias, conv.bias, atol=1e-15)
    untied = LocallyConnected2d.from_conv(conv, (4, 7))
    assert (untied.weight - untied.tied()).abs().max() < 1e-15


def test_initialisation_comes_from_a_named_stream_and_differs_from_site_to_site():
    one, two = (LocallyConnected2d(3, 4, 3, 6) for _ in range(2))
    one.reset_parameters(rng(7)), two.reset_parameters(rng(7))
    assert torch.equal(one.weight, two.weight) and torch.equal(one.bias, two.bias)
    assert (one.weight - one.tied()).abs().max() > 0.1
    bound = 27**-0.5
    assert 0.9 * bound < one.weight.abs().max() <= bound and abs(one.weight.std() - bound / 3**0.5) < 0.01


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LocallyConnected2d(1, 1, 5, 3), "kernel_size=5x5 is larger than the 3x3 map"),
        (lambda: LocallyConnected2d(1, 1, (2, 6), 3, padding=1),
         r"kernel_size=2x6 is larger than the 5x5 map \(padding=1\)"),
        (lambda: LocallyConnected2d(3, 2, 3, 5, groups=2), "groups=2 does not divide the 3 channels of the input"),
        (lambda: LocallyConnected2d(2, 3, 3, 5, groups=2), "groups=2 does not divide the 3 channels of the output"),
        (lambda: LocallyConnected2d(2, 2, 3, 4, dilation=2), r"3x3 \(dilation=2x2\) is larger than the 4x4 map"),
        (lambda: LocallyConnected2d(2, 2, 3, 5, padding="full"), "padding='full' is not a number, 'same' or 'valid'"),
        (lambda: LocallyConnected2d(2, 2, 3, 5, 2, "same"), "padding='same' needs stride 1"),
        (lambda: LocallyConnected2d.from_conv(conv_of(padding_mode="circular"), (5, 5)), "'circular' cannot be untied"),
        (lambda: LocallyConnected2d(2, 2, 3, 5)(torch.zeros(1, 2, 5, 6)),
         r"made for inputs \[N, 2, 5, 5\], not \[1, 2, 5, 6\]"),
        (lambda: LocallyConnected2d(2, 2, 3, 5)(torch.zeros(2, 5, 5)), r"not \[2, 5, 5\]"),
        (lambda: LocallyConnected2d(2, 2, 3, 5).to_dense()(torch.zeros(1, 5, 5, 2)),
         r"FullyConnected2d was made for inputs \[N, 2, 5, 5\], not \[1, 5, 5, 2\]"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_said(make, text):
    with pytest.raises(LayerError, match=text):
        make()


@pytest.mark.parametrize("frozen", [("weight",), ("bias",), ("weight", "bias"), ()])
def test_what_is_frozen_stays_so_in_every_form(frozen):
    conv = conv_of()
    for name in frozen:
        getattr(conv, name).requires_grad_(False)
    local = LocallyConnected2d.from_conv(conv, (5, 5))
    for layer in (local, local.to_dense().linear, local.to_dense().to_local(), local.to_conv()):
        assert {name for name, parameter in layer.named_parameters() if not parameter.requires_grad} == set(frozen)
