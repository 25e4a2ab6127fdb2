"""Bytes of masks: those of the files' own bits, of scipy's sparse columns, and of the published table."""

import pytest
import torch
from scipy.sparse import csc_matrix

from core.rng import stream
from masks.algebra import Masks
from masks.mask_bytes import bitmap_bytes, index_bytes, stored_bytes
from masks.mask_files import fingerprint, read_statistics
from masks.methods.edge_popup import EdgePopup
from models.resnets import resnet


def draw(density):
    shapes = {"a": (30, 20), "b": (8, 5, 3, 3)}
    return Masks({n: torch.rand(s, generator=stream(0, n)) < density for n, s in shapes.items()})


@pytest.mark.parametrize("density", [0.02, 0.3])
def test_each_way(density):
    masks = draw(density)
    assert bitmap_bytes(masks) == sum(tensor.numel() for n, tensor in masks.packed().items() if "|" not in n)
    columns = [csc_matrix(mask.transpose(0, 1).reshape(mask.shape[1], -1).T.numpy()) for mask in masks.values()]
    assert index_bytes(masks) == sum(2 * len(c.indices) + 2 * len(c.indptr) for c in columns)
    assert stored_bytes(masks) == (index_bytes if density == 0.02 else bitmap_bytes)(masks)


@pytest.mark.parametrize(("scale", "kept", "kilobytes"), [(1, 2_868, 8.5), (16, 42_670, 88.1), (32, 81_394, 165.6)])
def test_the_published_sizes_of_a_task(scale, kept, kilobytes):
    """GEM's ResNet-18 with Erdos-Renyi budgets; published counts cut off where ours round."""
    with torch.device("meta"):
        network = resnet("gem_resnet18", 3, 5)
    method = EdgePopup(er_scale=scale)
    counts = {n: method._count(p) for n, p in network.named_parameters()}
    assert abs(sum(counts.values()) - kept) <= len(counts)
    masks = Masks({n: torch.arange(p.numel()).view(p.shape) < counts[n] for n, p in network.named_parameters()})
    assert index_bytes(masks) / 1000 == pytest.approx(kilobytes, rel=0.01)


def test_a_file_knows_its_network_and_its_statistics(tmp_path):
    masks, path = draw(0.3), tmp_path / "masks.npz"
    weights = {"a": torch.ones(3)}
    statistics = {"norm.running_mean": torch.arange(4.0)}
    masks.save(path, fingerprint(weights), statistics)
    found = Masks.load(path, network=fingerprint({"a": torch.ones(3)}))
    assert found.keys() == masks.keys() and all(torch.equal(found[n], masks[n]) for n in masks)
    assert torch.equal(read_statistics(path)["norm.running_mean"], statistics["norm.running_mean"])
    names = {fingerprint(w) for w in ({"b": torch.ones(3)}, {"a": torch.ones(3, 1)}, {"a": torch.tensor([1, 1, 1.1])})}
    assert len(names | {fingerprint(weights)}) == 4
