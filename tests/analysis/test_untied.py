"""Margins, norms, energies, paths and curvature against values worked out by hand."""

import math

import pytest
import torch
from torch import nn

from analysis.curvature import top_eigenvalue
from analysis.locality import energies
from analysis.margin import margin_summary, margins, published_margins
from analysis.norms import log_product, path_norm, per_margin, site_counts, spectral_norm, squared_norms
from analysis.paths import barrier, curvilinear, distance, linear
from core.errors import LayerError
from core.rng import stream
from layers import LocallyConnected2d
from models.untie import untie

SIZE = (2, 8, 6)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten(),
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
    sites = site_counts(network, SIZE)
    assert sites == {"0": 48, "3": 1, "6": 1}
    free = untie(network, kind, SIZE)
    before = squared_norms(network, sites)
    if kind == "local":
        after = squared_norms(free, site_counts(free, SIZE))
        assert after == pytest.approx(before)
        assert log_product(after) == pytest.approx(0.5 * sum(math.log(value) for value in before.values()))
    assert path_norm(free, SIZE) == pytest.approx(path_norm(network, SIZE))


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
    for layer, weight in ((local, local.weight), (dense, dense.linear.weight)):
        found, whole = energies(layer), weight.square().sum().item()
        assert found["tied"] == pytest.approx(whole) and found["untied"] == pytest.approx(0, abs=1e-12)
        assert found["off_local"] == pytest.approx(0, abs=1e-9)
        with torch.no_grad():
            weight.add_(torch.randn(weight.shape, generator=stream(0, "kick"), dtype=weight.dtype))
        found, whole = energies(layer), weight.square().sum().item()
        assert sum(found.values()) == pytest.approx(whole)
        assert found["untied"] > 1 and (found["off_local"] > 1) == (layer is dense)


def test_energy_of_a_kick_at_one_site():
    layer = LocallyConnected2d.from_conv(nn.Conv2d(1, 1, 2).double(), (3, 3))
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 0, 0] = 4.0  # the mean over four sites is 1
    assert energies(layer) == pytest.approx({"tied": 4.0, "untied": 12.0, "off_local": 0.0})


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


def test_the_top_eigenvalue_of_a_quadratic():
    torch.manual_seed(0)
    matrix = torch.randn(6, 6, dtype=torch.float64)
    matrix = matrix + matrix.T
    values = torch.linalg.eigvalsh(matrix)
    expected = values[values.abs().argmax()].item()

    def loss(weights):
        x = torch.cat([weights["a"], weights["b"].flatten()])
        return 0.5 * x @ matrix @ x

    weights = {"a": torch.randn(2, dtype=torch.float64), "b": torch.randn(2, 2, dtype=torch.float64)}
    found = top_eigenvalue(loss, weights, stream(0, "power"), steps=2000, tolerance=1e-9)
    assert found == pytest.approx(expected, rel=1e-3)
