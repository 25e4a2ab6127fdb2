"""The networks of the untying experiments: their published sizes, tied and untied, and their initialisation."""

import pytest
import torch

from analysis.norms import layer_sites, log_product, squared_norms
from core.rng import stream
from models import cnn
from models.untie import untie

CIFAR = (3, 32, 32)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("build", "size", "tied", "local", "dense"),
    [
        (cnn.skinny, CIFAR, 143_178, 7_797_002, 110_606_602),
        (cnn.alexnet, CIFAR, 2_848_906, 40_229_834, 239_049_674),
        (cnn.digits, (1, 12, 12), 1_898, None, None),
    ],
    ids=["skinny", "alexnet", "digits"],
)
def test_published_sizes(build, size, tied, local, dense):
    model = build(size, 10, stream(0, "init")).to("meta")  # counted, not filled: the dense AlexNet has a gigabyte
    assert count(model) == tied
    if local:
        assert count(untie(model, "local", size)) == local and count(untie(model, "dense", size)) == dense


def test_sites_of_the_digits_network():
    first, second, head = layer_sites(cnn.digits((1, 12, 12), 10, stream(0, "init")), (1, 12, 12)).values()
    assert (first.count, second.count, head) == (144, 36, None)


def test_norms_at_initialisation_are_the_published_figures_left_end():
    """norm 7725 = 6165 + 1365 + 192 + 3.3 and log product 11.2, expected of torch's default initialisation."""
    model = cnn.skinny(CIFAR, 10, stream(0, "init"))
    norms = squared_norms(model, layer_sites(model, CIFAR))
    assert list(norms.values()) == pytest.approx([6165, 1365, 192, 3.3], rel=0.05)
    assert sum(norms.values()) == pytest.approx(7725, rel=0.02) and log_product(norms) == pytest.approx(11.2, abs=0.1)


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_untied_networks_compute_the_same(kind):
    model = cnn.skinny(CIFAR, 10, stream(0, "init"), channels=8).eval()
    x = torch.randn(4, *CIFAR, generator=stream(0, "x"))
    assert torch.allclose(untie(model, kind, CIFAR)(x), model(x), atol=1e-5)
    double = model.double()
    assert torch.allclose(untie(double, kind, CIFAR)(x.double()), double(x.double()), rtol=0, atol=1e-10)


def test_initialisation_is_a_function_of_the_stream():
    one, two, other = (cnn.alexnet(CIFAR, 10, stream(seed, "init")).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["1.weight"], other["1.weight"])


def test_a_cnn_beside_a_fully_connected_network_is_the_sum_of_their_logits():
    model = cnn.skinny_plus_fc(CIFAR, 10, stream(0, "init"), channels=2)
    x = torch.randn(2, *CIFAR, generator=stream(0, "x"))
    assert torch.equal(model(x), model.cnn(x) + model.fcn(x))
    alone = cnn.skinny(CIFAR, 10, stream(0, "init"), channels=2)
    dense = untie(alone, "dense", CIFAR)
    assert torch.equal(model.cnn[1].weight, alone[1].weight) and count(model.fcn) == count(dense)
    assert torch.allclose(untie(model, "dense", CIFAR)(x), model(x), atol=1e-5)
    again = cnn.skinny_plus_fc(CIFAR, 10, stream(0, "init"), channels=2)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))
    assert min(p.std().item() for p in model.parameters()) > 0
