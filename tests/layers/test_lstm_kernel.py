"""Wide float32 layers on a CPU run K weights by torch's kernel: the same numbers as step by step."""

import pytest
import torch
from torch.func import functional_call

from core.errors import BatchError
from layers import LSTM
from layers import lstm as module


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def calls(monkeypatch):
    """Make every width count as wide; returns the shapes the kernel was called with."""
    shapes, kernel = [], torch.lstm
    monkeypatch.setattr(module, "KERNEL_WIDTH", 1)
    monkeypatch.setattr(module, "KERNEL_STEPS", 1)
    monkeypatch.setattr(torch, "lstm", lambda x, *rest: shapes.append(tuple(x.shape)) or kernel(x, *rest))
    return shapes


@pytest.mark.parametrize("settings", [{}, {"recurrent_bias": False}, {"bias": False}])
@pytest.mark.parametrize("names", ["", "weight_hh", "_l1", "bias_ih"])
@pytest.mark.parametrize("start", [False, True])
def test_kernel_and_steps_are_one(settings, names, start, calls, monkeypatch):
    layer = LSTM(3, 4, 2, batch_first=True, **settings)
    parameters = dict(layer.named_parameters())
    weights = {
        name: rand(3, *p.shape, seed=i).mul(0.5).requires_grad_()
        for i, (name, p) in enumerate(parameters.items())
        if names in name
    }
    x = rand(6, 5, 3, seed=20).requires_grad_()
    hx = tuple(rand(2, 6, 4, seed=i).requires_grad_() for i in (21, 22)) if start else None
    plain = [p for name, p in parameters.items() if name not in weights]
    leaves = [x, *(hx or ()), *weights.values(), *plain]
    results = []
    for width in (1, 100):
        monkeypatch.setattr(module, "KERNEL_WIDTH", width)
        output, (h, c) = functional_call(layer, weights, (x, hx))
        loss = (output * rand(6, 5, 4, seed=30)).sum() + (h * rand(2, 6, 4, seed=31)).sum() + c.square().sum()
        results.append([output, h, c, *torch.autograd.grad(loss, leaves)])
    wanted = [(2, 5, 3)] * 3 if weights else [(6, 5, 3)] * 2
    assert calls == wanted
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_double_precision_and_one_weight_set_go_step_by_step(calls):
    layer = LSTM(3, 4, batch_first=True)
    weights = {name: torch.zeros(1, *p.shape) for name, p in layer.named_parameters()}
    functional_call(layer, weights, (rand(4, 2, 3),))
    layer.double()
    weights = {name: torch.zeros(2, *p.shape, dtype=p.dtype) for name, p in layer.named_parameters()}
    functional_call(layer, weights, (rand(4, 2, 3).double(),))
    assert calls == []


def test_a_batch_that_cannot_be_cut_is_refused(calls):
    layer = LSTM(3, 4, batch_first=True)
    with pytest.raises(BatchError, match="a batch of 5 rows cannot be cut into K=2 equal chunks"):
        functional_call(layer, {"weight_hh_l0": torch.zeros(2, 16, 4)}, (rand(5, 2, 3),))
