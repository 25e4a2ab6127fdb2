"""layers.LayerNorm: torch's own without K, gamma and beta per chunk with it."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from core.errors import BatchError
from layers import LayerNorm


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("affine, bias", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_is_a_drop_in_for_torch(affine, bias, shape):
    theirs = nn.LayerNorm(shape, elementwise_affine=affine, bias=bias, dtype=torch.float64)
    ours = LayerNorm(shape, elementwise_affine=affine, bias=bias, dtype=torch.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.reset_parameters(torch.Generator())
    ours.load_state_dict(theirs.state_dict())
    x = rand(2, 3, 4)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
@pytest.mark.parametrize(
    "batched, bias", [(["weight", "bias"], True), (["weight"], True), (["bias"], True), (["weight"], False)]
)
def test_every_mixture_equals_the_loop(shape, batched, bias):
    layer = LayerNorm(shape, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += rand(*parameter.shape, seed=5)
    weights = {name: rand(2, *shape, seed=i).requires_grad_() for i, name in enumerate(batched)}
    x = rand(6, 3, 4, seed=3).requires_grad_()
    leaves = [x, *weights.values(), *(p for n, p in layer.named_parameters() if n not in batched)]
    probe = rand(6, 3, 4, seed=4)
    y = functional_call(layer, weights, (x,))
    parts = enumerate(x.chunk(2))
    expected = torch.cat([functional_call(layer, {n: w[i] for n, w in weights.items()}, (part,)) for i, part in parts])
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-10)
    got, wanted = (torch.autograd.grad((out * probe).sum(), leaves) for out in (y, expected))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10)


def test_an_input_without_batch_axis_is_refused():
    with pytest.raises(BatchError) as caught:
        functional_call(LayerNorm((3, 4)), {"weight": torch.ones(2, 3, 4)}, (torch.ones(3, 4),))
    assert str(caught.value) == "LayerNorm with K=2 weights needs an input [B, ..., 3, 4], not [3, 4]"
