"""untie: the same function, on any tree of modules; what cannot be untied is named."""

import pytest
import torch
import torchvision
from torch import nn

from core.errors import LayerError, OptionError
from layers import FullyConnected2d, LocallyConnected2d
from models.untie import untie

SIZE = (3, 12, 10)


def skinny(**conv):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ZeroPad2d(2), nn.Conv2d(3, 4, 4, 2, **conv), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1),
        nn.BatchNorm2d(5), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2),
    ).double()


def inputs(n=3, size=SIZE):
    return torch.randn(n, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_outputs_are_equal_at_the_split(kind):
    model = skinny().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    free = untie(model, kind, SIZE)
    assert torch.allclose(free(inputs()), model(inputs()), rtol=0, atol=1e-10)
    assert not any(isinstance(module, nn.Conv2d) for module in free.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    kinds = [type(module) for module in model if not isinstance(module, nn.Conv2d)]
    assert [type(m) for m in free if not isinstance(m, LocallyConnected2d | FullyConnected2d)] == kinds
    with torch.no_grad():
        free[9].weight.zero_()  # a copy: the network it came from does not change
    assert torch.equal(model[9].weight, before["9.weight"])


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_the_sites_gradients_sum_to_the_convolutions(kind):
    model = skinny().eval()
    free = untie(model, kind, SIZE)
    for network in (model, free):
        network(inputs()).square().sum().backward()
    for name in ("1", "4"):
        conv, layer = model.get_submodule(name), free.get_submodule(name)
        if kind == "local":
            summed = layer.kernels(layer.weight.grad).sum(0)
        else:  # the gradient's local blocks
            with torch.no_grad():
                layer.linear.weight.copy_(layer.linear.weight.grad)
            summed = layer.to_local().kernels().sum(0)
        assert torch.allclose(summed, conv.weight.grad, rtol=0, atol=1e-10)
        assert conv.weight.grad.abs().max() > 1e-6


def test_a_foreign_network_in_part():
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=3).double().eval()
    free = untie(model, "local", (3, 32, 32), layers=["layer1.*", "layer2.0.downsample.*"])
    x = inputs(2, (3, 32, 32))
    assert torch.allclose(free(x), model(x), rtol=0, atol=1e-9)
    names = {name for name, module in free.named_modules() if isinstance(module, LocallyConnected2d)}
    expected = {f"layer1.{block}.conv{i}" for block in (0, 1) for i in (1, 2)}
    assert names == expected | {"layer2.0.downsample.0"}
    assert isinstance(free.layer3[0].conv1, nn.Conv2d) and isinstance(free.layer1[0].bn1, nn.BatchNorm2d)


def test_a_module_used_under_two_names_stays_one():
    conv = nn.Conv2d(2, 2, 3, padding=1)
    free = untie(nn.Sequential(conv, nn.ReLU(), conv), "local", (2, 5, 5))
    assert free[0] is free[2] and isinstance(free[0], LocallyConnected2d)


def test_modes_are_as_they_were():
    model = skinny().train()
    model[5].eval()
    free = untie(model, "local", SIZE)
    for network in (model, free):
        assert network.training and network[1].training and not network[5].training
    assert torch.equal(model[5].running_mean, torch.zeros(5, dtype=torch.float64))


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

    def forward(self, x):
        return self.used(x)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((skinny(), "lokal", SIZE), OptionError, "kind='lokal'; allowed: local, dense; did you mean 'local'?"),
        ((skinny(), "local", SIZE, ["11"]), OptionError, "layers=11 names no Conv2d; there are: 1, 4"),
        ((nn.Sequential(nn.Linear(1, 1)), "local", (1,)), OptionError, "names no Conv2d; there are: none"),
        ((skinny(dilation=2), "local", SIZE), LayerError, "layer '1' cannot be untied: .*dilation=.2, 2"),
        ((skinny(), "local", (4, 12, 10)), LayerError, r"does not take an input of \(4, 12, 10\): "),
        ((Unused(), "local", (1, 3, 3)), LayerError, "layer 'spare' cannot be untied: the network does not use it"),
        ((nn.Sequential(c := nn.Conv2d(1, 1, 2), c), "local", (1, 4, 4)), LayerError,
         r"layer '0' cannot be untied: it sees maps of different sizes, \[\(3, 3\), \(4, 4\)\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_untied_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        untie(*arguments)
