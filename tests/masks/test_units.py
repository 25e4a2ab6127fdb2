"""Units: dropping one drops what its name says, and all that is done with masks is done with units too."""

import math

import pytest
import torch
from torch import nn

from core.errors import MaskError
from core.rng import stream
from layers import LSTM, Conv2d, Embedding, Linear, MultiheadAttention
from masks.algebra import Masks
from masks.mask_bytes import bitmap_bytes
from masks.masking import Given, Hard, Sample, Select
from masks.model import MaskedModel
from masks.options import METHODS
from masks.units import units_of
from models.feedforward import FeedForward


class Conv1D(nn.Module):
    """The linear layer of GPT-2 as Hugging Face has it: weight [inputs, outputs]."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.weight, self.bias = nn.Parameter(torch.randn(nx, nf)), nn.Parameter(torch.randn(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class GPTAttention(nn.Module):
    """The attention of GPT-2, its parts named as there."""

    num_heads, head_dim = 3, 4

    def __init__(self):
        super().__init__()
        self.c_attn, self.c_proj = Conv1D(36, 12), Conv1D(12, 12)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (3, 4)).transpose(1, 2) for t in self.c_attn(x).chunk(3, -1))
        return self.c_proj(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    """The attention of torch or of ours to itself."""

    def __init__(self, kind):
        super().__init__()
        self.attention = kind(12, 3, batch_first=True)
        nn.init.normal_(self.attention.in_proj_bias)
        nn.init.normal_(self.attention.out_proj.bias)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Grouped(nn.Module):
    """Projections of their own, as in BERT and ViT, with fewer heads of keys and values."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.num_attention_heads, self.attention_head_size = 4, 2
            self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 4)

    def __init__(self):
        super().__init__()
        self.attention, self.output = self.Inner(), nn.ModuleDict({"dense": nn.Linear(8, 8)})


def drop(model, kind, index, names=None):
    """Return Masks of all parameters (or of those named) that lack unit `index`, counted along its axis."""
    masks = {}
    for name, weight in model.named_parameters():
        if names is None or name in names:
            unit = units_of(model, name, kind)
            kept = torch.ones(unit.scores, dtype=torch.bool)
            kept.view(-1)[index] = False
            masks[name] = unit.spread(kept)
            assert masks[name].shape == weight.shape and (~masks[name]).sum() == unit.covers
    return Masks(masks)


def run(model, masks, *inputs):
    masked = MaskedModel(model, METHODS["threshold"](), list(masks))
    return masked(inputs[0], Given(masks), *inputs[1:])


LAYERS = [
    (lambda: Linear(4, 6), (3, 4)),
    (lambda: Conv1D(6, 4), (3, 4)),
    (lambda: Conv2d(4, 6, 3), (3, 4, 5, 5)),
    (lambda: nn.Conv2d(4, 6, 3, groups=2), (3, 4, 5, 5)),
    (lambda: nn.Conv2d(4, 8, 3, groups=4), (3, 4, 5, 5)),
    (lambda: nn.Conv1d(4, 6, 3), (3, 4, 5)),
    (lambda: nn.ConvTranspose2d(4, 6, 3), (3, 4, 5, 5)),
    (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (3, 4, 5, 5)),
]


@pytest.mark.parametrize(("build", "shape"), LAYERS, ids=lambda x: type(x()).__name__ if callable(x) else str(x))
def test_outputs_and_inputs_of_layers(build, shape):
    """Without output j channel j is 0 and all else as before; without input i the output is that of x_i = 0."""
    layer, x = build(), torch.randn(shape, generator=stream(0, "x"))
    axis = 1 if len(shape) > 2 else -1
    dense = layer(x)
    for j in range(dense.shape[axis]):
        found = run(layer, drop(layer, "output", j), x)
        assert not found.select(axis, j).any()
        rest = [i for i in range(dense.shape[axis]) if i != j]
        torch.testing.assert_close(
            found.index_select(axis, torch.tensor(rest)), dense.index_select(axis, torch.tensor(rest))
        )
    for i in range(shape[axis]):
        silent = x.clone()
        silent.select(axis, i).zero_()
        torch.testing.assert_close(run(layer, drop(layer, "input", i, ["weight"]), x), layer(silent))


def test_words_are_inputs_of_an_embedding():
    layer, words = Embedding(5, 3), torch.tensor([[0, 1, 4], [2, 3, 4]])
    assert not run(layer, drop(layer, "output", 2), words)[..., 2].any()
    found = run(layer, drop(layer, "input", 4), words)
    assert not found[:, 2].any() and torch.equal(found[:, :2], layer(words)[:, :2])


@pytest.mark.parametrize("kind", [LSTM, nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_neuron_is_all_its_gates(kind):
    """Without all that leads to neuron j its state stays 0."""
    layer, x = kind(4, 5, batch_first=True), torch.randn(2, 3, 4)
    states = run(layer, drop(layer, "output", 3), x)[0]
    assert not states[..., 3].any() and states[..., [0, 1, 2, 4]].all()
    silent = x.clone()
    silent[..., 1] = 0
    torch.testing.assert_close(run(layer, drop(layer, "input", 1, ["weight_ih_l0"]), x)[0], layer(silent)[0])


@pytest.mark.parametrize(("build", "to", "out"), [
    (GPTAttention, ["c_attn.weight", "c_attn.bias"], "c_proj.weight"),
    (lambda: SelfAttention(MultiheadAttention), ["attention.in_proj_weight", "attention.in_proj_bias"],
     "attention.out_proj.weight"),
    (lambda: SelfAttention(nn.MultiheadAttention), ["attention.in_proj_weight", "attention.in_proj_bias"],
     "attention.out_proj.weight"),
])  # fmt: skip
def test_a_head_is_the_same_where_it_is_made_and_where_it_is_read(build, to, out):
    """A head without queries, keys and values gives 0, as one does that is not read."""
    model, x = build().eval(), torch.randn(2, 5, 12, generator=stream(0, "x"))
    answers = []
    for head in range(3):
        made, read = run(model, drop(model, "head", head, to), x), run(model, drop(model, "head", head, [out]), x)
        torch.testing.assert_close(made, read)
        answers.append(read)
    assert not torch.allclose(answers[0], answers[1]) and not torch.allclose(answers[0], model(x))


def test_heads_of_separate_projections():
    model = Grouped()
    shapes = {name: units_of(model, f"attention.{name}", "head").scores for name in ("query.weight", "key.weight")}
    assert shapes == {"query.weight": (1, 4, 1, 1), "key.weight": (1, 2, 1, 1)}
    assert units_of(model, "output.dense.weight", "head").scores == (1, 1, 4, 1)


@pytest.mark.parametrize(("model", "name", "kind", "text"), [
    (FeedForward(4, 2, (3,), rng=stream(0, "init")), "layers.0.bias", "input",
     "mask.unit=input: 'layers.0.bias' of shape [3] has no inputs that layer 'layers.0' (Linear) is known to have;"),
    (FeedForward(4, 2, (3,), rng=stream(0, "init")), "layers.0.weight", "head",
     "mask.unit=head: 'layers.0.weight' of shape [3, 4] has no heads that layer 'layers.0' (Linear) is known to have;"),
    (SelfAttention(nn.MultiheadAttention), "attention.out_proj.bias", "head",
     "mask.unit=head: 'attention.out_proj.bias' of shape [12] has no heads that layer 'attention.out_proj'"),
    (nn.Bilinear(2, 3, 4), "weight", "input",
     "mask.unit=input: 'weight' of shape [4, 2, 3] has no inputs that the model itself (Bilinear) is known to have;"),
    (nn.Linear(2, 3), "weight", "outptu",
     "mask.unit=outptu is not one of weight, output, input, head, tensor; did you mean 'output'?"),
])  # fmt: skip
def test_what_has_no_such_unit_is_named(model, name, kind, text):
    with pytest.raises(MaskError) as error:
        MaskedModel(model, METHODS["gumbel"](), [name], unit=kind)
    assert str(error.value).startswith(text) and "\n" not in str(error.value)


# ---------------------------------------------------------------- with every method

KINDS = {"output": None, "input": ["layers.0.weight", "layers.1.weight"], "tensor": None}


def masked_with(name, kind, backend="auto", **options):
    model = FeedForward(6, 3, (8,), rng=stream(0, "init")).double()
    names = KINDS[kind] or [n for n, _ in model.named_parameters()]
    masked = MaskedModel(model, METHODS[name](**options), names, backend, kind)
    for n, scores in masked.add_scores("a", None, 0).items():
        with torch.no_grad():
            scores += torch.randn(scores.shape, generator=stream(1, n), dtype=scores.dtype)
    return masked


@pytest.fixture(params=[(m, {}) for m in METHODS] + [("edge-popup", {"scope": "network"})], ids=lambda p: str(p))
def method(request):
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_keeps_and_drops_whole_units(method, kind):
    masked = masked_with(method[0], kind, **method[1])
    hard = masked.masks("a")
    draws = Sample("a", 4, 7, 0.5).weights(masked)
    for name, scores in masked.scores("a").items():
        unit, weight = masked.units[name], masked.weights[name].detach()
        assert scores.shape == unit.scores and scores.numel() * unit.covers == weight.numel()
        assert torch.equal(unit.spread(unit.pick(hard[name])), hard[name])
        masks = draws[name].detach() / weight
        assert draws[name].shape == (4, *weight.shape)
        torch.testing.assert_close(unit.spread(torch.stack([unit.pick(m) for m in masks])), masks)
    gradients = torch.autograd.grad(sum(d.square().sum() for d in draws.values()), list(masked.scores("a").values()))
    assert any(g.any() for g in gradients) == masked.method.learns
    assert masked.units.keys() == hard.units.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_k_at_once_are_k_one_by_one_and_tensors_drawn_together_keep_their_scores(method, kind, monkeypatch):
    x = torch.randn(8, 6, generator=stream(0, "x"), dtype=torch.float64)
    ways = [masked_with(method[0], kind, backend, **method[1]) for backend in ("layers", "vmap", "loop")]
    results = [way(x, Sample("a", 4, 1, 0.2)) for way in ways]
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, rtol=1e-10, atol=1e-10)
    if METHODS[method[0]].elementwise and METHODS[method[0]].relaxed:  # the law of every entry is the one of its score
        together = Sample("a", 2000, 3).weights(ways[0])
        monkeypatch.setattr("masks.masking.TOGETHER", 0)
        apart = Sample("a", 2000, 3).weights(ways[0])
        for name in together:
            torch.testing.assert_close(together[name].mean(0), apart[name].mean(0), rtol=0.1, atol=0.02)


def test_several_subnets_side_by_side():
    masked = masked_with("hard-concrete", "output")
    with torch.no_grad():
        for scores in masked.add_scores("b", 0.3, 0).values():
            scores += 0.1
    x = torch.randn(8, 6, dtype=torch.float64)
    alone = torch.cat([masked(x[:4], Hard("a")), masked(x[4:], Hard("b"))])
    torch.testing.assert_close(masked(x, Select(["a", "b"])), alone)
    assert masked(x, Select(["a", "b"], seed=2, progress=0.5)).shape == (8, 3)


def test_first_scores_of_units_have_the_law_of_single_ones():
    model = nn.Sequential(nn.Linear(400, 300))
    bound = 1 / math.sqrt(400)
    one = MaskedModel(model, METHODS["gumbel"](), ["0.weight"], unit="output")
    drawn = one.first_scores("a", None, 0)["0.weight"]
    assert drawn.abs().max() <= bound and drawn.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)
    assert (one.first_scores("a", -0.1, 0)["0.weight"] == torch.tensor(-0.1)).all()
    sizes = MaskedModel(model, METHODS["magnitude"](), ["0.weight"], unit="output").first_scores("a", None, 0)
    torch.testing.assert_close(sizes["0.weight"][:, 0], model[0].weight.detach().abs().mean(1))


@pytest.mark.parametrize("reduction", ["sum", "mean", "tensor_mean"])
def test_penalties_count_weights(reduction):
    """The penalty of scores of units is that of the same scores written out for every weight."""
    units = masked_with("continuous-sparsification", "output", reduction=reduction)
    names = list(units.weights)
    each = MaskedModel(units.model, units.method, names)
    for name, scores in each.add_scores("a", 0.0, 0).items():
        with torch.no_grad():
            scores.copy_(units.units[name].spread(units.scores("a")[name]))
    torch.testing.assert_close(units.penalty("a", 0.4), each.penalty("a", 0.4))
    assert units.masks("a").density() == each.masks("a").density()


@pytest.mark.parametrize("keep", [0.01, 0.3, 0.55, 1.0])
def test_keep_over_the_network_counts_weights(keep):
    """As many of the best units as come nearest to the fraction: one more or one less would be further off."""
    masked = masked_with("edge-popup", "output", scope="network", keep=keep)
    masks, scores = masked.masks("a"), masked.scores("a")
    units = sorted(
        (
            (s.abs(), masked.units[n].covers, bool(k))
            for n, t in scores.items()
            for s, k in zip(t.flatten(), masks.compact()[n].flatten(), strict=True)
        ),
        key=lambda u: -u[0],
    )
    count = sum(kept for _, _, kept in units)
    assert [kept for _, _, kept in units] == [True] * count + [False] * (len(units) - count)
    wanted = round(keep * masks.size())
    off = [abs(sum(covers for _, covers, _ in units[:n]) - wanted) for n in range(1, len(units) + 1)]
    assert off[count - 1] == min(off) and masks.count() == sum(covers for _, covers, _ in units[:count])


def test_budgets_by_shape_are_of_single_weights():
    with pytest.raises(MaskError, match="mask.unit=output: EdgePopup.*er_scale=2.0.* mask.unit=weight"):
        MaskedModel(nn.Linear(4, 3), METHODS["edge-popup"](er_scale=2.0), ["weight"], unit="output")


@pytest.mark.parametrize("name", ["threshold", "signed-popup"])
def test_a_file_has_a_bit_for_each_unit(tmp_path, name):
    masked = masked_with(name, "output")
    masks = masked.masks("a")
    masks.save(tmp_path / "a.npz")
    found = Masks.load(tmp_path / "a.npz")
    assert found.units == masks.units and all(torch.equal(found[n], masks[n]) for n in masks)
    assert masks.packed()["layers.0.weight"].numel() == 1 and bitmap_bytes(masks) == 4, "8, 8, 3 and 3 units"
    again = masked_with(name, "output")
    again.finalize("a")
    state = again.state_dict()
    again.load_state_dict(state)
    assert again.masks("a").units == masks.units


def test_what_is_made_of_masks_of_units_is_of_units():
    masks = masked_with("threshold", "output").masks("a")
    others = Masks(dict(masks))
    assert (~masks & masks).units == masks.units and (masks | others).units == {}
    assert masks.only({"layers.1.bias"}).units.keys() == {"layers.1.bias"}
    control = masks.random(stream(0, "control"))
    for name, unit in masks.units.items():
        assert torch.equal(unit.spread(unit.pick(control[name])), control[name])
        assert control[name].count_nonzero() == masks[name].count_nonzero()
