"""The network of cues: its published size, what it computes, and how it is drawn."""

import pytest
import torch
import torch.nn.functional as F

from core.errors import OptionError
from core.rng import stream
from models.cue_cnn import CueCNN


def make():
    network = CueCNN(widths=(4, 8), strides=(1, 2), rng=stream(0, "init")).double()
    with torch.no_grad():
        for i, parameter in enumerate(network.parameters()):
            parameter += 0.3 * torch.randn(parameter.shape, generator=stream(i, "more"), dtype=torch.float64)
    return network


def images(rows=6):
    return torch.randn(rows, 3, 9, 8, generator=stream(0, "images"), dtype=torch.float64)


def test_sizes():
    network = CueCNN(rng=stream(0, "init"))
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    assert [sizes[name] for name in network.maskable()] == [432, 4608, 18432, 36864]
    assert sum(sizes.values()) == 60_336 + 3 * (16 + 32 + 64 + 64) + 2 * (64 * 6 + 6)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 2, 6)


def test_names():
    network = make()
    in_groups = [name for group in network.groups() for name in group]
    assert sorted(in_groups) == sorted(name for name, _ in network.named_parameters())
    assert network.groups()[1] == ["convolutions.1.weight", "convolutions.1.bias", "norms.1.weight", "norms.1.bias"]
    assert network.groups()[-1] == ["heads.shape.weight", "heads.shape.bias", "heads.texture.weight",
                                    "heads.texture.bias"]  # fmt: skip
    assert network.io() == {*network.groups()[0], *network.groups()[-1]}


def test_what_it_computes():
    network, x = make(), images()
    p, y = dict(network.named_parameters()), x
    for i, stride in enumerate((1, 2)):
        y = F.conv2d(y, p[f"convolutions.{i}.weight"], p[f"convolutions.{i}.bias"], stride, 1)
        y = F.relu(F.group_norm(y, 4, p[f"norms.{i}.weight"], p[f"norms.{i}.bias"]))
    features = y.flatten(2).mean(2)
    for place, head in enumerate(("shape", "texture")):
        expected = features @ p[f"heads.{head}.weight"].T + p[f"heads.{head}.bias"]
        torch.testing.assert_close(network(x)[:, place], expected)


def test_how_it_is_drawn():
    before = torch.get_rng_state()
    network, again, other = (CueCNN(rng=stream(seed, "init")) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before), "nothing is drawn from the global generator"
    for name, p in network.named_parameters():
        assert torch.equal(p, again.get_parameter(name))
        if p.dim() > 1:
            bound = p[0].numel() ** -0.5
            assert 0.95 * bound < p.abs().max() <= bound and not torch.equal(p, other.get_parameter(name)), name
        else:
            assert (p == float("norms" in name and name.endswith("weight"))).all(), name


@pytest.mark.parametrize("widths, strides", [((6, 8), (1, 2)), ((4, 8), (1,)), ((), ()), ((0,), (1,))])
def test_what_does_not_fit(widths, strides):
    with pytest.raises(OptionError, match="a stride, and a width that is a multiple of 4$"):
        CueCNN(widths=widths, strides=strides, rng=stream(0, "init"))
