"""Grafts: the donor's part keeps its bits whatever the optimiser does, and the rest comes from where it should."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from core.errors import MaskError
from core.fit import Stage, make_optimizer, train_step
from core.option_groups import TrainOptions
from core.rng import stream
from masks.algebra import Masks
from masks.graft import Graft
from tests.masks.test_units import GPTAttention


class Language(nn.Module):
    """A small GPT-2: tied embeddings, layers whose weights are [inputs, outputs]."""

    def __init__(self):
        super().__init__()
        self.wte, self.ln, self.attn = nn.Embedding(9, 12), nn.LayerNorm(12), GPTAttention()
        self.head = nn.Linear(12, 9, bias=False)
        self.head.weight = self.wte.weight
        self.register_buffer("causal", torch.ones(5, 5).tril(), persistent=False)  # as GPT-2 has it

    def forward(self, x):
        h = self.wte(x)
        return self.head(h + self.attn(self.ln(h)))[:, -1]


def words():
    return Language(), ["attn.c_attn.weight", "attn.c_proj.weight"], torch.randint(9, (16, 5))


def images():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 9))
    return model, ["0.weight", "4.weight"], torch.randn(16, 2, 5, 5)


OPTIM = [
    TrainOptions(lr=0.1, optimizer="sgd", momentum=0.9, weight_decay=0.1),
    TrainOptions(lr=0.05, optimizer="adam", weight_decay=0.1),
]


def pieces(build, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        donor, names, x = build()
        model = build()[0]
        y = torch.randint(9, (16,))
    for buffer in donor.buffers():
        buffer.add_(3)
    masks = Masks({n: torch.rand(donor.get_parameter(n).shape, generator=stream(0, n)) < 0.4 for n in names})
    new = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return Graft(model, donor.state_dict(), masks, **options), donor.state_dict(), new, masks, (x, y)


def stage_of(graft, batch, optim, steps=4):
    return Stage(
        name="graft",
        batch=lambda rng, step: batch,
        steps=steps,
        parameters=graft.trained,
        optim=optim,
        evaluate=dict,
        loss=lambda batch, masking: cross_entropy(graft(batch[0]), batch[1]),
    )


def train(graft, batch, optim, first=0, last=4, optimizer=None):
    stage = stage_of(graft, batch, optim)
    optimizer = optimizer or make_optimizer(stage)
    for step in range(first, last):
        train_step(stage, optimizer, 0, step)
    return optimizer


@pytest.mark.parametrize("build", [words, images])
@pytest.mark.parametrize("optim", OPTIM, ids=lambda o: o.optimizer)
def test_a_frozen_part_keeps_its_bits_and_all_else_is_trained(build, optim):
    graft, donor, new, masks, batch = pieces(build)
    train(graft, batch, optim)
    effective, state = graft.weights(), graft.state_dict()
    for name, mask in masks.items():
        assert torch.equal(effective[name][mask], donor[name][mask])
        assert torch.equal(state[name], effective[name])
        assert (state[name][~mask] != new[name][~mask]).all()
    for name, parameter in graft.model.named_parameters():
        if name not in masks:
            assert not torch.equal(parameter, donor[name]), f"{name} is trained"
    assert torch.equal(graft.finalize().eval()(batch[0]), graft(batch[0]))


@pytest.mark.parametrize("build", [words, images])
@pytest.mark.parametrize("optim", OPTIM, ids=lambda o: o.optimizer)
def test_a_part_that_is_not_frozen_begins_as_the_donors_and_is_trained(build, optim):
    graft, donor, new, masks, batch = pieces(build, frozen=False)
    for name, mask in masks.items():
        own = graft.model.get_parameter(name)
        assert torch.equal(own[mask], donor[name][mask]) and torch.equal(own[~mask], new[name][~mask])
    train(graft, batch, optim)
    for name, mask in masks.items():
        assert (graft.model.get_parameter(name)[mask] != donor[name][mask]).all()


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(("inherit", "taken"), [
    (("*",), ["0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked", "4.bias"]),
    (("1.*",), ["1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"]),
    ((), []),
])  # fmt: skip
def test_what_has_no_mask_is_inherited_as_asked(inherit, taken, frozen):
    graft, donor, new, masks, _ = pieces(images, inherit=inherit, frozen=frozen)
    for name, tensor in graft.state_dict().items():
        if name not in masks:
            assert torch.equal(tensor, (donor if name in taken else new)[name]), name


def test_no_weight_of_the_donor_but_what_has_no_mask():
    """The control that inherits the rest: masks that keep nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        donor, model = images()[0], images()[0]
    new = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    none = Masks({n: torch.zeros_like(model.get_parameter(n), dtype=torch.bool) for n in ("0.weight", "4.weight")})
    state = Graft(model, donor.state_dict(), none).state_dict()
    assert all(torch.equal(state[n], (new if n in none else donor.state_dict())[n]) for n in state)


@pytest.mark.parametrize("optim", OPTIM, ids=lambda o: o.optimizer)
def test_stopped_and_taken_up_again_is_never_stopped(optim):
    whole, *_, batch = pieces(words)
    train(whole, batch, optim)
    first, *_ = pieces(words)
    optimizer = train(first, batch, optim, last=2)
    state, moments = first.state_dict(), optimizer.state_dict()
    again, *_ = pieces(words)
    again.load_state_dict(state)
    resumed = make_optimizer(stage_of(again, batch, optim))
    resumed.load_state_dict(moments)
    train(again, batch, optim, 2, 4, resumed)
    expected = whole.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize(("change", "text"), [
    (lambda d, m: ({**d, "0.weight": torch.ones(4, 3, 3, 3)}, m, {}),
     "'0.weight' has shape [4, 3, 3, 3] in the other network and [4, 2, 3, 3] in this"),
    (lambda d, m: ({**d, "4.bias": torch.ones(10)}, m, {}),
     "'4.bias' has shape [10] in the other network and [9] in this"),
    (lambda d, m: ({n: t for n, t in d.items() if n != "4.weight"}, m, {}),
     "the other network has no '4.weight'; did you mean"),
    (lambda d, m: (d, Masks({**m, "5.weight": m["4.weight"]}), {}), "the model has no parameter '5.weight'; did you"),
    (lambda d, m: (d, Masks({"4.weight": m["0.weight"]}), {}), "mask '4.weight' has shape (4, 2, 3, 3); the weight"),
    (lambda d, m: (d, m, {"inherit": ("norm*",)}), "inherit=norm* matches nothing without a mask; there are: 0.bias, "),
])  # fmt: skip
def test_mistakes_are_said_before_anything_is_changed(change, text):
    _, donor, _, masks, _ = pieces(images)
    model = images()[0]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    donor, masks, options = change(donor, masks)
    with pytest.raises(MaskError) as error:
        Graft(model, donor, masks, **options)
    assert str(error.value).startswith(text) and "\n" not in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
