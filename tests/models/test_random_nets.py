"""The networks of the supermask papers: sizes as published, and K masks in one pass."""

import pytest
import torch

from core.errors import LayerError, OptionError
from core.rng import stream
from masks.masking import Hard, Select
from masks.methods.edge_popup import EdgePopup
from masks.model import MaskedModel
from models.random_nets import random_net

PUBLISHED = {
    "fc": ((1, 28, 28), 266_200), "conv2": ((3, 32, 32), 4_300_992), "conv4": ((3, 32, 32), 2_425_024),
    "conv6": ((3, 32, 32), 2_261_184), "conv8": ((3, 32, 32), 5_275_840),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name):
    size, weights = PUBLISHED[name]
    network = random_net(name, size, 10, stream(0, "init"))
    assert sum(p.numel() for p in network.parameters()) == weights
    assert network(torch.randn(1, *size)).shape == (1, 10), "a batch of one keeps its axis"


def test_widths():
    network = random_net("conv4", (3, 32, 32), 10, stream(0, "init"), width=1.5)
    assert [p.shape[0] for p in network.parameters()] == [96, 96, 192, 192, 384, 384, 10]
    network = random_net("fc", (1, 8, 8), 10, stream(0, "init"), hidden=(256, 256))
    assert [tuple(p.shape) for p in network.parameters()] == [(256, 64), (256, 256), (10, 256)]


@pytest.mark.parametrize("name", ["fc", "conv2"])
def test_subnets_side_by_side(name):
    network = random_net(name, (1, 12, 12), 10, stream(0, "init"), width=0.25).double()
    masked = MaskedModel(network, EdgePopup(0.5), [n for n, _ in network.named_parameters()])
    for subnet in ("a", "b"):
        masked.add_scores(subnet, 0.0, ord(subnet))
    x = torch.randn(4, 1, 12, 12, dtype=torch.float64)
    together = masked(x, Select(["a", "b"]))
    torch.testing.assert_close(together, torch.cat([masked(x[:2], Hard("a")), masked(x[2:], Hard("b"))]))


def test_mistakes():
    with pytest.raises(OptionError, match="unknown network 'conv5'; allowed: fc, conv2, .*; did you mean 'conv"):
        random_net("conv5", (3, 32, 32), 10, stream(0, "init"))
    with pytest.raises(LayerError, match="images of 1x8x8 are too small for conv8: nothing is left of the maps"):
        random_net("conv8", (1, 8, 8), 10, stream(0, "init"))
