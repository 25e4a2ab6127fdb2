"""Where the batch lies: K chunks are cut and joined there and nowhere else, or it is said why not."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from core.errors import BatchError, LayerError
from layers import LSTM, Linear
from layers.functional.batching import forward, run
from layers.functional.pytree import Shared, closed, leaves, map_leaves
from tests.layers.functional.copies import agree, by_copies, rng, versions

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:enable_nested_tensor")


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


# ---------------------------------------------------------------- time on axis 0


class Inside(nn.Module):
    """Batch first outside, time first inside, as many models are."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        y = self.inner(x.transpose(0, 1))
        return (y[0] if isinstance(y, tuple) else y).transpose(0, 1)


def encoder(**settings):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0, **settings), 1).double().eval()


def first(output):
    return output[0] if isinstance(output, tuple) else output


TIME_FIRST = [(encoder, "layer 'layers.0.self_attn' (torch.nn.MultiheadAttention)", ("vmap", "loop"))]
TIME_FIRST += [
    (lambda kind=kind: kind(8, 8).double(), f"the model itself (torch.nn.{kind.__name__})", ("loop",))
    for kind in (nn.GRU, nn.LSTM, nn.RNN)
]


@pytest.mark.parametrize("time", [3, 4, 8, 12])  # as many steps as a chunk or the batch has rows, or neither
@pytest.mark.parametrize(("make", "name", "ways"), TIME_FIRST)
def test_a_layer_with_time_on_axis_0_is_refused_by_name_or_told_where_the_batch_is(make, name, ways, time):
    model = make()
    weights = versions(model, 4)
    for backend in ways:
        with pytest.raises(LayerError) as error:
            forward(model, weights, 4, rand(8, time, 8), backend=backend)
        assert str(error.value) == (
            f"{name} has time on axis 0 (batch_first=False) and gets {[2, time, 8]}, where 2 rows are a chunk; "
            "build it with batch_first=True, or say batch_axis=1 if the network's batch lies there; "
            "batch_axis=0 if it is right as it is"
        )
    x = rand(time, 8, 8)
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(4, 1)], first, axis=1)
    for backend in ways:
        found = first(run(model, weights, 4, (x,), {}, backend, batch_axis=1))
        agree(found, weights, expected, gradients)


def test_the_other_ways_out_are_ways_out():
    model = encoder(batch_first=True)
    weights, x = versions(model, 4), rand(8, 4, 8)
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(4)])
    for backend in ("vmap", "loop"):
        agree(forward(model, weights, 4, x, backend=backend), weights, expected, gradients)


@pytest.mark.parametrize("inner", [encoder, lambda: nn.GRU(8, 8).double()])
def test_a_network_that_turns_its_input_round_is_right_as_it_is(inner):
    model = Inside(inner())
    weights = versions(model, 4)
    x = rand(8, 5, 8)
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(4)])
    agree(forward(model, weights, 4, x, backend="loop"), weights, expected, gradients)
    x = rand(8, 2, 8)  # as many steps as a chunk has rows: nobody can tell, so it has to be said
    with pytest.raises(LayerError, match="batch_axis=0 if it is right as it is"):
        forward(model, weights, 4, x, backend="loop")
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(4)])
    agree(run(model, weights, 4, (x,), {}, "loop", batch_axis=0), weights, expected, gradients)


def test_a_sequence_without_a_batch_is_no_batch():
    for model in (nn.LSTM(8, 8, batch_first=True), nn.MultiheadAttention(8, 2, batch_first=True)):
        inputs = (torch.ones(8, 8),) * (1 if isinstance(model, nn.LSTM) else 3)
        with pytest.raises(
            LayerError, match=r"takes an input \[2, 8\] for a single sequence, without a batch; give it"
        ):
            forward(model, versions(model, 4), 4, *inputs, backend="loop")


def test_batched_layers_have_the_batch_on_axis_0():
    model = Linear(3, 2).double()
    weights, x = versions(model, 2), rand(5, 4, 3)
    with pytest.raises(LayerError, match="batch_axis=1: batched layers have the batch on axis 0; use 'vmap' or 'loop'"):
        run(model, weights, 2, (x,), {}, "layers", batch_axis=1)
    expected, gradients = by_copies(model, weights, [(part,) for part in x.chunk(2, 1)], axis=1)
    agree(run(model, weights, 2, (x,), {}, batch_axis=1), weights, expected, gradients)


# ---------------------------------------------------------------- states of RNNs


class Returns(nn.Module):
    """Returns an RNN's states, somewhere in what it returns."""

    def __init__(self, rnn):
        super().__init__()
        self.embedding, self.rnn = nn.Linear(3, 3), rnn

    def forward(self, x):
        output, states = self.rnn(self.embedding(x))
        return {"states": states, "output": output}


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("rows", [4, 8])  # of a chunk: as many as layers times directions, or not
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_states_are_joined_by_rows_and_not_by_layers(kind, rows, bare):
    rnn = kind(3, 5, num_layers=2, bidirectional=True, batch_first=True).double()
    model = rnn if bare else Returns(rnn).double()
    weights, x = versions(model, 3), rand(3 * rows, 6, 3)
    found = leaves(forward(model, weights, 3, x, backend="loop"))
    alone = []
    for i, part in enumerate(x.chunk(3)):
        one = copy.deepcopy(model)
        for name, weight in weights.items():
            one.get_parameter(name).data.copy_(weight[i].detach())
        alone.append(leaves(one(part)))
    for j, tensor in enumerate(found):
        torch.testing.assert_close(tensor, torch.cat([each[j] for each in alone], 1 if tensor.shape[0] == 4 else 0))


@pytest.mark.parametrize("backend", ["layers", "vmap", "loop"])
@pytest.mark.parametrize("rows", [2, 3])
def test_so_are_those_of_our_lstm_and_its_first_states_are_cut_so(backend, rows):
    model = LSTM(3, 5, num_layers=2, batch_first=True).double()
    weights = versions(model, 4)
    x, h, c = rand(4 * rows, 6, 3), rand(2, 4 * rows, 5, seed=1), rand(2, 4 * rows, 5, seed=2)
    _, states = forward(model, weights, 4, x, (h, c), backend=backend)
    for state, which in zip(states, (0, 1), strict=True):
        pieces = [
            (part, (a.contiguous(), b.contiguous()))
            for part, a, b in zip(x.chunk(4), h.chunk(4, 1), c.chunk(4, 1), strict=True)
        ]
        expected, gradients = by_copies(model, weights, pieces, lambda output, i=which: output[1][i], axis=1)
        agree(state, weights, expected, gradients)


def test_states_of_packed_sequences():
    model = nn.LSTM(3, 5, batch_first=True).double()
    weights, x, lengths = versions(model, 2), rand(4, 6, 3), torch.tensor([2, 6, 3, 5])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    output, (h, _) = forward(model, weights, 2, packed, backend="loop")
    padded, _ = pad_packed_sequence(output, batch_first=True)
    last = padded[torch.arange(4), lengths - 1]
    torch.testing.assert_close(h[0], last)


# ---------------------------------------------------------------- what is no batch


class Causal(nn.Module):
    def __init__(self, linear=nn.Linear):
        super().__init__()
        self.linear = linear(4, 4)

    def forward(self, x, mask=None, factor=1.0):
        y = self.linear(x)
        return (y @ y.mT).masked_fill(mask, 0).tanh() @ y * factor


@pytest.mark.parametrize("time", [3, 8])  # 8: as many as there are rows
@pytest.mark.parametrize("backend", ["layers", "vmap", "loop"])
def test_every_chunk_gets_the_whole_of_what_is_shared(backend, time):
    model = Causal(Linear).double()
    weights, x, mask = versions(model, 4), rand(8, time, 4), torch.ones(time, time).triu(1).bool()
    expected, gradients = by_copies(model, weights, [(part, mask) for part in x.chunk(4)])
    agree(forward(model, weights, 4, x, mask=Shared(mask), backend=backend), weights, expected, gradients)
    agree(forward(model, weights, 4, x, Shared(mask), backend=backend), weights, expected, gradients)
    alone = {name: weight[0] for name, weight in weights.items()}
    torch.testing.assert_close(forward(model, alone, None, x[:2], mask=Shared(mask)), expected[:2])
    tree = Shared({"a": [mask]})
    assert map_leaves({"x": tree}, lambda leaf: leaf)["x"] is tree and leaves([tree]) == [tree]


def test_what_is_no_batch_is_told_from_one_that_has_other_rows():
    model = Causal()
    for backend in ("vmap", "loop"):
        with pytest.raises(BatchError, match=r"shape \[3, 3\] does not have the 8 rows .* goes into Shared\(...\)"):
            mask = torch.ones(3, 3).bool()
            forward(model, versions(model, 4), 4, torch.ones(8, 3, 4), mask, backend=backend)
    with pytest.raises(BatchError, match=r"shape \[8\] has no axis 1 for the batch; what is no batch goes into Shared"):
        run(model, versions(model, 4), 4, (torch.ones(8),), {}, batch_axis=1)


# ---------------------------------------------------------------- outputs that are no tensors


class DynamicLayer:
    def __init__(self, keys):
        self.keys, self.is_initialized = keys, True


class DynamicCache:
    """Of the name and shape that Hugging Face's has."""

    def __init__(self):
        self.layers = []


class Box:
    def __init__(self, inside):
        self.inside, self.note = inside, "text"


class Language(nn.Module):
    def __init__(self, linear=nn.Linear):
        super().__init__()
        self.linear = linear(3, 3)

    def forward(self, x, past=None, box=False):
        past = DynamicCache() if past is None else past
        y = self.linear(x)
        past.layers.append(DynamicLayer(y))
        return {"y": y, "past": Box({"deep": [y]}) if box else past}


@pytest.mark.parametrize("backend", ["layers", "vmap", "loop"])
def test_caches_come_back_joined_and_can_be_given_again(backend):
    model = Language(Linear).double()
    weights, x = versions(model, 4), rand(8, 3)
    first = forward(model, weights, 4, x, backend=backend)
    again = forward(model, weights, 4, x + 1, past=first["past"], backend=backend)
    assert [layer.keys.shape for layer in again["past"].layers] == [(8, 3), (8, 3)]
    assert torch.equal(again["past"].layers[0].keys, first["y"])
    assert torch.equal(again["past"].layers[1].keys, again["y"])
    assert (again["past"].layers[0].keys + 1).sum().isfinite(), "they are alive"


@pytest.mark.parametrize("backend", ["vmap", "loop"])
def test_tensors_in_other_objects_are_refused_by_the_name_of_their_class(backend):
    model = Language()
    weights = versions(model, 4)
    with pytest.raises(LayerError, match="holds tensors in an object of Box, which K chunks cannot be joined in; have"):
        forward(model, weights, 4, torch.ones(8, 3), box=True, backend=backend)
    alone = {name: weight[0] for name, weight in weights.items()}
    assert forward(model, alone, None, torch.ones(8, 3), box=True)["past"].note == "text"


def test_only_objects_that_hold_tensors_count():
    box, itself = Box(torch.ones(1)), Box(None)
    itself.inside = itself
    assert closed([1, {"a": box}]) is box and closed(Box([{"a": (torch.ones(1),)}])) is not None
    for fine in (itself, Box("text"), nn.Linear(1, 1), torch.ones, Box(nn.Linear(1, 1)), [torch.ones(1)], None):
        assert closed([fine]) is None


# ---------------------------------------------------------------- chunks of different sizes


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("backend", ["layers", "vmap", "loop"])
def test_uneven_chunks_use_each_row_once(backend, rows):
    model = nn.Sequential(Linear(3, 4), nn.Tanh(), Linear(4, 2)).double()
    weights, x = versions(model, 4), rand(rows, 3)
    pieces = [(part,) for part in x.tensor_split(4) if len(part)]
    expected = [by_copies(model, {n: w[i : i + 1] for n, w in weights.items()}, [p]) for i, p in enumerate(pieces)]
    missing = [[torch.zeros_like(w[:1]) for w in weights.values()]] * (4 - len(pieces))
    gradients = [torch.cat(each) for each in zip(*[g for _, g in expected], *missing, strict=True)]
    found = run(model, weights, 4, (x,), {}, backend, uneven=True)
    agree(found, weights, torch.cat([y for y, _ in expected]), gradients)
    if rows % 4:
        with pytest.raises(BatchError, match=f"a batch of {rows} rows cannot be cut into K=4 equal chunks"):
            forward(model, weights, 4, x, backend=backend)


@pytest.mark.parametrize("backend", ["layers", "vmap", "loop"])
def test_uneven_chunks_have_states_caches_and_keywords_of_their_own(backend):
    model = LSTM(3, 5, num_layers=2, batch_first=True).double()
    weights, x = versions(model, 3), rand(8, 6, 3)
    _, (h, _) = run(model, weights, 3, (), {"input": x}, backend, uneven=True)
    pieces = [(part,) for part in x.tensor_split(3)]
    expected, gradients = by_copies(model, weights, pieces, lambda output: output[1][0], axis=1)
    agree(h, weights, expected, gradients)
    model = Language(Linear).double()
    past = run(model, versions(model, 3), 3, (rand(8, 3),), {}, backend, uneven=True)["past"]
    assert past.layers[0].keys.shape == (8, 3)


def test_uneven_chunks_are_normalised_by_their_own_statistics():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)).double()
    weights, x = versions(model, 3), rand(8, 3)
    expected, gradients = by_copies(model, weights, [(part,) for part in x.tensor_split(3)])
    for backend in ("vmap", "loop"):
        agree(run(model, weights, 3, (x,), {}, backend, uneven=True), weights, expected, gradients)


# ---------------------------------------------------------------- what outlives a pass by vmap


class Keeps(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.linear, self.what, self.kept, self.old = nn.Linear(3, 2), what, None, torch.ones(2)

    def forward(self, x):
        y = self.linear(x)
        self.kept = {"tensor": y, "list": [y, {"a": y * 2}], "scalar": y.mean(), "mixed": [y, torch.ones(1)]}[self.what]
        return y.tanh()


def test_what_modules_keep_of_a_vmap_pass_is_the_whole_batch_and_alive():
    for what in ("tensor", "list"):
        model = nn.Sequential(Keeps(what)).double()
        weights, x = versions(model, 4), rand(8, 3)
        expected, gradients = by_copies(nn.Sequential(model[0].linear), _inner(weights), [(p,) for p in x.chunk(4)])
        forward(model, weights, 4, x, backend="vmap")
        kept = leaves(model[0].kept)
        agree(kept[0], weights, expected, gradients)
        assert len(kept) == 1 or torch.equal(kept[1], 2 * kept[0]) and torch.equal(model[0].old, torch.ones(2))


def _inner(weights):
    return {name.replace(".linear", ""): weight for name, weight in weights.items()}


@pytest.mark.parametrize("what", ["scalar", "mixed"])
def test_what_cannot_be_joined_is_refused(what):
    model = nn.Sequential(Keeps(what))
    text = r"layer '0' \(Keeps\) keeps what is no batch of a pass as .kept, and the K of vmap cannot be joined; run it"
    with pytest.raises(LayerError, match=text):
        forward(model, versions(model, 4), 4, torch.ones(8, 3), backend="vmap")
    assert forward(model, versions(model, 4), 4, torch.ones(8, 3), backend="loop").shape == (8, 2)


def test_what_a_hook_keeps_of_a_vmap_pass_is_not_left_dead():
    model, kept = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).double(), []
    weights, x = versions(model, 4), rand(8, 3)
    model[0].register_forward_hook(lambda module, inputs, output: output * 2)  # keeps nothing
    looking = model[1].register_forward_hook(lambda module, inputs, output: kept.append(output))
    text = (
        r"a hook on layer '1' \(torch.nn.Tanh\) keeps tensors of a pass by vmap, which are dead outside of it; run the"
    )
    with pytest.raises(LayerError, match=text):
        forward(model, weights, 4, x, backend="vmap")
    kept.clear()
    expected = forward(model, weights, 4, x, backend="loop")
    assert torch.equal(torch.cat(kept), expected)
    looking.remove()
    torch.testing.assert_close(forward(model, weights, 4, x, backend="vmap"), expected)
