"""Weight files of the originals, written here in their layout, give the function that their layers compute."""

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import CheckpointError
from core.rng import stream
from layers import LocallyConnected2d
from models.cnn import digits, skinny
from models.foreign_checkpoints import load_weights
from models.untie import untie

SIZE = (1, 12, 12)


def draw(shape, name):
    return torch.randn(*shape, generator=stream(0, name)) * 0.3


def write(path, layers):
    """Write layers in the originals' form: one child "features", weights and the optimiser's state beside them."""
    weights = {f"features.{i}.{kind}": tensor for i, tensors in layers.items() for kind, tensor in tensors.items()}
    torch.save({"weights": weights, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}, path)


def original_local(x, weight, bias, kernel):
    """Return what the originals' locally connected layer computes: a product broadcast over windows, and a sum."""
    windows = nn.functional.pad(x, (1, 1, 1, 1)).unfold(2, kernel, 1).unfold(3, kernel, 1).flatten(4)
    return (windows.unsqueeze(1) * weight).sum((2, 5)) + bias


def test_a_convolutional_network(tmp_path):
    expected = digits(SIZE, 10, stream(7, "init"))
    write(tmp_path / "skinnyprime_3.pyT", {
        i: {kind: tensor.detach() for kind, tensor in expected[i].named_parameters()} for i in (1, 5, 9)
    })  # fmt: skip
    network = digits(SIZE, 10, stream(8, "init"))
    load_weights(tmp_path / "skinnyprime_3.pyT", network)
    x = draw((2, *SIZE), "x")
    assert torch.equal(network(x), expected(x))


def test_a_locally_connected_network(tmp_path):
    layers = {
        1: {"weight": draw((1, 8, 1, 12, 12, 9), "a"), "bias": draw((1, 8, 12, 12), "b")},
        5: {"weight": draw((1, 16, 8, 6, 6, 9), "c"), "bias": draw((1, 16, 6, 6), "d")},
        9: {"weight": draw((10, 64), "e"), "bias": draw((10,), "f")},
    }
    write(tmp_path / "lc.pyT", layers)
    network = untie(digits(SIZE, 10, stream(0, "init")), "local", SIZE)
    load_weights(tmp_path / "lc.pyT", network)
    assert isinstance(network[1], LocallyConnected2d)
    x = draw((3, *SIZE), "x")
    y = nn.functional.max_pool2d(original_local(x, layers[1]["weight"], layers[1]["bias"], 3).relu(), 2)
    y = nn.functional.max_pool2d(original_local(y, layers[5]["weight"], layers[5]["bias"], 3).relu(), 3)
    y = nn.functional.linear(y.flatten(1), layers[9]["weight"], layers[9]["bias"])
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-4)


def test_a_fully_connected_network(tmp_path):
    expected = untie(digits(SIZE, 10, stream(7, "init")), "dense", SIZE)
    tensors = [part.linear if hasattr(part, "linear") else part for part in (expected[1], expected[5], expected[9])]
    write(tmp_path / "fc.pyT", {  # where a reshape stands before and after
        i: {kind: tensor.detach() for kind, tensor in layer.named_parameters()}
        for i, layer in zip((2, 8, 14), tensors, strict=True)
    })  # fmt: skip
    network = untie(digits(SIZE, 10, stream(8, "init")), "dense", SIZE)
    load_weights(tmp_path / "fc.pyT", network)
    x = draw((2, *SIZE), "x")
    assert torch.equal(network(x), expected(x))


def test_a_run_s_own_file(tmp_path):
    expected = digits(SIZE, 10, stream(7, "init"))
    np.savez(tmp_path / "cnn_3.npz", **{name: p.detach().numpy() for name, p in expected.named_parameters()})
    network = digits(SIZE, 10, stream(8, "init"))
    load_weights(tmp_path / "cnn_3.npz", network)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), expected.parameters(), strict=True))


def test_what_does_not_fit_is_said_and_changes_nothing(tmp_path):
    network = digits(SIZE, 10, stream(0, "init"))
    before = [parameter.clone() for parameter in network.parameters()]
    other = {name: p.detach().numpy() for name, p in digits(SIZE, 7, stream(0, "init")).named_parameters()}
    np.savez(tmp_path / "seven.npz", **other)
    deeper = {name: p.detach().numpy() for name, p in skinny((3, 32, 32), 10, stream(0, "init")).named_parameters()}
    np.savez(tmp_path / "deeper.npz", **deeper)
    (tmp_path / "broken.pyT").write_bytes(b"nothing")
    (tmp_path / "text.npz").write_bytes(b"nothing")
    torch.save({"weights": [1, 2]}, tmp_path / "list.pyT")
    torch.save({"weights": nn.Linear(1, 1)}, tmp_path / "pickled.pyT")
    for name, text in {
        "seven.npz": r"is of another network: layer '9' has weight \[7, 64\], bias \[7\], layer '9' here weight \[10, ",
        "deeper.npz": "is of another network: it has 4 layers with weights, not 3",
        "text.npz": "text.npz is not an .npz", "broken.pyT": "is not a torch.save file",
        "list.pyT": "holds no weights by name", "pickled.pyT": "more than tensors",
        "gone.pyT": "there is no file .*gone.pyT' with weights; a run's are in tensors/",
    }.items():  # fmt: skip
        with pytest.raises(CheckpointError, match=text) as error:
            load_weights(tmp_path / name, network)
        assert "\n" not in str(error.value)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), before, strict=True))
