"""Layers, vmap and loop give the same numbers; what one of them cannot do is said in a sentence.

A new network, ours or anyone's, is one row of NETWORKS.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models import resnet18

from core.errors import LayerError, MaskError
from layers import LSTM, Embedding, LayerNorm, Linear
from layers.functional.batching import forward
from models.cue_cnn import CueCNN
from models.feedforward import FeedForward
from models.gpt import GPT
from models.lstm import LSTMModel


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class TiedWords(nn.Module):
    """Our layers with the embedding tied to the output, as in language models."""

    def __init__(self, embedding=Embedding, linear=Linear, norm=LayerNorm):
        super().__init__()
        self.embedding = embedding(7, 4)
        self.norm = norm(4)
        self.output = linear(4, 7, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, words):
        return self.output(self.norm(self.embedding(words)).tanh())


class Mixed(nn.Module):
    """Our LSTM after a foreign layer, so that only vmap can run it in one pass."""

    def __init__(self, **settings):
        super().__init__()
        self.project = nn.Linear(6, 5)
        self.lstm = LSTM(5, 4, 2, batch_first=True, **settings)

    def forward(self, x):
        return self.lstm(self.project(x))[0]


def conv_net(**settings):
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, **settings), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5)
    )


ALL, FOREIGN = ("auto", "layers", "vmap", "loop"), ("auto", "vmap", "loop")
WORDS = torch.arange(24).view(8, 3) % 7


def feedforward():
    return FeedForward(6, 4, (5, 7), rng=rng())


def gpt():
    return GPT(7, 3, 2, 8, 2, rng=rng())


def cue_cnn():
    return CueCNN(widths=(4, 8), strides=(1, 2), rng=rng())


#       network, input, ways it can run, parameters that stay plain
NETWORKS = [
    pytest.param(feedforward, (8, 6), ALL, "", id="feedforward"),
    pytest.param(feedforward, (8, 6), ALL, "bias", id="feedforward, plain biases"),
    pytest.param(feedforward, (8, 6), ALL, "weight", id="feedforward, biases only"),
    pytest.param(lambda: LSTMModel(6, 4, 5, 1, rng=rng()), (8, 3, 6), ALL, "", id="lstm"),
    pytest.param(lambda: LSTMModel(6, 4, 5, 2, rng=rng()), (8, 3, 6), ALL, "bias", id="lstm, plain biases"),
    pytest.param(lambda: LSTMModel(6, 4, 5, 2, rng=rng()), (8, 3, 6), ALL, "lstm", id="lstm, output only"),
    pytest.param(TiedWords, WORDS, ALL, "", id="tied words"),
    pytest.param(gpt, WORDS, ALL, "", id="gpt"),
    pytest.param(gpt, WORDS, ALL, "words", id="gpt, plain words"),
    pytest.param(gpt, WORDS, ALL, "blocks", id="gpt, plain blocks"),
    pytest.param(cue_cnn, (8, 3, 9, 8), ALL, "", id="cnn of cues"),
    pytest.param(cue_cnn, (8, 3, 9, 8), ALL, "norms", id="cnn of cues, plain norms"),
    pytest.param(lambda: TiedWords(nn.Embedding, nn.Linear, nn.LayerNorm), WORDS, FOREIGN, "", id="torch's tied words"),
    pytest.param(Mixed, (8, 3, 6), FOREIGN, "", id="our lstm after torch's linear"),
    pytest.param(Mixed, (8, 3, 6), ALL, "project", id="our lstm after torch's plain linear"),
    pytest.param(lambda: conv_net().eval(), (4, 3, 8, 8), FOREIGN, "", id="conv net, eval"),
    pytest.param(lambda: conv_net(track_running_stats=False), (4, 3, 8, 8), FOREIGN, "", id="no running statistics"),
    pytest.param(lambda: conv_net(), (4, 3, 8, 8), ("loop",), "", id="conv net, training"),
    pytest.param(lambda: resnet18(num_classes=5).eval(), (4, 3, 32, 32), FOREIGN, "", id="resnet18"),
    pytest.param(
        lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).eval(),
        (4, 5, 8),
        FOREIGN,
        "",
        id="transformer",
    ),
    pytest.param(lambda: nn.GRUCell(6, 4), (4, 6), FOREIGN, "", id="gru cell"),
    pytest.param(lambda: nn.LSTMCell(6, 4), (4, 6), ("loop",), "", id="lstm cell"),
    pytest.param(lambda: Mixed(bidirectional=True), (4, 3, 6), ("loop",), "", id="two directions"),
]


# torch says where vmap runs one of its kernels K times; slower, not wrong
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)  # for the foreign networks, which start from the global generator


def first(output):
    return output[0] if isinstance(output, tuple) else output


def versions(model, k, plain=""):
    """K different versions of the parameters whose name lacks `plain`."""

    def vary(p, seed):
        noise = torch.randn(k, *p.shape, generator=rng(seed), dtype=p.dtype)
        return (p.detach() * (1 + 0.3 * noise)).requires_grad_()

    named = enumerate(model.named_parameters())
    return {name: vary(p, i) for i, (name, p) in named if not plain or plain not in name}


def chunk_by_chunk(model, weights, x, k):
    """The definition, written without any of the code under test."""
    outputs = []
    for i, part in enumerate(x.chunk(k)):
        outputs.append(torch.func.functional_call(model, {n: w[i] for n, w in weights.items()}, (part,)))
    return torch.cat([first(output) for output in outputs])


@pytest.mark.parametrize("network, x, ways, plain", NETWORKS)
def test_all_ways_are_one(network, x, ways, plain):
    model = network().double()
    x = torch.randn(x, generator=rng(), dtype=torch.float64) if isinstance(x, tuple) else x
    k = 2 if len(x) == 4 else 4
    weights = versions(model, k, plain)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    leaves = [*weights.values(), *(p for name, p in model.named_parameters() if name not in weights)]

    expected = chunk_by_chunk(model, weights, x, k)
    probe = torch.randn(expected.shape, generator=rng(99), dtype=torch.float64)
    wanted = torch.autograd.grad((expected * probe).sum(), leaves)
    for backend in ways:
        model.load_state_dict(state, strict=False)  # running statistics
        y = first(forward(model, weights, k, x, backend=backend))
        got = torch.autograd.grad((y * probe).sum(), leaves)
        with torch.no_grad():
            quiet = first(forward(model, weights, k, x, backend=backend))
        for a, b in zip([y, quiet, *got], [expected, expected, *wanted], strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    for backend in set(ALL) - set(ways):
        with pytest.raises(LayerError):
            forward(model, weights, k, x, backend=backend)
    if len(ways) > 1:  # the conv net in training updates its running statistics, as it would without masks
        assert all(torch.equal(state[n], t) for n, t in model.state_dict().items()), "the model was changed"


@settings(max_examples=25, deadline=None, derandomize=True)
@given(k=st.integers(1, 5), rows=st.integers(1, 3), depth=st.integers(0, 2), backend=st.sampled_from(ALL))
def test_any_k_and_batch(k, rows, depth, backend):
    model = FeedForward(3, 2, (4,) * depth, rng=rng()).double()
    weights = versions(model, k)
    x = torch.randn(k * rows, 3, generator=rng(), dtype=torch.float64)
    y = forward(model, weights, k, x, backend=backend)
    torch.testing.assert_close(y, chunk_by_chunk(model, weights, x, k), rtol=0, atol=1e-10)


def test_auto_never_loops_and_takes_layers_when_it_can():
    class Spy(Linear):
        shapes = []

        def forward(self, input):
            self.shapes.append((tuple(self.weight.shape), tuple(input.shape)))
            return super().forward(input)

    model = Spy(3, 2)
    forward(model, versions(model, 4), 4, torch.ones(8, 3))
    assert Spy.shapes == [((4, 2, 3), (8, 3))]
    Spy.shapes.clear()
    forward(model, versions(model, 4), 4, torch.ones(8, 3), backend="loop")
    assert Spy.shapes == [((2, 3), (2, 3))] * 4
    Spy.shapes.clear()
    foreign = nn.Sequential(model, nn.Linear(2, 2))
    forward(foreign, versions(foreign, 4), 4, torch.ones(8, 3))
    assert Spy.shapes == [((2, 3), (2, 3))], "vmap calls once, with the shapes of one chunk"


def test_batch_statistics_are_those_of_the_chunk():
    """Our layers around a parameter-free BatchNorm must not mix the chunks."""
    norm = nn.BatchNorm1d(4, affine=False, track_running_stats=False)
    model = nn.Sequential(Linear(3, 4), norm, Linear(4, 2)).double()
    weights = versions(model, 2)
    x = torch.randn(8, 3, generator=rng(), dtype=torch.float64)
    expected = chunk_by_chunk(model, weights, x, 2)
    for backend in FOREIGN:
        torch.testing.assert_close(forward(model, weights, 2, x, backend=backend), expected, rtol=0, atol=1e-10)
    with pytest.raises(LayerError, match="layer '1' .*BatchNorm1d.* mixes the K chunks"):
        forward(model, weights, 2, x, backend="layers")


def test_without_k_the_given_weights_are_used():
    model = FeedForward(3, 2, (4,), rng=rng())
    bias, x = torch.tensor([5.0, 6.0]), torch.zeros(2, 3)
    moved = forward(model, {"layers.1.bias": bias}, None, x) - model(x)
    torch.testing.assert_close(moved, (bias - model.layers[1].bias).expand(2, 2))


@pytest.mark.parametrize("backend", ["layers", "vmap", "loop"])
def test_tied_parameters_may_be_given_under_either_name(backend):
    model = TiedWords()
    weights = versions(model, 2)
    other = {"output.weight" if name == "embedding.weight" else name: w for name, w in weights.items()}
    y = forward(model, weights, 2, WORDS, backend=backend)
    assert torch.equal(y, forward(model, other, 2, WORDS, backend=backend))
    torch.testing.assert_close(y, chunk_by_chunk(model, weights, WORDS, 2))
    with pytest.raises(MaskError, match="'output.weight' and 'embedding.weight' are one tied parameter"):
        forward(model, weights | other, 2, WORDS, backend=backend)


def test_masks_differ_in_dropout_from_chunk_to_chunk():
    model = nn.Sequential(nn.Linear(1, 50), nn.Dropout(0.5))
    weights = {name: torch.ones(2, *p.shape) for name, p in model.named_parameters()}
    y = forward(model, weights, 2, torch.ones(2, 1), backend="vmap")
    assert not torch.equal(y[0], y[1])


def test_the_fused_attention_is_switched_off_only_under_vmap():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    seen = []
    model.linear1.register_forward_hook(lambda *_: seen.append(torch.backends.mha.get_fastpath_enabled()))
    with torch.no_grad():
        forward(model, versions(model, 2), 2, torch.ones(4, 3, 8), backend="vmap")
    assert seen == [False] and torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("backend", ["layers", "vmap", "loop", None])
def test_a_module_registered_twice_keeps_its_weight(backend):
    model = nn.Sequential(Linear(3, 3, bias=False))
    model.append(model[0])
    before = model[0].weight.clone()
    given, x = torch.randn(2, 3, 3), torch.randn(4, 3)
    if backend is None:
        found, expected = forward(model, {"1.weight": given[0]}, None, x), x @ given[0].T @ given[0].T
    else:
        found = forward(model, {"0.weight": given}, 2, x, backend=backend)
        expected = torch.cat([part @ w.T @ w.T for part, w in zip(x.chunk(2), given, strict=True)])
    torch.testing.assert_close(found, expected)
    assert torch.equal(model[0].weight, before)
