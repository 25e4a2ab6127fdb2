"""The LSTMs of SCAN: their size, what they look at, decoding, learning, and K masks side by side."""

import pytest
import torch

from core.rng import stream
from masks.batching import forward
from models.encoder_decoder import EncoderDecoder

S, T, B = 5, 6, 4


def make(**changed):
    small = {"state_size": 12, "layers": 2, "embedding": 8, "dropout": 0.5}
    return EncoderDecoder(9, 5, stream(0, "init"), **small | changed).double().eval()


def batch():
    rng = stream(0, "batch")
    length = torch.tensor([5, 2, 4, 3])
    return torch.randint(9, (B, S), generator=rng), length, torch.randint(5, (B, T), generator=rng)


def test_published_size():
    assert sum(p.numel() for p in EncoderDecoder(13, 6, stream(0, "init")).parameters()) == 990_543


def test_the_state_is_that_behind_the_end_and_padding_is_not_looked_at():
    network, (source, length, target) = make(), batch()
    y = network(source, length, target)
    assert y.shape == (B, T + 1, 6)
    other = source.clone()
    other[1, 2:] = 8
    torch.testing.assert_close(network(other, length, target), y)
    torch.testing.assert_close(network(source[1:2, :2], length[1:2], target[1:2]), y[1:2])
    changed = network.encoder_embedding.weight.detach().clone()
    with torch.no_grad():
        network.encoder_embedding.weight[9] += 1
    assert not torch.allclose(network(source, length, target), y), "the end is read too"
    assert not torch.equal(changed, network.encoder_embedding.weight)


def test_decoding_is_what_teaching_with_its_own_words_says():
    network, (source, length, _) = make(), batch()
    found = network(source, length, most=8)
    words = torch.empty(B, 0, dtype=torch.int64)
    for _ in range(8):
        words = torch.cat([words, network(source, length, words)[:, -1:].argmax(-1)], 1)
    ended = torch.cumsum(words == 5, 1) > 0
    assert torch.equal(found, torch.where(ended, 5, words))


def test_it_learns_to_copy():
    network = EncoderDecoder(4, 4, stream(0, "init"), state_size=32, layers=1, dropout=0.0)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
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


@pytest.mark.parametrize("most", [0, 7])
def test_masks_side_by_side(most):
    network, (source, length, target) = make(), batch()
    rng = stream(0, "masks")
    weights = {  # three times as large, or it says one word for ever
        n: 3 * p.detach() * (torch.rand(2, *p.shape, generator=rng) < 0.7) for n, p in network.named_parameters()
    }
    inputs = (source, length) if most else (source, length, target)
    more = {"most": most} if most else {}
    together, looped = (forward(network, weights, 2, *inputs, how=how, **more) for how in ("layers", "loop"))
    torch.testing.assert_close(together, looped)
    assert not torch.equal(together[:2], together[2:])
