"""Pairs of sequences: padding, parts, sets joined, batches of similar lengths; and texts that are encoded once."""

import torch

from data.sequences import Sequences, encode, join
from data.tensor_cache import encoded

PAIRS = [(b"\0\1\2", b"\1"), (b"\3", b"\0\0\1\1"), (b"", b"\2"), (b"\1\1", b"\1\2")]
ENDS = 4, 3


def texts(found: Sequences) -> list[tuple[bytes, bytes]]:
    source, source_length, target, target_length = found.batch(torch.arange(len(found)))
    rows = zip(source.tolist(), source_length, target.tolist(), target_length, strict=True)
    return [(bytes(s[:n]), bytes(t[:m])) for s, n, t, m in rows]


def test_what_goes_in_comes_out():
    found = encode(PAIRS, ENDS)
    assert texts(found) == PAIRS and len(found) == 4
    batch = found.batch(torch.tensor([2, 0]))
    assert batch.source.tolist() == [[4, 4, 4], [0, 1, 2]] and batch.target.tolist() == [[2], [1]]
    assert texts(found[torch.tensor([3, 1])]) == [PAIRS[3], PAIRS[1]] and texts(found[1:3]) == PAIRS[1:3]
    assert texts(join([found[2:], found[:2]])) == PAIRS[2:] + PAIRS[:2]
    assert found[1:3].source.texts() == [source for source, _ in PAIRS[1:3]]
    assert texts(Sequences.of(found.tensors(), ENDS).to("cpu")) == PAIRS


def test_buckets_hold_every_pair_once_and_similar_lengths():
    rng = torch.Generator().manual_seed(0)
    pairs = [(bytes(3), bytes(int(n))) for n in torch.randint(1, 40, (100,), generator=rng)]
    found = encode(pairs, ENDS)
    batches = list(found.buckets(10))
    assert torch.equal(torch.cat([index for index, _ in batches]).sort().values, torch.arange(100))
    assert sum(batch.target.numel() for _, batch in batches) < 1.2 * sum(len(target) for _, target in pairs)
    for index, batch in batches:
        assert torch.equal(batch.target_length, found.target.length[index])


def test_encoded_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"x": torch.arange(len(made))}

    path = tmp_path / "deep" / "kept.pt"
    for origin, expected in (("a", 1), ("a", 1), ("b", 2), ("b", 2)):
        assert len(encoded(path, origin, make)["x"]) == expected
    path.write_bytes(path.read_bytes()[:100])
    assert len(encoded(path, "b", make)["x"]) == 3, "a damaged file is rebuilt"
