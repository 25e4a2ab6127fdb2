"""Margins, norms, energies, paths and curvature against values worked out by hand."""

import math

import pytest
import torch
from torch import nn

from analysis.curvature import largest_eigenvalue, top_eigenvalue
from analysis.locality import energies, only_local, retied, untied_layers
from analysis.margin import margin_summary, margins, published_margins
from analysis.norms import layer_sites, log_product, path_norm, per_margin, spectral_norm, spectral_norms, squared_norms
from analysis.paths import barrier, curvilinear, distance, linear, tension
from core.errors import LayerError
from core.rng import stream
from layers import LocallyConnected2d
from models.untie import untie

SIZE = (2, 8, 6)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4, 5),
    ).double()


def test_margins():
    logits = torch.tensor([[3.0, 1.0, 0.5, -2.0], [0.0, 4.0, 1.0, 2.0], [5.0, 5.0, 1.0, 0.0]])
    labels = torch.tensor([0, 0, 1])
    assert margins(logits, labels).tolist() == [2.0, -4.0, 0.0]
    # the answer to the first is right and is compared with the second smallest logit, 0.5
    assert published_margins(logits, labels).tolist()[:2] == [2.5, -4.0]
    summary = margin_summary(torch.arange(100.0))
    assert summary == {"mean": 49.5, "median": 49.0, "q05": 4.0, "min": 0.0}


def test_published_margins_are_too_large_as_the_survey_measured():
    logits = torch.randn(200_000, 10, generator=torch.Generator().manual_seed(0)) * 2.32
    labels = logits.argmax(1)
    ours, theirs = margins(logits, labels).mean(), published_margins(logits, labels).mean()
    assert theirs > 4 * ours


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_untying_changes_no_norm(network, kind):
    """The first layer has its padding inside, the norm is that of its linear map in every form."""
    sites = layer_sites(network, SIZE)
    assert {name: None if of_layer is None else of_layer.count for name, of_layer in sites.items()} == {
        "0": 48, "3": 1, "6": None,
    }  # fmt: skip
    free = untie(network, kind, SIZE)
    before, after = squared_norms(network, sites), squared_norms(free, sites)
    dense = free[0].linear if kind == "dense" else free[0].to_dense().linear
    assert before["0"] == pytest.approx(torch.linalg.matrix_norm(dense.weight).item() ** 2)
    assert after == pytest.approx(before)
    assert log_product(after) == pytest.approx(0.5 * sum(math.log(value) for value in before.values()))
    assert path_norm(free, SIZE) == pytest.approx(path_norm(network, SIZE))


def test_other_padding_than_zeros_counts(network):
    conv = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular")
    sites = layer_sites(nn.Sequential(conv), SIZE)
    assert squared_norms(nn.Sequential(conv), sites)["0"] == pytest.approx(48 * conv.weight.square().sum().item())


def test_per_margin_is_no_number_without_a_margin():
    assert per_margin(3.0, math.e) == pytest.approx(2.0)
    assert per_margin(3.0, 0.0) is None and per_margin(3.0, -1.0) is None
    assert log_product({"a": 4.0, "b": 0.0}) == -math.inf


def test_path_norm_of_two_layers_by_hand():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 0.0]]))
        model[2].weight.copy_(torch.tensor([[-1.0, 2.0]]))
        model[0].bias.fill_(7.0)
    assert path_norm(model, (2,)) == pytest.approx(math.sqrt(1 * 1 + 4 * 1 + 9 * 4))
    assert model.training
    with pytest.raises(LayerError, match="layer '0' .BatchNorm1d. has no path norm"):
        path_norm(nn.Sequential(nn.BatchNorm1d(2)), (2,))


def test_spectral_norms(network):
    rng = stream(0, "power")
    head = network[6]
    assert spectral_norm(head, (4,), rng) == pytest.approx(torch.linalg.matrix_norm(head.weight, 2).item(), rel=1e-3)
    for name in ("local", "dense"):
        layer = untie(network, name, SIZE)[0]
        dense = layer if name == "dense" else layer.to_dense()
        exact = torch.linalg.matrix_norm(dense.linear.weight, 2).item()
        assert spectral_norm(layer, SIZE, rng) == pytest.approx(exact, rel=1e-2)
        assert spectral_norm(network[0], SIZE, rng) == pytest.approx(exact, rel=1e-2)


def test_energies_add_up_and_are_tied_at_the_split(network):
    local, dense = untie(network, "local", SIZE)[0], untie(network, "dense", SIZE)[0]
    whole = dense.linear.weight.square().sum().item()
    assert whole < 0.95 * local.weight.square().sum().item(), "what lies on the padding has no place in the matrix"
    for layer in (local, dense):
        found = energies(layer)
        assert found["tied"] == pytest.approx(whole) and found["untied"] == pytest.approx(0, abs=1e-12)
        assert found["off_local"] == pytest.approx(0, abs=1e-9)
    with torch.no_grad():
        local.weight.add_(torch.randn(local.weight.shape, generator=stream(0, "kick"), dtype=torch.float64))
        other = local.to_dense()
        assert energies(other) == pytest.approx(energies(local)), "of both forms of one layer"
        assert energies(local)["untied"] > 1
        other.linear.weight.add_(torch.randn(dense.linear.weight.shape, generator=stream(1, "k"), dtype=torch.float64))
    found = energies(other)
    assert sum(found.values()) == pytest.approx(other.linear.weight.square().sum().item()) and found["off_local"] > 1


def test_energy_of_a_kick_at_one_site():
    layer = LocallyConnected2d.from_conv(nn.Conv2d(1, 1, 2).double(), (3, 3))
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, 0] = 4.0  # the mean over four sites is 1
    assert energies(layer) == pytest.approx({"tied": 4.0, "untied": 12.0, "off_local": 0.0})


def test_local_weights_alone_are_the_convolution(network):
    dense = untie(network, "dense", SIZE)
    x = torch.randn(3, *SIZE, generator=stream(0, "x"), dtype=torch.float64)
    expected = network(x)
    with torch.no_grad():
        for layer in untied_layers(dense).values():
            layer.linear.weight += 0.1 * ~layer.local_mask()
    assert not torch.allclose(dense(x), expected, atol=1e-3)
    local, rest = (torch.func.functional_call(dense, only_local(dense, keep), (x,)) for keep in (True, False))
    torch.testing.assert_close(local, expected)
    for layer in untied_layers(dense).values():
        with torch.no_grad():
            layer.linear.weight.copy_(0.1 * ~layer.local_mask())
    torch.testing.assert_close(rest, dense(x))


def test_a_retied_network_is_the_mean_over_sites(network):
    local = untie(network, "local", SIZE)
    kick = torch.randn(local[0].weight.shape, generator=stream(0, "kick"), dtype=torch.float64)
    before = local[0].tied()
    with torch.no_grad():
        local[0].weight += kick
        local[0].weight -= local[0].tied() - before
    x = torch.randn(3, *SIZE, generator=stream(0, "x"), dtype=torch.float64)
    assert not torch.allclose(local(x), network(x), atol=1e-3)
    torch.testing.assert_close(retied(local)(x), network(x))
    assert untied_layers(local) and not untied_layers(retied(local))


def test_spectral_norms_of_all_layers_agree_with_the_dense_matrices(network):
    found = spectral_norms(network, SIZE, stream(0, "spectral"))
    assert list(found) == ["0", "3", "6"]
    dense = untie(network, "dense", SIZE)
    for name, layer in (("0", dense[0].linear), ("3", dense[3].linear), ("6", dense[6])):
        assert found[name] == pytest.approx(torch.linalg.matrix_norm(layer.weight, 2).item(), rel=1e-2)


def test_the_curvature_of_an_untied_network_can_be_measured(network):
    """The custom product of locally connected layers has second derivatives: against the dense network's Hessian."""
    local, dense = untie(network, "local", SIZE), untie(network, "dense", SIZE)
    x = torch.randn(5, *SIZE, generator=stream(0, "x"), dtype=torch.float64)

    def vector(model):
        return {"0.weight": model[0].weight if model is local else model[0].linear.weight}

    def loss(model):
        return lambda w: torch.func.functional_call(model, {n.replace("0.w", "0.linear.w") if model is dense else n: t
                                                            for n, t in w.items()}, (x,)).square().sum()  # fmt: skip

    values = [top_eigenvalue(loss(model), vector(model), stream(0, "power"), 500, 1e-8) for model in (local, dense)]
    # the local blocks are a part of the dense weights, so their Hessian is a block of the other
    assert 0 < values[0] <= values[1] * (1 + 1e-6)
    point = {"0.weight": local[0].weight.detach()}
    v = torch.randn(point["0.weight"].shape, generator=stream(1, "v"), dtype=torch.float64)
    _, product = torch.autograd.functional.hvp(lambda w: loss(local)({"0.weight": w}), point["0.weight"], v)
    step = 1e-5
    moved = [point["0.weight"] + sign * step * v for sign in (1, -1)]
    slopes = [torch.autograd.grad(loss(local)({"0.weight": w.requires_grad_()}), w)[0] for w in moved]
    torch.testing.assert_close(product, (slopes[0] - slopes[1]) / (2 * step), rtol=1e-4, atol=1e-6)


def test_paths():
    a, b = {"w": torch.tensor([3.0, 0.0]), "v": torch.zeros(2)}, {"w": torch.tensor([0.0, 5.0]), "v": torch.zeros(2)}
    assert linear(a, b, 0.5)["w"].tolist() == [1.5, 2.5]
    middle = curvilinear(a, b, 0.5)
    assert middle["w"].norm().item() == pytest.approx(4.0) and middle["v"].tolist() == [0.0, 0.0]
    for path in (linear, curvilinear):
        for alpha, end in ((0.0, a), (1.0, b)):
            assert torch.allclose(path(a, b, alpha)["w"], end["w"])
    assert distance(a, b) == pytest.approx(math.sqrt(34))
    assert barrier([0, 0.5, 1], [1.0, 5.0, 3.0]) == 3.0 and barrier([0, 0.5, 1], [1.0, 1.0, 3.0]) == 0.0


def test_the_tension_of_a_string():
    ends = [{"w": torch.zeros(2), "v": torch.zeros(1)}, {"w": torch.tensor([3.0, 0.0]), "v": torch.zeros(1)}]
    inner = {"w": torch.tensor([[1.0, 0.0], [1.0, 2.0]]), "v": torch.zeros(2, 1)}
    assert tension(inner, *ends).item() == 0.5 * (1 + 4 + 4 + 4)


def symmetric(values, dtype=torch.float64):
    """A matrix of these eigenvalues."""
    values = torch.as_tensor(values, dtype=torch.float64)
    q = torch.linalg.qr(torch.randn(len(values), len(values), generator=stream(0, "q"), dtype=torch.float64)).Q
    return (q @ torch.diag(values) @ q.T).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "values",
    [
        [-1.0, 0.95], [0.95, -1.0, 0.94, -0.99], [-2.0, -1.0, -3.0], [3.0], [0.0, 0.0], [1.0] * 20,
        torch.linspace(-1, 1, 150), torch.linspace(-1, 1e-3, 150), [0.0] * 140 + [0.9, 0.91, 0.92, 1.0],
    ],
    ids=["two", "near", "negative", "one", "zero", "equal", "spread", "saddle", "cluster"],
)  # fmt: skip
def test_the_largest_eigenvalue_is_exact_whatever_lies_beside_it(values, dtype):
    matrix = symmetric(values, dtype)
    expected = max(float(value) for value in values)
    for seed in range(3):
        start = torch.randn(len(values), generator=stream(seed, "start"), dtype=dtype)
        found = largest_eigenvalue(lambda v: matrix @ v, start, steps=200)
        assert found == pytest.approx(expected, abs=1e-5)


def test_the_top_eigenvalue_of_a_quadratic_and_of_a_saddle():
    matrix = symmetric([-5.0, 2.0, 1.0, 0.5, -1.0, 0.0])

    def loss(weights):
        x = torch.cat([weights["a"], weights["b"].flatten()])
        return 0.5 * x @ matrix @ x

    weights = {"a": torch.randn(2, dtype=torch.float64), "b": torch.randn(2, 2, dtype=torch.float64)}
    assert top_eigenvalue(loss, weights, stream(0, "power")) == pytest.approx(2.0), "and not -5"
    assert top_eigenvalue(lambda w: w["a"].sum(), weights, stream(0, "power")) == 0.0
    assert math.isnan(top_eigenvalue(lambda w: w["a"].square().sum() * math.nan, weights, stream(0, "power")))
