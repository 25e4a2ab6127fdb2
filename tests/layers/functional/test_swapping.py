"""The given weights are those that a network computes with, whenever it does: also when it computes a part again."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential, create_selective_checkpoint_contexts

from core.errors import LayerError
from layers import Linear
from layers.functional.batching import forward, replaced
from tests.layers.functional.copies import agree, by_copies, rng, versions


class Checkpointed(nn.Module):
    """Computes its middle again in the backward pass, in one of the ways that torch has for it."""

    def __init__(self, linear=nn.Linear, how="not reentrant"):
        super().__init__()
        self.first, self.last, self.how = linear(3, 5), linear(5, 2), how
        self.middle = nn.Sequential(linear(5, 5), nn.Tanh(), nn.Sequential(nn.Dropout(0.5), linear(5, 5)), nn.Tanh())
        self.scale = nn.Parameter(torch.ones(5))

    def inner(self, x):
        if self.how == "nested":
            return checkpoint(self.middle, x, use_reentrant=False)
        return self.middle(x) * (self.scale if self.how != "by layers" else 1)

    def forward(self, x):
        x = self.first(x)
        if self.how == "sequential":
            x = checkpoint_sequential(self.middle, 2, x, use_reentrant=False)
        elif self.how == "selective":
            save = [torch.ops.aten.addmm.default]
            x = checkpoint(
                self.inner, x, use_reentrant=False, context_fn=lambda: create_selective_checkpoint_contexts(save)
            )
        elif self.how != "dense":
            x = checkpoint(self.inner, x, use_reentrant=self.how == "reentrant")
        else:
            x = self.inner(x)
        return self.last(x)


HOWS = ["not reentrant", "reentrant", "nested", "sequential", "selective"]


@pytest.fixture
def x():
    return torch.randn(8, 3, generator=rng(), dtype=torch.float64)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("how", HOWS)
def test_a_checkpoint_is_computed_again_under_the_same_weights(how, frozen, x):
    model = Checkpointed(how=how).double().eval()
    weights = versions(model, 4)
    if how in ("nested", "sequential"):  # there the scale plays no part
        del weights["scale"]
    model.how = "dense" if how == "reentrant" else how  # that one knows no autograd.grad
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(4)])
    model.how = how
    model.requires_grad_(not frozen)
    agree(forward(model, weights, 4, x, backend="loop"), weights, expected, gradients)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_two_passes_in_one_backward_keep_their_weights_apart(x):
    model = Checkpointed().double().eval()
    one, two = ({n: w[i].detach().requires_grad_() for n, w in versions(model, 2).items()} for i in range(2))
    both = forward(model, one, None, x).square().sum() + forward(model, two, None, x).square().sum()
    found = torch.autograd.grad(both, [*one.values(), *two.values()])
    model.how = "dense"
    plain = forward(model, one, None, x).square().sum() + forward(model, two, None, x).square().sum()
    for a, b in zip(found, torch.autograd.grad(plain, [*one.values(), *two.values()]), strict=True):
        torch.testing.assert_close(a, b)


def test_from_what_a_hook_kept_the_gradients_are_right_too(x):
    model, kept = Checkpointed().double().eval(), []
    model.last.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))
    gradients = []
    for model.how in ("not reentrant", "dense"):
        weights = {n: w[0].detach().requires_grad_() for n, w in versions(model, 1).items()}
        forward(model, weights, None, x)
        gradients.append(torch.autograd.grad(kept.pop().sum(), [weights["first.weight"], weights["middle.0.weight"]]))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_dropout_is_the_same_when_it_is_computed_again(x):
    model = Checkpointed().double().train()
    weights, gradients = versions(model, 2), []
    for model.how in ("not reentrant", "dense"):
        torch.manual_seed(0)
        output = forward(model, weights, 2, x, backend="loop")
        gradients.append(torch.autograd.grad(output.sum(), list(weights.values())))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_by_layers_too_and_vmap_says_that_it_cannot(x):
    model = Checkpointed(Linear, "by layers").double().eval()
    weights = versions(model, 4)
    del weights["scale"]
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(4)])
    agree(forward(model, weights, 4, x, backend="layers"), weights, expected, gradients)
    with pytest.raises(LayerError, match="checkpointing computes .* run the network with backend='loop'"):
        forward(model, weights, 4, x, backend="vmap")
    with torch.no_grad():
        torch.testing.assert_close(forward(model, weights, 4, x, backend="vmap"), expected)


def test_weights_come_back_after_an_error_and_torch_is_as_before():
    import torch.utils.checkpoint as checkpointing

    before = {name: getattr(checkpointing, name) for name in dir(checkpointing)}
    model = Checkpointed()
    ids = {name: id(parameter) for name, parameter in model.named_parameters()}
    with pytest.raises(RuntimeError), replaced(model, {n: p.detach() + 1 for n, p in model.named_parameters()}):
        model(torch.ones(2, 7))
    assert ids == {name: id(parameter) for name, parameter in model.named_parameters()}
    assert before == {name: getattr(checkpointing, name) for name in dir(checkpointing)}


def test_checkpoints_without_masks_are_left_alone(x):
    """Outside of a pass torch's own reentrant checkpoint is used, and a plain network trains as ever."""
    model = Checkpointed(how="reentrant").double().eval()
    model(x).sum().backward()
    assert model.middle[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("wrap", "text"),
    [
        (
            nn.DataParallel,
            "torch.nn.DataParallel at '0' copies the network's own weights to its devices, not the masked ones; "
            "take the network out of it (.module)",
        ),
        (torch.jit.script, "TorchScript keeps the weights of '0' to itself; give the nn.Module that it was made from"),
    ],
)
def test_what_keeps_its_weights_to_itself_is_refused(wrap, text):
    model = nn.Sequential(wrap(nn.Linear(3, 2)), nn.Linear(2, 2))
    name = next(name for name, _ in model.named_parameters())
    given = {name: torch.zeros(2, 2, 3)}
    for backend in ("auto", "loop"):
        with pytest.raises(LayerError) as error:
            forward(model, given, 2, torch.ones(4, 3), backend=backend)
        assert str(error.value) == text


def test_a_compiled_part_runs_on_the_given_weights(x):
    model = nn.Sequential(torch.compile(nn.Linear(3, 2), backend="eager"), nn.Linear(2, 2)).double()
    weights = versions(model, 2)
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(2)])
    agree(forward(model, weights, 2, x, backend="loop"), weights, expected, gradients)
