"""The networks of class removal: sizes as published, drawn from their stream, masks side by side."""

import pytest
import torch

from core.rng import stream
from layers.functional.batching import forward
from models.cifar import conv_net, resnet110

PARAMETERS = {conv_net: 390_986, resnet110: 1_730_714}


@pytest.mark.parametrize("make", PARAMETERS)
def test_published_sizes(make):
    network = make(3, 10, stream(0, "init"))
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[make]
    assert network.eval()(torch.randn(1, 3, 32, 32)).shape == (1, 10)
    again = make(3, 10, stream(0, "init"))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_tensors_of_resnet110():
    network = resnet110(3, 10, stream(0, "init"))
    assert len(list(network.parameters())) == 335
    first = next(network.parameters())
    assert first.std().item() == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.1), "He-normal by fan-out"


@pytest.mark.parametrize("make", PARAMETERS)
def test_masks_side_by_side(make):
    network = make(1, 3, stream(0, "init"), width=0.25).double().eval()
    rng = stream(0, "masks")
    weights = {n: p.detach() * (torch.rand(2, *p.shape, generator=rng) < 0.7) for n, p in network.named_parameters()}
    x = torch.randn(4, 1, 16, 16, dtype=torch.float64)
    together, looped = (forward(network, weights, 2, x, backend=backend) for backend in ("layers", "loop"))
    torch.testing.assert_close(together, looped)
