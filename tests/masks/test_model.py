"""MaskedModel: maskings give the weights they promise, the wrapped model stays as it was, subnets go by name."""

import pytest
import torch
from torch import nn

from core.errors import BatchError, MaskError
from core.rng import key, stream
from masks.algebra import Masks
from masks.maskable import maskable
from masks.masking import Given, Hard, Mix, Sample, Select
from masks.model import MaskedModel, freeze
from masks.options import METHODS
from models.feedforward import FeedForward

NAMES = ["layers.0.weight", "layers.1.weight", "layers.1.bias"]


@pytest.fixture
def model():
    return FeedForward(6, 3, (5,), rng=stream(0, "init")).double()


@pytest.fixture
def masked(model):
    masked = MaskedModel(model, METHODS["gumbel"](), NAMES)
    for i, subnet in enumerate(("add", "mul")):
        for name, scores in masked.add_scores(subnet, 0.0, seed=0).items():
            with torch.no_grad():
                scores += torch.randn(scores.shape, generator=stream(i, name), dtype=scores.dtype)
    return masked


@pytest.fixture
def x():
    return torch.randn(8, 6, generator=stream(0, "x"), dtype=torch.float64)


def by_hand(model, x, **weights):
    return torch.func.functional_call(model, {name.replace("_", "."): w for name, w in weights.items()}, (x,))


def masked_weights(masked, masks):
    return {name.replace(".", "_"): masked.weights[name] * masks[name] for name in NAMES}


def test_without_rows_it_is_the_network(masked, model, x):
    assert torch.equal(masked(x), model(x))


def test_hard_and_given(masked, model, x):
    masks = masked.masks("add")
    expected = by_hand(model, x, **masked_weights(masked, masks))
    torch.testing.assert_close(masked(x, Hard("add")), expected)
    torch.testing.assert_close(masked(x, Given(~masks)), by_hand(model, x, **masked_weights(masked, ~masks)))


def test_sample_sends_chunk_i_through_draw_i(masked, model, x):
    draws = Sample("add", k=4, seed=9).weights(masked)
    for name, draw in draws.items():
        assert ((draw == 0) | (draw == masked.weights[name])).all() and 0 < (draw != 0).double().mean() < 1
    expected = torch.cat(
        [by_hand(model, x[2 * i : 2 * i + 2], **{n.replace(".", "_"): draws[n][i] for n in NAMES}) for i in range(4)]
    )
    torch.testing.assert_close(masked(x, Sample("add", k=4, seed=9)), expected)
    assert not torch.equal(masked(x, Sample("add", k=4, seed=10)), expected)


def test_small_tensors_drawn_together_get_masks_and_gradients_of_their_own(masked, x, monkeypatch):
    monkeypatch.setattr("masks.masking.TOGETHER", 16)  # the weights of 30 and 15 entries: one apart, two together
    draws = Sample("add", k=6, seed=9).weights(masked)
    assert {name: draw.shape[1:] for name, draw in draws.items()} == masked.shapes
    masks = [(draw != 0).flatten(1).double() for draw in draws.values()]
    assert not torch.equal(masks[0][:, :15], masks[1]), "no two tensors may share their noise"
    gradients = torch.autograd.grad(sum(d.sum() for d in draws.values()), list(masked.scores("add").values()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_select_sends_chunk_i_through_subnet_i(masked, x):
    expected = torch.cat([masked(x[:4], Hard("add")), masked(x[4:], Hard("mul"))])
    torch.testing.assert_close(masked(x, Select(["add", "mul"])), expected)


def test_select_with_a_seed_trains_each_subnet_as_it_would_alone(masked, x):
    together = masked(x, Select(["add", "mul"], seed=3))
    alone = [masked(half, Sample(s, 1, key(3, s))) for half, s in zip(x.split(4), ("add", "mul"), strict=True)]
    torch.testing.assert_close(together, torch.cat(alone))
    gradients = torch.autograd.grad(together.square().sum(), list(masked.scores("add").values()))
    expected = torch.autograd.grad(alone[0].square().sum(), list(masked.scores("add").values()))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_mix_is_a_superposition_with_gradients_to_its_coefficients(masked, model, x):
    alphas = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    masks = [masked.masks("add"), masked.masks("mul")]
    mixed = {n.replace(".", "_"): masked.weights[n] * (0.3 * masks[0][n] + 0.7 * masks[1][n]) for n in NAMES}
    found = masked(x, Mix(["add", "mul"], alphas))
    torch.testing.assert_close(found, by_hand(model, x, **mixed))
    assert torch.autograd.grad(found.sum(), alphas)[0].abs().min() > 0
    with pytest.raises(MaskError, match="2 subnets need as many alphas, got 3"):
        masked(x, Mix(["add", "mul"], torch.ones(3)))


def test_the_wrapped_model_is_left_as_it_was(masked, model, x):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ids = {name: id(p) for name, p in model.named_parameters()}
    for masking in (None, Hard("add"), Sample("add", k=2, seed=0), Select(["add", "mul"])):
        masked(x, masking).sum().backward()
    assert ids == {name: id(p) for name, p in model.named_parameters()}
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_frozen_network_gets_no_gradients(masked, model, x):
    freeze(model)
    masked(x, Sample("add", k=2, seed=0)).sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in model.parameters()) and not model.training
    assert all(scores.grad is not None for scores in masked.scores("add").values())


def test_settled_subnets_keep_their_masks(masked, x):
    before = masked(x, Hard("add"))
    masks = masked.finalize("add")
    assert torch.equal(masked(x, Hard("add")), before) and masks.count() == masked.masks("add").count()
    assert masked.subnets == ["add", "mul"]
    with pytest.raises(MaskError, match="no subnet 'add' is being learned; there are: mul"):
        masked(x, Sample("add", k=2, seed=0))
    with pytest.raises(MaskError, match="subnet 'add' has been learned already"):
        masked.add_scores("add", 0.0, seed=0)


def test_state_comes_back(masked, model, x):
    masked.finalize("mul")
    state = torch.load(_saved(masked.state_dict()), weights_only=True)
    other = MaskedModel(FeedForward(6, 3, (5,), rng=stream(1, "init")).double(), METHODS["gumbel"](), NAMES)
    other.load_state_dict(state)
    for masking in (None, Hard("mul"), Sample("add", k=4, seed=1)):
        assert torch.equal(other(x, masking), masked(x, masking))


def _saved(state):
    import io

    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda m, x: m(x, Hard("ad")), MaskError, "no subnet 'ad' exists; there are: mul, add; did you mean 'add'?"),
        (lambda m, x: m(x[:7], Select(["add", "mul"])), BatchError, "7 rows cannot be cut into K=2"),
        (lambda m, x: m(x, Given(Masks({}))), MaskError, "these masks lack 'layers.0.weight'"),
        (
            lambda m, x: m.add("new", Masks({n: torch.ones(1, dtype=torch.bool) for n in NAMES})),
            MaskError,
            "mask 'layers.0.weight' has shape (1,); the weight has shape (5, 6)",
        ),
        (
            lambda m, x: MaskedModel(m.model, m.method, ["layers.0.wieght"]),
            MaskError,
            "the model has no parameter 'layers.0.wieght'; did you mean 'layers.0.weight'?",
        ),
    ],
)
def test_errors(masked, x, act, error, text):
    masked.finalize("mul")
    with pytest.raises(error) as caught:
        act(masked, x)
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_any_module_can_be_masked(x):
    foreign = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 3)).double()
    masked = MaskedModel(foreign, METHODS["gumbel"](), ["0.weight", "2.weight"])
    masked.add_scores("add", 0.0, seed=0)
    ways = [MaskedModel(foreign, masked.method, ["0.weight", "2.weight"], backend) for backend in ("vmap", "loop")]
    for way in ways:
        way.load_state_dict(masked.state_dict())
        torch.testing.assert_close(way(x, Sample("add", 4, 1)), masked(x, Sample("add", 4, 1)), rtol=1e-10, atol=1e-10)


def test_which_parameters_are_masked():
    names = ["embedding.weight", "layers.0.weight", "layers.0.bias", "output.weight"]
    assert maskable(names) == names
    assert maskable(names, exclude=["*embedding*"], bias=False) == ["layers.0.weight", "output.weight"]
    assert maskable(names, include=["layers.*"]) == ["layers.0.weight", "layers.0.bias"]
    with pytest.raises(MaskError, match="mask.include=layer.\\* matches no parameter; there are: .*; did you mean"):
        maskable(names, include=["layer.*"])
    with pytest.raises(MaskError, match="leave no parameter to mask"):
        maskable(names, exclude=["*"])
