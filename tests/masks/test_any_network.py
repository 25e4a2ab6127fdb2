"""Masks on a network that somebody brings: how it is called, trained, resumed, and used elsewhere."""

import copy
import io

import pytest
import torch
from torch import nn

from core.errors import LayerError, MaskError
from core.rng import stream
from layers.functional.pytree import Shared
from masks.algebra import Masks
from masks.fills import means
from masks.mask_files import fingerprint, read_statistics
from masks.masking import Given, Hard, Mix, Sample, Select
from masks.methods.edge_popup import EdgePopup
from masks.methods.gumbel import Gumbel
from masks.model import MaskedModel
from masks.options import METHODS


class Language(nn.Module):
    """A small model with keywords, tied words and methods of its own, as language models have."""

    def __init__(self, width=8):
        super().__init__()
        self.words = nn.Embedding(9, width)
        self.inner, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.head = nn.Linear(width, 9, bias=False)
        self.head.weight = self.words.weight

    def forward(self, input_ids, attention_mask=None, *, factor=None):
        x = self.words(input_ids)
        x = self.norm(x + self.inner(x).tanh())
        x = x if attention_mask is None else x * attention_mask.unsqueeze(-1)
        return {"logits": self.head(x) * (1 if factor is None else factor)}

    def generate(self, input_ids, steps):
        for _ in range(steps):
            input_ids = torch.cat([input_ids, self(input_ids)["logits"][:, -1:].argmax(-1)], 1)
        return input_ids


@pytest.fixture
def masked():
    torch.manual_seed(0)
    masked = MaskedModel(Language().double(), Gumbel())
    with torch.no_grad():
        for name, scores in masked.add_scores("add", 0.0, seed=0).items():
            scores += torch.randn(scores.shape, generator=stream(0, name), dtype=scores.dtype)
    return masked


IDS = torch.arange(40).view(8, 5) % 9


def test_all_the_ways_to_call_it(masked):
    batch = {"input_ids": IDS, "attention_mask": torch.rand(8, 5, dtype=torch.float64)}
    factor = torch.rand(5, 9, dtype=torch.float64)
    for masking in (None, Hard("add"), Sample("add", 4, 1)):
        calls = [
            masked(**batch, masking=masking),
            masked(IDS, masking, batch["attention_mask"]),
            masked(IDS, masking, attention_mask=batch["attention_mask"]),
            masked(IDS, batch["attention_mask"], masking=masking),
        ]
        assert all(torch.equal(call["logits"], calls[0]["logits"]) for call in calls)
        plain = masked(**batch, masking=masking, factor=Shared(factor))
        torch.testing.assert_close(plain["logits"], calls[0]["logits"] * factor)
    assert torch.equal(masked(IDS, None)["logits"], masked.model(IDS)["logits"])
    assert torch.equal(masked(IDS, None, masking=Hard("add"))["logits"], masked(IDS, Hard("add"))["logits"])


def test_inputs_may_be_called_as_ours_are():
    class Odd(nn.Linear):
        def forward(self, x, k, backend, weights, model, uneven, batch_axis):
            return super().forward(x) * k * weights * model * uneven * batch_axis

    masked = MaskedModel(Odd(3, 2), Gumbel())
    masked.add_scores("add", 1.0, 0)
    names = dict(k=2, backend="", weights=3, model=4, uneven=5, batch_axis=6)
    found = masked(x=torch.ones(4, 3), masking=Sample("add", 2, 0), **names)
    assert torch.equal(found, masked(torch.ones(4, 3), Sample("add", 2, 0), **{**names, "k": 1}) * 2)


def test_a_last_batch_of_any_size(masked):
    whole = masked(input_ids=IDS, masking=Sample("add", 4, 1))["logits"]
    for rows in (1, 2, 5, 7):
        found = masked(input_ids=IDS[:rows], masking=Sample("add", 4, 1))["logits"]
        sizes = [len(part) for part in torch.arange(rows).tensor_split(4)]
        draws = Sample("add", 4, 1).weights(masked)
        expected = [
            torch.func.functional_call(masked.model, {n: w[i] for n, w in draws.items()}, (part,))["logits"]
            for i, part in enumerate(IDS[:rows].split(sizes))
            if len(part)
        ]
        torch.testing.assert_close(found, torch.cat(expected))
    assert torch.equal(whole[:2], masked(IDS[:2].repeat(4, 1), Sample("add", 4, 1))["logits"][:2])


# ---------------------------------------------------------------- which weights


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (None, ["words.weight", "inner.weight"]),
        ("*.weight", ["words.weight", "inner.weight", "norm.weight"]),
        (["norm.*", "inner.weight", "*.weight"], ["norm.weight", "norm.bias", "inner.weight", "words.weight"]),
        ("inner.weight", ["inner.weight"]),
        ("head.weight", ["head.weight"]),
    ],
)
def test_names_and_patterns(names, found):
    masked = MaskedModel(Language(), Gumbel(), names)
    assert list(masked.weights) == list(masked.shapes) == found
    masked.add_scores("add", 0.0, 0)
    assert masked(IDS, Sample("add", 2, 0))["logits"].shape == (8, 5, 9)


@pytest.mark.parametrize(
    ("model", "names", "text"),
    [
        (Language(), "iner.*", "the model has no parameter that matches 'iner.*'; did you mean"),
        (Language(), ["inner.wieght"], "the model has no parameter 'inner.wieght'; did you mean 'inner.weight'?"),
        (Language(), ["head.weight", "words.*"], "'words.weight' and 'head.weight' are one tied parameter"),
        (nn.BatchNorm1d(3), None, "BatchNorm1d has no parameter with two or more axes to mask; name others"),
    ],
)
def test_names_that_do_not_fit(model, names, text):
    with pytest.raises(MaskError) as error:
        MaskedModel(model, Gumbel(), names)
    assert str(error.value).startswith(text) and "\n" not in str(error.value)


def test_weights_that_are_no_numbers_with_a_point():
    model = nn.Linear(3, 2)
    model.packed = nn.Parameter(torch.ones(3, 2, dtype=torch.int8), requires_grad=False)
    with pytest.raises(MaskError, match="'packed' holds torch.int8; only weights of floating-point numbers can be"):
        MaskedModel(model, Gumbel())


# ---------------------------------------------------------------- what the network has now


def test_parameters_are_those_that_the_network_has_when_it_runs(masked):
    model = masked.model
    state = {name: tensor + 1 for name, tensor in model.state_dict().items()}
    changes = [
        lambda: setattr(model.inner, "weight", nn.Parameter(torch.randn(8, 8, dtype=torch.float64))),
        lambda: model.load_state_dict(state, assign=True),
        lambda: model.float(),
    ]
    for change in changes:
        change()
        model.head.weight = model.words.weight
        fresh = MaskedModel(model, masked.method)
        fresh.add("add", masked.masks("add"))
        assert torch.equal(masked(IDS, Hard("add"))["logits"], fresh(IDS, Hard("add"))["logits"])
        assert all(masked.weights[name] is model.get_parameter(name) for name in masked.shapes)
        masked(IDS, Sample("add", 2, 0))["logits"].sum().backward()
        assert model.inner.weight.grad.abs().sum() > 0
    model.inner = nn.Linear(8, 7)
    with pytest.raises(MaskError, match=r"'inner.weight' of shape \[8, 8\] has shape \[7, 8\] now; make a MaskedModel"):
        masked(IDS, Hard("add"))
    del model.inner.weight
    with pytest.raises(MaskError, match="'inner.weight' of shape .* is gone"):
        masked(IDS, Hard("add"))


def train(masked, optimizer, steps):
    for step in steps:
        optimizer.zero_grad()
        masked(IDS, Sample("add", 2, step))["logits"].square().sum().backward()
        optimizer.step()


def test_resuming_in_the_usual_order_goes_on_bit_for_bit(masked):
    def start():
        fresh = copy.deepcopy(masked).freeze()
        return fresh, torch.optim.Adam(fresh.parameters(), lr=0.1)

    whole, optimizer = start()
    train(whole, optimizer, range(2))
    file = io.BytesIO()
    torch.save({"masked": whole.state_dict(), "optimizer": optimizer.state_dict()}, file)
    train(whole, optimizer, range(2, 4))
    resumed, optimizer = start()
    held = list(resumed.scores("add").values())
    state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    resumed.load_state_dict(state["masked"])
    optimizer.load_state_dict(state["optimizer"])
    train(resumed, optimizer, range(2, 4))
    for (name, scores), before in zip(resumed.scores("add").items(), held, strict=True):
        assert scores is before and torch.equal(scores, whole.scores("add")[name])
        assert not torch.equal(scores, masked.scores("add")[name])


def test_a_state_of_other_masks_is_refused_and_nothing_is_changed(masked):
    masked.add("kept", masked.masks("add"))
    before = copy.deepcopy(masked.state_dict())
    inner = MaskedModel(Language().double(), Gumbel(), ["inner.weight"])
    inner.add_scores("add", 0.0, 0)
    wide = MaskedModel(Language(10).double(), Gumbel())
    wide.add_scores("add", 0.0, 0)
    done = MaskedModel(Language().double(), Gumbel(), ["inner.weight"])
    done.add_scores("done", 0.0, 0)
    done.finalize("done")
    units = MaskedModel(masked.model, Gumbel(), unit="output")
    units.add_scores("add", 0.0, 0)
    for other, text in [
        (inner, "the scores of 'add' in this state lack 'words.weight'"),
        (wide, r"the scores of 'add' in this state have shape \[9, 10\] for 'words.weight'; here they have \[9, 8\]"),
        (done, "these masks lack 'words.weight'"),
        (units, r"the scores of 'add' in this state have shape \[1, 8\] for 'words.weight'"),
    ]:
        with pytest.raises(MaskError, match=text):
            masked.load_state_dict(other.state_dict())
    with pytest.raises(MaskError, match="the scores of 'add' in this state have an extra 'words.weight'"):
        inner.load_state_dict(before)
    after = masked.state_dict()
    assert all(torch.equal(before["model"][name], tensor) for name, tensor in after["model"].items())
    assert all(torch.equal(before["scores"]["add"][name], tensor) for name, tensor in after["scores"]["add"].items())


# ---------------------------------------------------------------- precision


@pytest.mark.parametrize("unit", ["weight", "output"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_has_scores_in_float32(method, dtype, unit):
    masked = MaskedModel(Language().to(dtype), METHODS[method](), unit=unit)
    scores = masked.add_scores("add", 1.0, seed=0)
    maskings = [Sample("add", 4, 1), Hard("add"), Select(["add"] * 2, 1), Select(["add"] * 2)]
    maskings += [Mix(["add"] * 2, torch.ones(2) / 2), Given(masked.masks("add"), means(masked.weights))]
    for masking in maskings:
        assert {weight.dtype for weight in masking.weights(masked).values()} == {dtype}
        assert masked(IDS, masking)["logits"].dtype == dtype
    assert {tensor.dtype for tensor in scores.values()} == {torch.float32}
    masked(IDS, Sample("add", 4, 1))["logits"].float().square().mean().backward()
    if masked.method.learns:
        assert all(tensor.grad.isfinite().all() and tensor.grad.abs().sum() > 0 for tensor in scores.values())
        full = MaskedModel(copy.deepcopy(masked.model).float(), masked.method, unit=unit)
        for name, tensor in full.add_scores("add", 1.0, seed=0).items():
            torch.testing.assert_close(tensor, scores[name], rtol=1e-2, atol=1e-2)
    assert len(fingerprint(masked.weights)) == 16


@pytest.mark.parametrize("backend", ["vmap", "loop"])
def test_autocast(backend):
    torch.manual_seed(0)
    masked = MaskedModel(Language(), Gumbel(), backend=backend).freeze()
    scores = masked.add_scores("add", 1.0, seed=0)
    gradients = []
    for enabled in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = masked(IDS, Sample("add", 4, 1))["logits"]
        assert output.dtype == (torch.bfloat16 if enabled else torch.float32)
        gradients.append(torch.autograd.grad(output.float().square().mean(), list(scores.values())))
    for half, full in zip(*gradients, strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, rtol=0.05, atol=0.05 * full.abs().max().item())


# ---------------------------------------------------------------- as torch's own modules


def test_words_of_torch(masked):
    assert masked.freeze() is masked and not masked.model.training
    assert list(masked.parameters()) == list(masked.scores("add").values())
    assert masked.train() is masked and masked.model.inner.training and not masked.eval().model.training
    masked.model.norm.weight.requires_grad_()
    assert list(masked.parameters())[-1] is masked.model.norm.weight
    assert repr(masked) == (
        "MaskedModel(Language, Gumbel(temperature=1.0): 2 tensors with 136 of 160 weights masked; not frozen; "
        "learning add)"
    )
    masked.finalize("add")
    assert "frozen; learned add)" in repr(masked.freeze())


def test_to_moves_all_and_scores_stay_what_an_optimiser_holds(masked):
    masked.add("kept", masked.masks("add"))
    held = list(masked.scores("add").values())
    assert masked.to(torch.float32) is masked
    assert masked.model.inner.weight.dtype == torch.float32 and held[0].dtype == torch.float64
    masked.to("meta")
    assert [tensor is scores for tensor, scores in zip(held, masked.scores("add").values(), strict=True)] == [True] * 2
    devices = {t.device.type for t in [*held, *masked.weights.values(), *masked.masks("kept").values()]}
    assert devices == {"meta"}


def test_a_compiled_network_is_taken_out_and_data_parallelism_refused():
    model = nn.Linear(3, 2)
    masked = MaskedModel(torch.compile(model), Gumbel())
    assert masked.model is model and list(masked.shapes) == ["weight"]
    with pytest.raises(LayerError, match=r"torch.nn.DataParallel copies .* take the network out of it \(.module\)"):
        MaskedModel(nn.DataParallel(model), Gumbel())
    MaskedModel(nn.DataParallel(model).module, Gumbel())


# ---------------------------------------------------------------- a mask elsewhere


def test_a_baked_network_is_a_plain_one_whose_file_loads_in_torch(masked, tmp_path):
    expected = masked(IDS, Hard("add"))["logits"]
    before = copy.deepcopy(masked.model.state_dict())
    baked = masked.bake(Hard("add"))
    assert type(baked) is Language and baked.head.weight is baked.words.weight and baked is not masked.model
    torch.save(baked.state_dict(), tmp_path / "baked.pt")
    plain = Language().double()
    plain.load_state_dict(torch.load(tmp_path / "baked.pt", weights_only=True))
    assert torch.equal(plain(IDS)["logits"], expected) and torch.equal(baked(IDS)["logits"], expected)
    assert torch.equal(torch.export.export(baked, (IDS,)).module()(IDS)["logits"], expected)
    assert ((plain.inner.weight != 0) == masked.masks("add")["inner.weight"]).all()
    draw = masked.bake(Sample("add", k=1, seed=5))
    assert torch.equal(draw(IDS)["logits"], masked(IDS, Sample("add", k=1, seed=5))["logits"])
    assert all(torch.equal(before[name], tensor) for name, tensor in masked.model.state_dict().items())
    with pytest.raises(MaskError, match="Sample stands for 4 masks; one is wanted: Hard, Given, or k=1"):
        masked.bake(Sample("add", 4, 0))


def test_the_networks_own_methods_run_under_one_mask(masked):
    dense = masked.model.generate(IDS, 3)
    with masked.applied(Hard("add")) as model:
        assert model is masked.model
        found, output = model.generate(IDS, 3), model(IDS)["logits"]
        with pytest.raises(MaskError, match="the network is under a mask already; leave"):
            masked(IDS, Hard("add"))
    assert torch.equal(found, masked.bake(Hard("add")).generate(IDS, 3)) and not torch.equal(found, dense)
    assert torch.equal(masked.model.generate(IDS, 3), dense)
    expected = torch.autograd.grad(masked(IDS, Hard("add"))["logits"].sum(), masked.model.inner.weight)
    assert torch.equal(torch.autograd.grad(output.sum(), masked.model.inner.weight)[0], expected[0])
    draw = Sample("add", k=1, seed=3)
    with masked.applied(draw):
        loss = masked.model(IDS)["logits"].square().sum()
    loss.backward()
    expected = torch.autograd.grad(masked(IDS, draw)["logits"].square().sum(), list(masked.scores("add").values()))
    for scores, gradient in zip(masked.scores("add").values(), expected, strict=True):
        torch.testing.assert_close(scores.grad, gradient)
    with pytest.raises(ZeroDivisionError), masked.applied(Hard("add")):
        raise ZeroDivisionError
    assert torch.equal(masked.model.generate(IDS, 3), dense)
    with pytest.raises(MaskError, match="Select stands for 2 masks"), masked.applied(Select(["add", "add"])):
        pass


@pytest.mark.parametrize("unit", ["weight", "output"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_mask_files(masked, suffix, unit, tmp_path):
    model = MaskedModel(masked.model, EdgePopup(keep=0.5), unit=unit)
    model.add_scores("add", None, 0)
    masks, file = model.finalize("add"), tmp_path / f"add{suffix}"
    name = fingerprint(model.weights)
    masks.save(file, name, {"norm.running_mean": torch.arange(3.0)})
    found = Masks.load(file, network=name)
    assert list(found) == list(masks) and all(torch.equal(found[n], masks[n]) for n in masks)
    assert found.units == masks.units
    assert torch.equal(read_statistics(file)["norm.running_mean"], torch.arange(3.0))
    masks.save(str(file))
    assert read_statistics(file) == {} and Masks.load(str(file), network="other").count() == masks.count()
    masks.save(file, name)
    with pytest.raises(MaskError, match=f"add{suffix} holds masks of other weights: of network {name}, this is other"):
        Masks.load(file, network="other")
    file.write_bytes(b"nonsense" * 9)
    with pytest.raises(MaskError, match=f"add{suffix} is not a mask file"):
        Masks.load(file)
    with pytest.raises(MaskError, match="no mask file .*; masks there: add"):
        Masks.load(tmp_path / f"ad{suffix}")


def test_a_mask_file_of_another_kind(masked, tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(MaskError, match="weights.safetensors is not a mask file"):
        Masks.load(tmp_path / "weights.safetensors")
    with pytest.raises(MaskError, match="masks.pt: mask files end in .npz or .safetensors"):
        masked.masks("add").save(tmp_path / "masks.pt")
