"""A small GPT: its sizes, that it looks back only, and its twins of torch and Hugging Face."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from core.errors import LayerError, OptionError
from core.rng import stream
from layers.functional.batching import forward
from models.gpt import GPT
from models.hugging_face import HuggingFaceGPT2, copy_gpt2

TINY = {"words": 11, "context": 5, "layers": 2, "width": 12, "heads": 3}


def make(**more):
    network = GPT(**TINY | more, rng=stream(0, "init")).double().eval()
    with torch.no_grad():
        for i, parameter in enumerate(network.parameters()):  # norms and biases that matter, attention that chooses
            parameter += 0.3 * torch.randn(parameter.shape, generator=stream(i, "more"), dtype=torch.float64)
    return network


def words(length=5, rows=6):
    return torch.randint(11, (rows, length), generator=stream(0, "words"))


@pytest.mark.parametrize("layers", [2, 12])
def test_published_sizes(layers):
    network = GPT(1001, 4, layers, 128, 4, rng=stream(0, "init"))
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    maskable = network.maskable()
    assert sum(sizes[name] for name in maskable) == layers * 196_608 == layers * 128 * 128 * (3 + 1 + 4 + 4)
    assert all(sum(sizes[n] for n in maskable if n.startswith(f"blocks.{i}.")) == 196_608 for i in range(layers))
    assert sizes["words.weight"] == 128_128
    block = 196_608 + (3 + 1 + 4 + 1) * 128 + 2 * 2 * 128  # matrices, biases, norms
    assert sum(sizes.values()) == 1001 * 128 + 4 * 128 + layers * block + 2 * 128


def test_one_stream_and_how_it_is_drawn():
    before = torch.get_rng_state()
    plain, again, narrow = (GPT(200, 4, 3, 64, rng=stream(1, "init"), narrow=n) for n in (False, False, True))
    assert torch.equal(torch.get_rng_state(), before), "nothing is drawn from the global generator"
    for (name, p), other, less in zip(
        plain.named_parameters(), again.parameters(), narrow.parameters(), strict=True
    ):  # fmt: skip
        assert torch.equal(p, other)
        if p.dim() > 1:
            assert float(p.detach().std()) == pytest.approx(0.02, rel=0.1), name
            factor = 6**-0.5 if "out_proj" in name or "linear2" in name else 1
            torch.testing.assert_close(less, p * factor)
        else:
            assert (p == (0 if name.endswith("bias") else 1)).all(), name


def test_names():
    network = make()
    in_groups = [name for group in network.groups() for name in group]
    assert sorted([*in_groups, "words.weight", "positions.weight"]) == sorted(n for n, _ in network.named_parameters())
    assert len(network.groups()) == 2 and set(network.maskable()) <= set(in_groups)
    matrices = ("attention.in_proj_weight", "attention.out_proj.weight", "linear1.weight", "linear2.weight")
    assert network.maskable() == [f"blocks.{i}.{name}" for i in range(2) for name in matrices]


def test_it_looks_back_and_not_ahead():
    network, x = make(), words()
    y = network(x)
    assert y.shape == (6, 5, 11)
    other = x.clone()
    other[:, 3] = (other[:, 3] + 1) % 11
    changed = network(other)
    assert torch.equal(changed[:, :3], y[:, :3])
    assert (changed[:, 3:] != y[:, 3:]).flatten(1).any(1).all(), "what was before matters"
    torch.testing.assert_close(network(x[:, :2]), y[:, :2])
    swapped = network(x.flip(1)[:, :2])
    assert not torch.allclose(network(x.flip(1)[:, :2].flip(1))[:, 1], swapped[:, 1]), "so does the order"


@pytest.mark.parametrize("gelu", ["tanh", "none"])
def test_it_is_torchs_encoder_layers_with_a_causal_mask(gelu):
    network, x = make(gelu=gelu), words()
    y = network.words.weight[x] + network.positions.weight
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    for block in network.blocks:
        theirs = nn.TransformerEncoderLayer(
            12, 3, 48, 0.0, lambda h: F.gelu(h, approximate=gelu), batch_first=True, norm_first=True
        ).double()  # fmt: skip
        own = {name.replace("attention.", "self_attn."): p for name, p in block.state_dict().items()}
        theirs.load_state_dict(own)
        y = theirs(y, mask)
    expected = network.norm(y) @ network.words.weight.T
    torch.testing.assert_close(network(x), expected)


def test_dropout_is_in_training_alone():
    network, x = make(dropout=0.4), words()
    assert torch.equal(network(x), network(x)) and torch.equal(network(x), make()(x))
    network.train()
    assert not torch.equal(network(x), network(x))


def test_it_learns_the_word_before():
    network = GPT(8, 4, 1, 32, 2, rng=stream(0, "init"))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    for step in range(60):
        x = torch.randint(8, (64, 4), generator=stream(step, "copy"))
        loss = F.cross_entropy(network(x)[:, 1:].flatten(0, 1), x[:, :-1].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x = torch.randint(8, (64, 4), generator=stream(-1, "copy"))
    assert (network(x)[:, 1:].argmax(-1) == x[:, :-1]).double().mean() > 0.95


def test_what_does_not_fit():
    with pytest.raises(OptionError, match="^width=12 cannot be shared by heads=5; it must be a multiple of 5$"):
        make(heads=5)
    with pytest.raises(OptionError, match="^layers=0 of a GPT is too small; it must be at least 1$"):
        make(layers=0)
    with pytest.raises(OptionError, match="^gelu='new' is not one of tanh, none$"):
        make(gelu="new")
    with pytest.raises(LayerError, match="^a sequence of 6 words does not fit the context of 5$"):
        make()(words(6))


def test_without_transformers_it_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(LayerError, match=r"^GPT-2 .* needs transformers \(.*\): pip install .*, or use .*GPT$"):
        HuggingFaceGPT2(**TINY, rng=stream(0, "init"))


class TestHuggingFace:
    @pytest.fixture(autouse=True)
    def theirs(self):
        pytest.importorskip("transformers", reason="transformers is not installed; requirements-optional.txt has it")
        before = torch.get_rng_state()
        self.network = HuggingFaceGPT2(**TINY, rng=stream(0, "init")).eval()
        assert torch.equal(torch.get_rng_state(), before), "nothing is drawn from the global generator"

    def test_the_same_weights_give_the_same_logits(self):
        ours = GPT(**TINY, rng=stream(1, "init"))
        with torch.no_grad():
            for i, parameter in enumerate(self.network.parameters()):
                parameter += 0.3 * torch.randn(parameter.shape, generator=stream(i, "more"))
        x = words()
        assert not torch.allclose(ours(x), self.network(x), atol=1e-2)
        copy_gpt2(self.network.state_dict(), ours)
        torch.testing.assert_close(ours(x), self.network(x), rtol=1e-4, atol=1e-4)
        sizes = [[sum(n.get_parameter(p).numel() for p in names) for names in (*n.groups(), n.maskable())]
                 for n in (ours, self.network)]  # fmt: skip
        assert sizes[0] == sizes[1]
        with pytest.raises(LayerError, match=r"^h.1.ln_1.weight of GPT-2 does not fit blocks.1.norm1.weight: nothing"):
            copy_gpt2({k: v for k, v in self.network.state_dict().items() if "h.1.ln_1" not in k}, ours)
        with pytest.raises(LayerError, match=r"does not fit words.weight: \[11, 12\], not \[9, 12\]"):
            copy_gpt2(self.network.state_dict(), GPT(**TINY | {"words": 9}, rng=stream(1, "init")))

    def test_it_is_drawn_from_the_stream(self):
        again, other = (HuggingFaceGPT2(**TINY, rng=stream(seed, "init")) for seed in (0, 1))
        for name in self.network.maskable():
            assert torch.equal(self.network.get_parameter(name), again.get_parameter(name))
            assert not torch.equal(self.network.get_parameter(name), other.get_parameter(name))

    @pytest.mark.filterwarnings("ignore:There is a performance drop")
    def test_masks_side_by_side(self):
        given = {
            name: p.detach() * (torch.rand(3, *p.shape, generator=stream(i, "masks")) < 0.5)
            for i, (name, p) in enumerate(self.network.named_parameters()) if name in self.network.maskable()
        }  # fmt: skip
        found, looped = (forward(self.network, given, 3, words(), backend=backend) for backend in ("auto", "loop"))
        torch.testing.assert_close(found, looped)
        assert not torch.allclose(found[:2], self.network(words())[:2])
