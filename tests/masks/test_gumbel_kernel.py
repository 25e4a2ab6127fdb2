"""The noise, its law, its independence, and the fused product against the textbook's formula."""

import logging
import math
import os
import shutil
import sysconfig
from pathlib import Path

import pytest
import torch

from core.errors import MaskError
from masks.gumbel_kernel import dispatch as kernels
from masks.gumbel_kernel import numpy_blocks as blocks
from masks.gumbel_kernel.autograd import gumbel_product, gumbel_sample, uniforms
from masks.gumbel_kernel.counter_rng import keys

LARGE = kernels.SMALL + 1001  # no multiple of any vector length
K = 3
PINNED = [[3211971, 8147253, 15868695, 8495373], [13434925, 4175477, 8042411, 13960185]]  # in units of 2^-24
needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None
    or not Path(sysconfig.get_paths()["include"], "Python.h").exists(),
    reason="compiled code needs a C++ compiler and Python's headers",
)
MODES = ["blocks", pytest.param("compiled", marks=needs_compiler)]


@pytest.fixture
def mode(request, monkeypatch):
    """Run the test by blocks or by compiled code, and make sure that it did."""
    set_mode(monkeypatch, request.param)
    before = kernels._compiled.cache_info().hits + kernels._compiled.cache_info().misses
    yield request.param
    used = kernels._compiled.cache_info().hits + kernels._compiled.cache_info().misses > before
    assert used == (request.param == "compiled") and not kernels._broken


def set_mode(monkeypatch, mode):
    monkeypatch.setenv("SIEVE_COMPILE", "0" if mode == "blocks" else "1")


def numbers(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def run(n=LARGE, k=K, seed=5, temperature=1.0, dtype=torch.float32, train_weight=False):
    """Return the product of fixed weights and scores, and its gradients."""
    weight = numbers(n, seed=1, dtype=dtype).requires_grad_(train_weight)
    scores = (3 * numbers(n, seed=2, dtype=dtype)).requires_grad_()
    output = gumbel_product(weight, scores, k, seed, temperature)
    output.backward(numbers(k, n, seed=3, dtype=dtype))
    return output.detach(), scores.grad, weight.grad


def textbook(n, k, seed, temperature):
    """The same in float64 by autograd: a hard sample whose gradient is that of the soft one."""
    weight = numbers(n, seed=1, dtype=torch.float64).requires_grad_()
    scores = (3 * numbers(n, seed=2, dtype=torch.float64)).requires_grad_()
    logistic = torch.logit(uniforms(n, k, seed).double())
    soft = torch.sigmoid((scores + logistic) / temperature)
    output = weight * ((soft > 0.5).double() - soft.detach() + soft)
    output.backward(numbers(k, n, seed=3, dtype=torch.float64))
    return output.detach(), scores.grad, weight.grad


def correlation(a, b):
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return float((a * b).mean() / (a.square().mean() * b.square().mean()).sqrt())


def test_the_numbers_never_change():
    """Runs that were stopped before an update must go on with the same noise."""
    expected = torch.tensor(PINNED, dtype=torch.int32)
    assert torch.equal((uniforms(4, 2, seed=2**62 + 5) * 2**24).int(), expected)


def test_numbers_are_inside_0_and_1_and_do_not_depend_on_how_many_there_are():
    u = uniforms(1_000_003, 2, seed=7)
    assert u.dtype == torch.float32 and u.shape == (2, 1_000_003)
    assert 0 < u.min() < 1e-5 and 1 - 1e-5 < u.max() < 1
    assert torch.equal(u[:1, :777], uniforms(777, 1, seed=7))


def test_numbers_are_uniform_in_all_their_bits():
    h = (uniforms(2**21, 1, seed=11)[0].double() * 2**23).long()
    for low in (0, 8, 15):  # 8 bits at a time
        counts = torch.bincount((h >> low) & 255, minlength=256).double()
        chi2 = float(((counts - 2**13) ** 2 / 2**13).sum())
        assert abs(chi2 - 255) < 4.5 * math.sqrt(2 * 255)


@pytest.mark.parametrize("score", [-9.0, -2.0, -0.3, 0.0, 1.0, 2.0, 6.0])
def test_keep_rate_is_the_sigmoid_of_the_score(score, monkeypatch):
    set_mode(monkeypatch, "blocks")
    n, k = 2_500_000, 4
    kept = gumbel_sample(torch.full((n,), score), k, seed=3).sum(dtype=torch.float64) / (n * k)
    keep = 1 / (1 + math.exp(-score))
    assert abs(float(kept) - keep) < 4 * math.sqrt(keep * (1 - keep) / (n * k))


def test_extreme_scores_are_safe():
    scores = torch.tensor([-1e30, -100.0, 100.0, 1e30]).requires_grad_()
    sample = gumbel_sample(scores, 100, seed=1)
    sample.sum().backward()
    assert torch.equal(sample, torch.tensor([0.0, 0, 1, 1]).expand(100, 4))
    assert scores.grad.abs().max() < 1e-20


def test_entries_masks_and_seeds_are_independent():
    n = 2**17
    a, b = uniforms(n, 3, seed=100), uniforms(n, 3, seed=101)
    pairs = [(a[0][:-lag], a[0][lag:]) for lag in (1, 2, 3, 7, 64, 800, 2000, 2**16)]
    pairs += [(a[i], a[j]) for i in range(3) for j in range(i)]
    pairs += [(a[i][:-1], a[j][1:]) for i in range(3) for j in range(3) if i != j]
    pairs += [(a[i], b[j]) for i in range(3) for j in range(3)]
    for x, y in pairs:
        assert abs(correlation(x, y)) < 4 / math.sqrt(n)
        both = ((x > 0.88) & (y > 0.88)).double().mean()  # what masks of a high keep rate see
        assert abs(float(both) - 0.12**2) < 4 * 0.12 / math.sqrt(n)


@pytest.mark.parametrize("step", [1, 0x9E3779B9, 0x9E3779B97F4A7C15, 2**32])
def test_no_mask_returns_under_another_seed(step):
    drawn = torch.cat([keys(9 + i * step, 8) for i in range(1000)])
    assert len(drawn.unique()) == len(drawn)


@needs_compiler
def test_compiled_draws_the_same_masks_and_gradients(monkeypatch):
    results = {}
    for name in ("blocks", "compiled"):
        set_mode(monkeypatch, name)
        results[name] = run(train_weight=True)
        again = run(train_weight=True)
        assert all(torch.equal(x, y) for x, y in zip(results[name], again, strict=True))
    assert not kernels._broken
    (w0, s0, d0), (w1, s1, d1) = results["blocks"], results["compiled"]
    assert torch.equal(w0.view(torch.int32), w1.view(torch.int32))
    torch.testing.assert_close(s0, s1, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(d0, d1, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("temperature", [None, torch.tensor(0.4)])
def test_the_formulas_that_are_compiled_also_run_as_they_are(temperature):
    """On a device that numpy cannot reach they do, where nothing can be compiled."""
    n, drawn = 70_001, keys(4, K)
    weight, scores, gradient = numbers(n, seed=1), 3 * numbers(n, seed=2), numbers(K, n, seed=3)
    assert torch.equal(kernels._product(weight, scores, drawn), blocks.product(weight, scores, drawn))
    plain, in_blocks = (
        f(weight, scores, drawn, gradient, temperature) for f in (kernels._scores_gradient, blocks.scores_gradient)
    )
    torch.testing.assert_close(plain, in_blocks, rtol=1e-5, atol=1e-6)


@needs_compiler
def test_one_compilation_serves_every_size(monkeypatch):
    from torch._dynamo.utils import counters

    set_mode(monkeypatch, "compiled")
    run()
    graphs = counters["stats"]["unique_graphs"]
    run(n=LARGE + 777)
    run(n=2 * LARGE)
    assert counters["stats"]["unique_graphs"] == graphs and not kernels._broken


@pytest.mark.parametrize("mode", MODES, indirect=True)
def test_threads_do_not_change_a_bit(mode):
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(run())
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert torch.equal(other[0], results[0][0]) and torch.equal(other[1], results[0][1])


@pytest.mark.parametrize("mode", MODES, indirect=True)
def test_gradients_are_those_of_the_textbook(mode):
    for temperature in (1.0, 0.4):
        ours = run(temperature=temperature, dtype=torch.float64)
        theirs = textbook(LARGE, K, 5, temperature)
        for x, y in zip(ours[:2], theirs[:2], strict=True):
            torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n", [0, 1, 5, 12_000, kernels.SMALL])
@pytest.mark.parametrize("k", [1, 5])
def test_small_tensors(n, k):
    ours, theirs = run(n, k, dtype=torch.float64, train_weight=True), textbook(n, k, 5, 1.0)
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", MODES, indirect=True)
def test_nothing_as_large_as_all_masks_is_kept(mode):
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        run()
    assert saved and max(saved) <= LARGE


@pytest.mark.parametrize("mode", MODES, indirect=True)
def test_the_product_is_the_weight_times_the_sample(mode):
    weight, scores = numbers(7, LARGE // 7, seed=1), numbers(7, LARGE // 7, seed=2).requires_grad_()
    weight[0, :2] = torch.tensor([math.inf, math.nan])
    product, sample = gumbel_product(weight, scores, K, 9), gumbel_sample(scores, K, 9)
    assert product.shape == sample.shape == (K, 7, LARGE // 7)
    assert set(sample.unique().tolist()) == {0.0, 1.0}
    expected = torch.where(sample == 1, weight, 0.0)
    assert torch.equal(product.nan_to_num(7.0), expected.nan_to_num(7.0))


def test_the_gradient_of_the_product_is_the_weight_times_that_of_the_sample():
    weight, scores = numbers(700, seed=1), numbers(700, seed=2).requires_grad_()
    (of_product,) = torch.autograd.grad(gumbel_product(weight, scores, K, 9, 0.7).sum(), scores)
    (of_sample,) = torch.autograd.grad(gumbel_sample(scores, K, 9, 0.7).sum(), scores)
    torch.testing.assert_close(of_product, weight * of_sample)


def test_a_frozen_weight_gets_no_gradient_and_a_trained_one_does():
    assert run(100)[2] is None
    assert run(100, train_weight=True)[2].count_nonzero() > 0


def test_trouble_with_the_compiler_is_one_line_and_the_same_masks(monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("InvalidCxxCompiler: no working compiler\nand more lines")

    set_mode(monkeypatch, "blocks")
    expected = run()
    set_mode(monkeypatch, "compiled")
    monkeypatch.setattr(kernels, "_compiled", broken)
    monkeypatch.setattr(kernels, "_broken", set())
    with caplog.at_level(logging.WARNING, logger="sieve"):
        results = [run(), run()]
    assert all(torch.equal(r[0], expected[0]) and torch.equal(r[1], expected[1]) for r in results)
    assert len(caplog.records) == 1 and "\n" not in caplog.text.strip()
    assert "InvalidCxxCompiler: no working compiler" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.zeros(3), torch.zeros(2), 4, 0), "scores of shape [2] do not fit a weight of [3]"),
        ((torch.zeros(2), torch.zeros(2), 0, 0), "0 mask samples were asked for; at least 1"),
        ((torch.zeros(2), torch.zeros(2), 4, 0, 0.0), "mask.temperature=0.0 is not above 0"),
        ((torch.zeros(2), torch.zeros(2).half(), 4, 0), "torch.float16; allowed: torch.float32, torch.fl"),
    ],
)
def test_mistakes_are_named(arguments, words):
    with pytest.raises(MaskError) as caught:
        gumbel_product(*arguments)
    assert words in str(caught.value)
