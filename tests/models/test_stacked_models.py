"""S networks in one pass are the S networks."""

import pytest
import torch
from torch import nn

from core.errors import LayerError
from core.rng import stream
from models.cnn import digits
from models.stacked_models import Stack
from models.untie import untie

SIZE = (1, 12, 12)


def networks(kind):
    for seed in range(3):
        cnn = digits(SIZE, 10, stream(seed, "init")).double()
        yield untie(cnn, kind, SIZE) if kind else cnn


@pytest.mark.parametrize("kind", ["", "local", "dense"])
def test_outputs_and_gradients_are_those_of_each_network(kind):
    stack = Stack.of(networks(kind), 3)
    for tensor in stack.weights.values():
        tensor.requires_grad_()
    x = torch.randn(3 * 4, *SIZE, generator=stream(0, "x"), dtype=torch.float64)
    y = stack(x)
    assert y.shape == (3, 4, 10)
    y.square().sum().backward()
    for s, network in enumerate(networks(kind)):
        alone = network(x[4 * s : 4 * s + 4])
        torch.testing.assert_close(y[s], alone)
        alone.square().sum().backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(stack.weights[name].grad[s], parameter.grad)
        shown = stack.network(s)
        torch.testing.assert_close(shown(x[4 * s : 4 * s + 4]), y[s])
        assert all(torch.equal(a, b) for a, b in zip(stack.pick(s).values(), network.parameters(), strict=True))


def test_what_shows_one_network_leaves_the_others_alone():
    stack = Stack.of(networks(""), 3)
    before = {name: tensor.clone() for name, tensor in stack.state_dict().items()}
    network = stack.network(1)
    for parameter in network.parameters():
        parameter.data = torch.zeros_like(parameter)
    stack.network(2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in stack.state_dict().items())


def test_state_goes_into_the_tensors_that_are_trained():
    stack = Stack.of(networks(""), 3)
    trained = dict(stack.weights)
    stack.load_state_dict({name: tensor + 1 for name, tensor in stack.state_dict().items()})
    assert all(stack.weights[name] is tensor for name, tensor in trained.items())


def test_a_layer_that_cannot_be_stacked_is_named():
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    with pytest.raises(LayerError, match=r"layer '0' \(Conv2d\) cannot be stacked"):
        Stack.of([network], 1)
