"""untie: the same function, on any tree of modules; what cannot be untied is named."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import prune
from torchvision.models.vgg import make_layers

from core.errors import LayerError, OptionError
from layers import FullyConnected2d, LocallyConnected2d
from models.untie import untie

SIZE = (3, 12, 10)


def skinny(**conv):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ZeroPad2d(2),
        nn.Conv2d(3, 4, 4, 2, **conv),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 2),
    ).double()


def inputs(n=3, size=SIZE):
    return torch.randn(n, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_outputs_are_equal_at_the_split(kind):
    model = skinny().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    free = untie(model, kind, SIZE)
    assert torch.allclose(free(inputs()), model(inputs()), rtol=0, atol=1e-10)
    assert not any(isinstance(module, nn.Conv2d) for module in free.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    kinds = [type(module) for module in model if not isinstance(module, nn.Conv2d)]
    assert [type(m) for m in free if not isinstance(m, LocallyConnected2d | FullyConnected2d)] == kinds
    with torch.no_grad():
        free[9].weight.zero_()  # a copy: the network it came from does not change
    assert torch.equal(model[9].weight, before["9.weight"])


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_the_sites_gradients_sum_to_the_convolutions(kind):
    model = skinny().eval()
    free = untie(model, kind, SIZE)
    for network in (model, free):
        network(inputs()).square().sum().backward()
    for name in ("1", "4"):
        conv, layer = model.get_submodule(name), free.get_submodule(name)
        if kind == "local":
            summed = layer.kernels(layer.weight.grad).sum(0)
        else:  # the gradient's local blocks
            with torch.no_grad():
                layer.linear.weight.copy_(layer.linear.weight.grad)
            summed = layer.to_local().kernels().sum(0)
        assert torch.allclose(summed, conv.weight.grad, rtol=0, atol=1e-10)
        assert conv.weight.grad.abs().max() > 1e-6


def test_a_foreign_network_in_part():
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=3).double().eval()
    free = untie(model, "local", (3, 32, 32), layers=["layer1.*", "layer2.0.downsample.*"])
    x = inputs(2, (3, 32, 32))
    assert torch.allclose(free(x), model(x), rtol=0, atol=1e-9)
    names = {name for name, module in free.named_modules() if isinstance(module, LocallyConnected2d)}
    expected = {f"layer1.{block}.conv{i}" for block in (0, 1) for i in (1, 2)}
    assert names == expected | {"layer2.0.downsample.0"}
    assert isinstance(free.layer3[0].conv1, nn.Conv2d) and isinstance(free.layer1[0].bn1, nn.BatchNorm2d)


def test_a_module_used_under_two_names_stays_one():
    conv = nn.Conv2d(2, 2, 3, padding=1)
    free = untie(nn.Sequential(conv, nn.ReLU(), conv), "local", (2, 5, 5))
    assert free[0] is free[2] and isinstance(free[0], LocallyConnected2d)


def test_modes_are_as_they_were():
    model = skinny().train()
    model[5].eval()
    free = untie(model, "local", SIZE)
    for network in (model, free):
        assert network.training and network[1].training and not network[5].training
    assert torch.equal(model[5].running_mean, torch.zeros(5, dtype=torch.float64))


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

    def forward(self, x):
        return self.used(x)


class Particular(nn.Conv2d):
    """A network that is one convolution, and asserts its input's size."""

    def __init__(self):
        super().__init__(1, 1, 1)
        self.register_forward_pre_hook(self.check)

    @staticmethod
    def check(_, inputs):
        assert inputs[0].shape[-2:] == (8, 8), "only 8x8"


class Flat(Unused):
    """Calls its convolution without a batch axis."""

    def __init__(self):
        nn.Module.__init__(self)
        self.conv = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        return self.conv(x[0])[None]


class Around(Flat):
    """Keeps its convolution in a list too, and takes it from there."""

    def __init__(self):
        super().__init__()
        self.mine = [self.conv]

    def forward(self, x):
        return self.mine[0](x)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((skinny(), "lokal", SIZE), OptionError, "kind='lokal'; allowed: local, dense; did you mean 'local'?"),
        ((skinny(), "local", SIZE, ["11"]), OptionError, "layers=11 names no Conv2d; there are: 1, 4"),
        ((nn.Sequential(nn.Linear(1, 1)), "local", (1,)), OptionError, "names no Conv2d; there are: none"),
        ((skinny(), "local", SIZE, []), OptionError, r"layers=\[\] leaves no Conv2d to untie; there are: 1, 4"),
        ((skinny(), "local", SIZE, ["1", "!1"]), OptionError, "layers=1,!1 leaves no Conv2d to untie"),
        ((skinny(), "local", SIZE, ["!11"]), OptionError, "layers=!11 names no Conv2d; there are: 1, 4"),
        ((skinny(), "local", SIZE, "1"), OptionError, r"layers='1' is a text; give a list of .* such as \['1'\]"),
        ((skinny(), "local", 12), LayerError, r"does not take an input of \(12\)"),
        ((Particular(), "local", (1, 3, 3)), LayerError, r"does not take an input of \(1, 3, 3\): only 8x8"),
        ((Flat(), "local", (1, 3, 3)), LayerError, "layer 'conv' cannot be untied: it sees maps without a batch axis"),
        ((Around(), "local", (1, 3, 3)), LayerError, "layer 'conv' cannot be untied: the network does not reach it"),
        ((skinny(), "local", (4, 12, 10)), LayerError, r"does not take an input of \(4, 12, 10\): "),
        ((Unused(), "local", (1, 3, 3)), LayerError, "layer 'spare' cannot be untied: the network does not call it"),
        ((nn.Sequential(c := nn.Conv2d(1, 1, 2), c), "local", (1, 4, 4)), LayerError,
         r"layer '0' cannot be untied: it sees maps of different sizes, \[\(3, 3\), \(4, 4\)\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_untied_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        untie(*arguments)


class Same(nn.Conv2d):
    """Pads as TensorFlow does, in a forward pass of its own."""

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 1, 0, 1)))


class Standardised(nn.Conv2d):
    """Scales its weight in the part of the forward pass that is its own."""

    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight / weight.std(), bias)


class Adapted(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.low_rank = nn.Parameter(torch.zeros(2))


class Plain(nn.Conv2d):
    """Nothing of its own."""


def over(conv):
    conv.forward = lambda x: x
    return conv


def shared():
    one, two = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)
    two.weight = one.weight
    return nn.Sequential(one, two)


def hooked(conv):
    conv.register_state_dict_pre_hook(lambda *args: None)
    return conv


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_all_that_would_be_lost_is_refused_at_once_by_name_and_class(kind):
    parts = {
        "same": (Same(2, 2, 3), "test_untie.Same has a forward pass of its own"),
        "again": (Same(2, 2, 3), "test_untie.Same has a forward pass of its own"),
        "standardised": (Standardised(2, 2, 3), "test_untie.Standardised has a forward pass of its own"),
        "over": (over(nn.Conv2d(2, 2, 3)), "torch.nn.modules.conv.Conv2d has a forward pass of its own"),
        "parametrised": (nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 3)),
                         "it is parametrised (weight by _WeightNorm)"),
        "pruned": (prune.identity(nn.Conv2d(2, 2, 3), "weight"), "its weight is computed from weight_orig"),
        "adapted": (Adapted(2, 2, 3), "test_untie.Adapted also holds low_rank"),
        "circular": (nn.Conv2d(2, 2, 3, padding_mode="circular"), "padding_mode='circular'; only zeros"),
        "lazy": (nn.LazyConv2d(2, 3), "LazyConv2d has no weight before its first pass"),
        "hooked": (hooked(nn.Conv2d(2, 2, 3)), "it has hooks on its state_dict"),
        "tied": (shared(), "it shares its weights with tied.1.weight"),
    }  # fmt: skip
    model = nn.ModuleDict({name: module for name, (module, _) in parts.items()})
    with pytest.raises(LayerError) as error:
        untie(model, kind, (2, 9, 9))
    for name, (_, reason) in parts.items():
        assert f"'{name}" in str(error.value) and reason in str(error.value)
    assert "layers 'same', 'again' cannot be untied" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_hooks_and_flags_stay_and_keywords_are_taken(kind):
    class Keywords(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = Plain(2, 4, 3, padding=2, dilation=2, groups=2).double()

        def forward(self, x):
            return self.conv(input=x)

    model, calls = Keywords(), []
    model.conv.weight.requires_grad_(False)
    model.conv.register_forward_pre_hook(lambda m, a, k: (a, {"input": 2 * k["input"]}), with_kwargs=True)
    model.conv.register_forward_hook(lambda module, inputs, output: output + 1)
    model.conv.register_full_backward_hook(lambda module, to, back: calls.append(type(module)))
    x = inputs(2, (2, 6, 5)).requires_grad_()
    expected = model(x)
    free = untie(model, kind, (2, 6, 5))
    assert torch.allclose(free(x), expected, rtol=0, atol=1e-10)
    free(x).sum().backward()
    assert calls == [type(free.conv)] and len(free.conv._forward_pre_hooks) == 1
    assert [p.requires_grad for p in free.conv.parameters()] == [False, True]


@pytest.mark.parametrize("kind", ["local", "dense"])
def test_a_module_that_is_one_convolution(kind):
    conv = nn.Conv2d(2, 3, 3, dtype=torch.float64)
    free = untie(conv, kind, (2, 5, 6))
    assert not isinstance(free, nn.Conv2d)
    assert torch.allclose(free(inputs(2, (2, 5, 6))), conv(inputs(2, (2, 5, 6))), rtol=0, atol=1e-10)
    assert free(inputs(0, (2, 5, 6))).shape == conv(inputs(0, (2, 5, 6))).shape == (0, 3, 3, 4)


def test_what_is_left_out_stays_with_all_that_is_no_conv2d():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), Same(2, 2, 3), nn.ConvTranspose2d(2, 2, 3)).double()
    free = untie(model, "local", (2, 6, 6), ["!1"])
    assert [type(layer) for layer in free] == [LocallyConnected2d, Same, nn.ConvTranspose2d]
    assert torch.allclose(free(inputs(2, (2, 6, 6))), model(inputs(2, (2, 6, 6))), rtol=0, atol=1e-10)


def test_the_passes_change_no_buffer():
    class Counting(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Conv2d(1, 1, 1))
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    model = Counting()
    assert untie(model, "local", (1, 3, 3)).calls == model.calls == 0


@pytest.mark.parametrize(
    ("name", "side", "kind"),
    [
        ("mobilenet_v3_small", 32, "local"), ("mobilenet_v3_small", 16, "dense"), ("convnext_tiny", 32, "local"),
        ("efficientnet_b0", 32, "local"), ("efficientnet_b0", 8, "dense"), ("resnet18", 16, "local"),
        ("vgg11", 32, "local"),
    ],
)  # fmt: skip
def test_networks_of_torchvision(name, side, kind):
    torch.manual_seed(0)
    with torch.device("meta"):  # their own initialisation takes longer than all the rest
        if name == "vgg11":  # the features, an eighth as wide
            model = make_layers([8, "M", 16, "M", 32, 32, "M", 64, 64, "M", 64, 64, "M"])
        else:
            model = getattr(torchvision.models, name)(num_classes=10)
    model = model.double().to_empty(device="cpu").eval()
    rng = torch.Generator().manual_seed(0)
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            scale = tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 0.5
            tensor.uniform_(-scale, 2 * scale, generator=rng)
        if "running_var" in key or "layer_scale" in key:
            tensor.abs_().add_(0.5)
    x = inputs(2, (3, side, side))
    free = untie(model, kind, (3, side, side))
    assert not any(isinstance(module, nn.Conv2d) for module in free.modules())
    with torch.no_grad():
        expected, found = model(x), free(x)
    assert expected.abs().max() > 1e-3 and expected.isfinite().all()
    assert (found - expected).abs().max() <= 1e-10 * max(1.0, expected.abs().max().item())
