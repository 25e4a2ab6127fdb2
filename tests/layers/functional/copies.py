"""What every way must give: K deep copies of a network, each with its own weights, on a chunk each."""

import copy

import torch

from layers.functional.axes import join


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def versions(model, k):
    """Return K random versions of every parameter, which need gradients."""
    return {
        name: (p.detach() * (1 + torch.rand(k, *p.shape, generator=rng(i), dtype=torch.float64)).to(p.dtype))
        .requires_grad_()
        for i, (name, p) in enumerate(model.named_parameters())
    }  # fmt: skip


def by_copies(model, weights, pieces, first=lambda output: output, axis=0):
    """Return the first output of each copy on its piece, joined, and the gradients of their sum of squares."""
    outputs, gradients = [], []
    for i, piece in enumerate(pieces):
        alone = copy.deepcopy(model).requires_grad_()
        for name, weight in weights.items():
            alone.get_parameter(name).data.copy_(weight[i].detach())
        output = first(alone(*piece))
        gradients.append(torch.autograd.grad(output.square().sum(), [alone.get_parameter(name) for name in weights]))
        outputs.append(output.detach())
    return join(outputs, axis), [torch.stack(each) for each in zip(*gradients, strict=True)]


def agree(output, weights, expected, gradients):
    """Compare an output and the gradients that its sum of squares has."""
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)
    found = torch.autograd.grad(output.square().sum(), list(weights.values()), retain_graph=True)
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
