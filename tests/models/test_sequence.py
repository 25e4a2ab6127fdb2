"""Networks from sequence to sequence: their sizes, what they look at, decoding, learning, and K masks side by side."""

import pytest
import torch

from core.errors import LayerError
from core.rng import stream
from layers.functional.batching import forward
from models.encoder_decoder import EncoderDecoder
from models.transformer import Transformer, positions

S, T, B = 5, 6, 4
SCAN_WORDS = 13, 6
SMALL = {
    EncoderDecoder: {"state_size": 12, "layers": 2, "embedding": 8},
    Transformer: {"size": 16, "heads": 4, "encoder_layers": 2, "decoder_layers": 3, "inner": 24},
}
TINY = {
    EncoderDecoder: {"state_size": 32, "layers": 1},
    Transformer: {"size": 32, "encoder_layers": 1, "decoder_layers": 1, "inner": 32},
}
PARAMETERS = {EncoderDecoder: 990_543, Transformer: 607_607}
BOTH = pytest.mark.parametrize("kind", SMALL)


def make(kind):
    network = kind(9, 5, stream(0, "init"), dropout=0.5, **SMALL[kind]).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter *= 20 if "embedding" in name else 2  # or it says one word for ever
        list(network.parameters())[-1][-1] = -20  # and does not end
    return network


def batch():
    rng = stream(0, "batch")
    length = torch.tensor([5, 2, 4, 3])
    return torch.randint(9, (B, S), generator=rng), length, torch.randint(5, (B, T), generator=rng)


@BOTH
def test_published_size_and_one_stream(kind):
    state = torch.get_rng_state()
    networks = [kind(13, 6, stream(0, "init")) for _ in range(2)]
    assert sum(p.numel() for p in networks[0].parameters()) == PARAMETERS[kind]
    assert all(torch.equal(*pair) for pair in zip(*(n.parameters() for n in networks), strict=True))
    assert torch.equal(state, torch.get_rng_state()), "nothing is drawn from the global generator"


def test_positions():
    found = positions(3, 2, 4)
    for row, p in zip(found, (3.0, 4.0), strict=True):
        expected = [torch.tensor(v) for v in (p, p, p / 100, p / 100)]
        waves = [f(v) for f, v in zip((torch.sin, torch.cos) * 2, expected, strict=True)]
        torch.testing.assert_close(row, torch.stack(waves).double(), rtol=1e-6, atol=1e-6)


@BOTH
def test_padding_and_the_future_are_not_looked_at_but_the_end_is(kind):
    network, (source, length, target) = make(kind), batch()
    y = network(source, length, target)
    assert y.shape == (B, T + 1, 6)
    other = source.clone()
    other[1, 2:] = 8
    assert torch.equal(network(other, length, target), y), "behind the length of a row"
    later = target.clone()
    later[:, 3:] = (later[:, 3:] + 1) % 5
    changed = network(source, length, later)
    assert torch.equal(changed[:, :4], y[:, :4]) and not torch.equal(changed[:, 4:], y[:, 4:])
    torch.testing.assert_close(network(source[1:2, :2], length[1:2], target[1:2]), y[1:2])
    name = next(name for name, p in network.named_parameters() if p.shape[0] == 10)
    with torch.no_grad():
        network.get_parameter(name)[9] += 1
    assert not torch.allclose(network(source, length, target), y), "the end is read too"


@BOTH
def test_decoding_step_by_step_is_decoding_the_whole_prefix(kind):
    network, (source, length, _) = make(kind), batch()
    found = network(source, length, most=8)
    words = torch.empty(B, 0, dtype=torch.int64)
    for _ in range(8):
        words = torch.cat([words, network(source, length, words)[:, -1:].argmax(-1)], 1)
    ended = torch.cumsum(words == 5, 1) > 0
    assert torch.equal(found, torch.where(ended, 5, words))
    assert (found[:, 1:] != found[:, :-1]).any(), "what was said before matters"


@BOTH
def test_taught_by_its_own_words(kind):
    network, (source, length, target) = make(kind), batch()
    outputs = network(source, length, target, taught=False)
    words = outputs.argmax(-1)
    assert torch.equal(words, network(source, length, most=T + 1)), "nobody ends"
    torch.testing.assert_close(outputs, network(source, length, words[:, :-1]))
    assert not torch.equal(outputs, network(source, length, target))


@BOTH
def test_every_parameter_but_embeddings_is_in_one_layer(kind):
    network = make(kind)
    names = [name for group in network.groups() for name in group]
    assert sorted(names) == sorted(n for n, _ in network.named_parameters() if "embedding" not in n)
    assert [len(group) > 0 for group in network.groups()] == [True] * len(network.groups())


def test_tied_embeddings():
    """The published size; the output is h E^T / sqrt(size), under K embeddings too."""
    network = Transformer(95, 95, stream(0, "init"), 512, 8, 6, 6, 2048, tied=True)
    assert sum(p.numel() for p in network.parameters()) == 44_150_784
    small = Transformer(5, 5, stream(0, "init"), 16, 2, 1, 1, 8, 0.0, tied=True).double().eval()
    h = torch.randn(4, 3, 16, dtype=torch.float64, generator=stream(0, "h"))
    expected = h @ small.input_embedding.weight.T / 4
    torch.testing.assert_close(small._outputs(h), expected)
    source, length, target = torch.randint(5, (4, 3)), torch.full((4,), 3), torch.randint(5, (4, 2))
    twice = small.input_embedding.weight.detach() * torch.tensor([1.0, 2.0]).view(2, 1, 1)
    found, looped = (
        forward(small, {"input_embedding.weight": twice}, 2, source, length, target, backend=backend)
        for backend in ("layers", "loop")
    )
    torch.testing.assert_close(found, looped)


def test_without_gradients_a_prefix_keeps_room_and_the_answers_are_the_same():
    network, (source, length, target) = make(Transformer), batch()
    source[:] = torch.where(torch.arange(S) < length[:, None], source, 9)
    begin = network.encode(source, length)
    whole, _ = network.decode(begin, target)
    with torch.no_grad():
        first, state = network.decode(begin, target[:, :1])
        second, state = network.decode(state, target[:, 1:2])
        found = network(source, length, most=8)
    assert state.kept[0][0].shape[2] > state.length == 2
    third, state = network.decode(state, target[:, 2:4])
    assert state.kept[0][0].shape[2] == state.length == 4
    torch.testing.assert_close(torch.cat([first, second, third], 1), whole[:, :4])
    assert torch.equal(found, network(source, length, most=8))


@BOTH
def test_it_learns_to_copy(kind):
    network = kind(4, 4, stream(0, "init"), dropout=0.0, **TINY[kind])
    optimizer = torch.optim.Adam(network.parameters(), 7e-3)
    length = torch.full((32,), 3)
    for step in range(150):
        source = torch.randint(4, (32, 3), generator=stream(step, "copy"))
        answer = torch.cat([source, torch.full((32, 1), 4)], 1)
        loss = torch.nn.functional.cross_entropy(network(source, length, source).flatten(0, 1), answer.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    source = torch.randint(4, (32, 3), generator=stream(999, "copy"))
    found = network.eval()(source, length, most=5)
    assert (found[:, :3] == source).all(1).double().mean() > 0.9 and (found[:, 3:] == 4).double().mean() > 0.9


@BOTH
@pytest.mark.parametrize("most", [0, 7])
def test_masks_side_by_side(kind, most):
    network, (source, length, target) = make(kind), batch()
    rng = stream(0, "masks")
    weights = {n: p.detach() * (torch.rand(2, *p.shape, generator=rng) < 0.7) for n, p in network.named_parameters()}
    inputs = (source, length) if most else (source, length, target)
    more = {"most": most} if most else {}
    together, looped = (
        forward(network, weights, 2, *inputs, backend=backend, **more) for backend in ("layers", "loop")
    )
    torch.testing.assert_close(together, looped)
    assert not torch.equal(together[:2], together[2:])


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_packed_sequences_are_refused_by_vmap_in_a_sentence():
    network, inputs = make(EncoderDecoder), batch()
    weights = {"output.weight": torch.stack([network.output.weight.detach()] * 2)}
    with pytest.raises(LayerError, match="EncoderDecoder cannot run under vmap .*; run it with backend='loop'"):
        forward(network, weights, 2, *inputs, backend="vmap")


def test_spread_of_the_first_weights_is_what_the_page_says():
    """The original's differ (docs/modularity_language_images.md): these are ours, by SCAN's sizes."""
    network = Transformer(*SCAN_WORDS, stream(0, "init"))
    spread = {name: parameter.std().item() for name, parameter in network.named_parameters()}
    assert spread["input_embedding.weight"] == pytest.approx((2 / 114) ** 0.5, rel=0.03)
    for name, value in spread.items():
        if name.endswith(("in_proj_weight", "linear1.weight")):
            assert value == pytest.approx(0.0707 if name.endswith("in_proj_weight") else 0.0816, rel=0.02), name
        if name.endswith("bias"):
            assert network.get_parameter(name).count_nonzero() == 0
    lstm = EncoderDecoder(*SCAN_WORDS, stream(0, "init"), state_size=128).encoder
    assert lstm.weight_hh_l0.std().item() == pytest.approx(0.0625, rel=0.01)
    cell = lstm.weight_hh_l0[2 * 128 : 3 * 128]
    torch.testing.assert_close(cell @ cell.T, torch.eye(128), atol=1e-5, rtol=0)
