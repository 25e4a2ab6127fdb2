"""Every mask method keeps one contract. A new method is one row in METHOD_ROWS."""

import dataclasses
import math

import pytest
import torch

from core.errors import OptionError
from core.fit import progress_at
from core.rng import key, stream
from masks.model import MaskedModel
from masks.options import METHODS, MaskOptions, mask_options, method_of

METHOD_ROWS = [
    dict(name="gumbel", learns=True, random=True),
    dict(name="gumbel", options={"temperature": 0.5}, learns=True, random=True),
    dict(name="threshold", learns=True, random=False),
    dict(name="magnitude", options={"keep": 0.25}, learns=False, random=False),
    dict(name="edge-popup", learns=True, random=False, fixed=True),
    dict(name="edge-popup", options={"rank": "signed"}, learns=True, random=False, fixed=True),
    dict(name="edge-popup", options={"scope": "network"}, learns=True, random=False, fixed=True),
    dict(name="signed-popup", learns=True, random=False, fixed=True, signed=True),
    dict(name="bernoulli", learns=True, random=True),
    dict(name="bernoulli", options={"gradient": "identity"}, learns=True, random=True),
    dict(name="continuous-sparsification", learns=True, random=False, relaxed=True, anneals="temperature"),
    dict(name="hard-concrete", learns=True, random=True, relaxed=True),
]


@pytest.fixture(params=METHOD_ROWS, ids=lambda row: row["name"] + str(row.get("options", "")))
def row(request):
    return request.param


@pytest.fixture
def method(row):
    return METHODS[row["name"]](**row.get("options", {}))


@pytest.fixture
def weight():
    return torch.randn(30, 20, generator=stream(0, "weight"))


def scores_of(method, weight):
    scores = method.init(weight, 0.0, stream(0, "mask"))
    return (scores + torch.randn(scores.shape, generator=stream(1, "scores"))).requires_grad_()


def test_every_method_has_a_row():
    assert {row["name"] for row in METHOD_ROWS} == set(METHODS)


def test_scores_have_the_shape_of_the_weight(method, weight):
    assert method.init(weight, 2.0, stream(0, "mask")).shape == weight.shape


def test_samples_are_zeros_and_ones_and_relaxed_ones_lie_between(method, row, weight):
    sample = method.sample(scores_of(method, weight), 3, 7)
    assert method.signed == row.get("signed", False) and method.relaxed == row.get("relaxed", False)
    assert sample.shape == (3, 30, 20)
    if method.relaxed:
        assert sample.min() >= 0 and sample.max() <= 1 and ((sample > 0) & (sample < 1)).any()
    else:
        assert set(sample.unique().tolist()) <= ({0.0, 1.0, -1.0} if method.signed else {0.0, 1.0})


def test_the_gradient_of_a_relaxed_sample_is_its_derivative(method, row):
    if not method.relaxed:
        pytest.skip("its gradient is the method's own")
    scores = torch.linspace(-0.4, 0.4, 7, dtype=torch.float64, requires_grad=True)  # away from where gates are cut off
    assert torch.autograd.gradcheck(lambda s: method.sample(s, 2, 3), scores)
    assert torch.autograd.gradcheck(method.penalty, scores)


def test_annealing_is_a_function_of_the_progress_alone(method, row, weight):
    scores = scores_of(method, weight)
    for progress in (0.0, 0.3, 1.0):
        there = method.at(progress)
        assert there == method.at(progress) and type(there) is type(method)
        assert there.annealed == pytest.approx(there.at(0.7).annealed), "what is annealed stays so"
        assert list(there.annealed) == [name for key, name in row.items() if key == "anneals"]
        assert torch.equal(there.hard(scores), method.hard(scores))
    changes = not torch.equal(method.at(0.0).sample(scores, 2, 5), method.at(1.0).sample(scores, 2, 5))
    assert changes == ("anneals" in row)
    assert torch.equal(method.sample(scores, 2, 5), method.at(0.0).sample(scores, 2, 5)), "unasked it is at the start"


def test_the_hard_mask_is_boolean_deterministic_and_leaves_the_scores_alone(method, weight):
    scores = scores_of(method, weight)
    before = scores.detach().clone()
    hard = method.hard(scores)
    assert hard.dtype == (torch.int8 if method.signed else torch.bool) and hard.shape == weight.shape
    assert torch.equal(hard, method.hard(scores))
    assert torch.equal(before, scores)


def test_noise_is_a_function_of_the_seed(method, row, weight):
    scores = scores_of(method, weight)
    state = torch.get_rng_state()
    a, b, c = (method.sample(scores, 2, key(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b) and torch.equal(state, torch.get_rng_state())
    assert method.random == row["random"]
    assert torch.equal(a, c) != row["random"] and torch.equal(a[0], a[1]) != row["random"]


@pytest.mark.parametrize("grad_of_weight", [True, False])
def test_the_product_is_weight_times_sample_in_value_and_gradient(method, weight, grad_of_weight):
    weight = weight.double().requires_grad_(grad_of_weight)
    scores = scores_of(method, weight)
    upstream = torch.randn(4, 30, 20, generator=stream(2, "upstream"), dtype=torch.float64)
    inputs = [scores, weight] if grad_of_weight else [scores]
    fused = method.masked_weight(weight, scores, 4, 5)
    plain = weight * method.sample(scores, 4, 5)
    assert torch.equal(fused, plain)
    for one, other in zip(
        torch.autograd.grad((fused * upstream).sum(), inputs),
        torch.autograd.grad((plain * upstream).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_learned_scores_follow_their_gradient(method, row, weight):
    """Rewarding the first half of the weights and punishing the second must keep the first and drop the second."""
    if not row["learns"]:
        pytest.skip(f"{row['name']} learns nothing")
    good = torch.zeros_like(weight, dtype=torch.bool)
    good[:15] = True
    scores = method.init(weight, 0.0, stream(0, "mask")).requires_grad_()
    optimizer = torch.optim.Adam([scores], lr=0.1)
    for step in range(60):
        optimizer.zero_grad()
        sample = method.sample(scores, 2, key(step))
        (-(sample * good).sum() + (sample * ~good).sum()).backward()
        optimizer.step()
    hard = method.hard(scores)
    if method.signed:  # what is punished pays most with its sign turned round
        assert (hard[good] >= 0).all() and (hard[~good] <= 0).all() and hard.count_nonzero() == 300
    else:
        assert torch.equal(hard, good)


def test_the_penalty_lowers_how_much_is_kept(method, row, weight):
    scores = scores_of(method, weight)
    (gradient,) = torch.autograd.grad(method.penalty(scores), scores)
    if row["learns"] and not row.get("fixed"):
        assert method.hard(scores - 10 * gradient).sum() < method.hard(scores).sum()
    else:
        assert not gradient.any()


def test_elementwise_methods_treat_each_entry_alone(method):
    """What `elementwise` promises: masking two tensors side by side is masking each of them."""
    a, b = (torch.randn(n, generator=stream(n, "scores")) + n / 40 for n in (40, 60))
    apart, together = torch.cat([method.hard(a), method.hard(b)]), method.hard(torch.cat([a, b]))
    assert torch.equal(apart, together) == method.elementwise


def test_options_carry_the_method(row):
    options = mask_options(row["name"], MaskOptions)(method=row["name"], **row.get("options", {}))
    assert isinstance(options, MaskOptions)
    assert dataclasses.asdict(method_of(options)) == {
        name: getattr(options, name) for name in dataclasses.asdict(method_of(options))
    }


@pytest.mark.parametrize("keep", [0.0, 1.5, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["magnitude", "edge-popup"])
def test_keep_outside_its_range(name, keep):
    with pytest.raises(OptionError, match=r"mask.keep=\S+ is (outside \(0, 1\]|not a finite number)"):
        METHODS[name](keep=keep)


def test_magnitude_keeps_exactly_the_largest():
    weight = torch.tensor([[3.0, -5.0], [1.0, 2.0]])
    magnitude = METHODS["magnitude"](keep=0.5)
    assert magnitude.hard(magnitude.init(weight, 0.0, None)).tolist() == [[True, True], [False, False]]
    ties = METHODS["magnitude"](keep=0.3)
    assert ties.hard(torch.ones(10, 10)).sum() == 30


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1001])
@pytest.mark.parametrize("keep", [1e-6, 0.1, 0.29, 0.5, 0.999, 1.0])
def test_magnitude_keeps_exactly_as_many_as_it_says(size, keep):
    """By |w| and nothing else: also of negative weights, and of many equal ones those that come last."""
    weight = torch.randn(size, generator=stream(0, "weight")).mul(2).round()
    magnitude = METHODS["magnitude"](keep=keep)
    mask = magnitude.hard(magnitude.init(weight, None, None))
    order = sorted(range(size), key=lambda i: (abs(weight[i].item()), i))
    assert mask.nonzero()[:, 0].tolist() == sorted(order[size - max(1, round(keep * size)) :])


def test_the_temperature_grows_geometrically_to_exactly_its_last_value():
    steps, method = 90, METHODS["continuous-sparsification"](initial_temperature=0.3, final_temperature=70.0)
    temperatures = [method.at(progress_at(step, steps)).annealed["temperature"] for step in range(steps)]
    assert (temperatures[0], temperatures[-1]) == (0.3, 70.0)
    ratios = [b / a for a, b in zip(temperatures, temperatures[1:], strict=False)]
    assert ratios == pytest.approx([(70 / 0.3) ** (1 / 89)] * 89, rel=1e-12)
    scores = torch.tensor([-0.1, 0.0, 0.2])
    torch.testing.assert_close(method.at(1.0).sample(scores, 1, 0)[0], (70 * scores).sigmoid())
    assert method.hard(scores).tolist() == [False, False, True]


def test_hard_concrete_gates_have_the_law_of_the_paper():
    """P(gate = 0) and P(gate = 1) from the noise's distribution; the penalty is the expected number above 0."""
    method, n = METHODS["hard-concrete"](), 200_000
    for score in (-2.0, 0.0, 1.5):
        gates = method.sample(torch.full((n,), score), 1, key(3, "gates"))
        shift = 2 / 3 * math.log(0.1 / 1.1)
        above = 1 / (1 + math.exp(-(score - shift)))
        full = 1 / (1 + math.exp(-(score + shift)))
        deviation = 4 * math.sqrt(0.25 / n)
        assert (gates > 0).double().mean().item() == pytest.approx(above, abs=deviation)
        assert (gates == 1).double().mean().item() == pytest.approx(full, abs=deviation)
        assert method.penalty(torch.full((n,), score)).item() / n == pytest.approx(above, rel=1e-3)
    assert method.hard(torch.tensor([-2.0, -1e-3, 0.0, 1e-3])).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("continuous-sparsification", {"final_temperature": 0.0}, "mask.final_temperature=0.0 is outside"),
        ("hard-concrete", {"gamma": 0.1}, "mask.gamma=0.1 is outside"),
    ],
)
def test_impossible_options(name, options, text):
    with pytest.raises(OptionError, match=text):
        METHODS[name](**options)


@pytest.mark.parametrize("reduction", ["sum", "mean", "tensor_mean"])
@pytest.mark.parametrize("name", ["continuous-sparsification", "hard-concrete"])
def test_penalties_of_tensors_become_one_number(name, reduction):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2, bias=False))
    masked = MaskedModel(model, METHODS[name](reduction=reduction), [n for n, _ in model.named_parameters()])
    scores = masked.add_scores("a", None, 0)
    entries = [METHODS[name]().at(0.5).penalty(s) for s in scores.values()]
    sizes = [s.numel() for s in scores.values()]
    expected = {
        "sum": sum(entries),
        "mean": sum(entries) / sum(sizes),
        "tensor_mean": sum(e / n for e, n in zip(entries, sizes, strict=True)) / 3,
    }
    torch.testing.assert_close(masked.penalty("a", 0.5), expected[reduction])
