"""layers.GroupNorm: torch's own without K, gamma and beta per chunk with it."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from core.errors import BatchError
from layers import GroupNorm

SHAPES = [(6, 4), (6, 4, 5), (6, 4, 3, 2)]


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_is_a_drop_in_for_torch(affine, shape):
    theirs, ours = (kind(2, 4, affine=affine, dtype=torch.float64) for kind in (nn.GroupNorm, GroupNorm))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += rand(4, seed=1)
    ours.load_state_dict(theirs.state_dict())
    x = rand(*shape)
    assert torch.equal(ours(x), theirs(x))
    ours.reset_parameters(torch.Generator())
    assert all(torch.equal(p, torch.full((4,), float(n == "weight"))) for n, p in ours.named_parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "batched, bias", [(["weight", "bias"], True), (["weight"], True), (["bias"], True), (["weight"], False)]
)
@pytest.mark.parametrize("k", [1, 3])
def test_every_mixture_equals_the_loop(shape, batched, bias, k):
    layer, theirs = (kind(2, 4, dtype=torch.float64) for kind in (GroupNorm, nn.GroupNorm))
    if not bias:
        layer.bias = theirs.bias = None
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += rand(4, seed=5)
    weights = {name: rand(k, 4, seed=i).requires_grad_() for i, name in enumerate(batched)}
    x, probe = rand(*shape, seed=3).requires_grad_(), rand(*shape, seed=4)
    leaves = [x, *weights.values(), *(p for n, p in layer.named_parameters() if n not in batched)]
    y = functional_call(layer, weights, (x,))
    expected = torch.cat([
        functional_call(theirs, {**dict(layer.named_parameters()), **{n: w[i] for n, w in weights.items()}},
                        (part,))
        for i, part in enumerate(x.chunk(k))
    ])  # fmt: skip
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-10)
    got, wanted = (torch.autograd.grad((out * probe).sum(), leaves) for out in (y, expected))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10)


def test_what_does_not_fit():
    given = {"weight": torch.ones(2, 4)}
    with pytest.raises(BatchError, match=r"^GroupNorm with K=2 weights needs an input \[B, C, ...\], not \[4\]$"):
        functional_call(GroupNorm(2, 4), given, (torch.ones(4),))
    with pytest.raises(BatchError, match="a batch of 3 rows cannot be cut into K=2 equal chunks"):
        functional_call(GroupNorm(2, 4), given, (torch.ones(3, 4),))
