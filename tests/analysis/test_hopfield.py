"""Masks are minima of the energy, and descent finds the one that an input asks for."""

import torch

from analysis.hopfield import Hopfield, recover, signs
from core.rng import stream


def masks(count, size):
    return torch.randint(2, (count, size), generator=stream(0, "z")) * 2.0 - 1


def test_storkeys_rule_and_the_running_mean():
    every, size = masks(4, 64), 64
    store, weights = Hopfield(size), torch.zeros(size, size)
    for z in every:
        store.add(z)
        h = weights @ z
        weights = weights + (torch.outer(z, z) - torch.eye(size) - torch.outer(z, h) - torch.outer(h, z)) / size
    torch.testing.assert_close(store.weights, weights)
    torch.testing.assert_close(store.mean, every.mean(0))


def test_stored_masks_are_minima():
    every, store = masks(5, 200), Hopfield(200)
    for z in every:
        store.add(z)
    for z in every:
        for unit in range(0, 200, 20):
            other = z.clone()
            other[unit] *= -1
            assert store.energy(other) > store.energy(z)
    assert all(store.energy(z) < store.energy(noise) for z, noise in zip(every, masks(10, 200)[5:], strict=True))


def test_signs_let_gradients_through():
    scores = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    (signs(scores) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert signs(scores).tolist() == [-1, 1, 1] and scores.grad.tolist() == [2, 4, 6], "z = 2 m - 1"


def test_the_descent_is_the_formula(monkeypatch):
    """s <- s - lr v, v <- .9 v + dL/dm + decay s, dL/dm = 2 dL/dz, L = (1 - t/T) H - gamma t/T z Psi z / 2."""
    every, store = masks(3, 6), Hopfield(6)
    for z in every:
        store.add(z)
    slope = torch.tensor([0.03, -0.02, 0.01, 0.05, -0.04, 0.02])  # dH/dm
    trained, real = [], torch.optim.SGD
    monkeypatch.setattr(torch.optim, "SGD", lambda scores, *a, **k: trained.extend(scores) or real(scores, *a, **k))
    for steps in (1, 2, 3):
        s, v, lr, gamma, decay = store.mean.clone(), torch.zeros(6), 20.0, 1e-2, 1e-3
        for t in range(1, steps + 1):
            z = torch.where(s >= 0, 1.0, -1.0)
            v = 0.9 * v + (1 - t / steps) * slope - 2 * gamma * t / steps * (store.weights @ z) + decay * s
            s = s - lr * v
        (found,) = recover(
            [store], [torch.zeros(1)] * steps, lambda z, x: (slope * (z[0] + 1) / 2).sum(), gamma, lr,
            weight_decay=decay,
        )  # fmt: skip
        torch.testing.assert_close(trained[-1].detach(), s)
        assert torch.equal(found, torch.where(s >= 0, 1.0, -1.0))


def test_descent_finds_the_mask_that_an_objective_points_to():
    """The objective sees two thirds of the units; the energy has to say the rest."""
    every, store = masks(4, 150), Hopfield(150)
    for z in every:
        store.add(z)
    for wanted in every:

        def entropy(z, x, wanted=wanted):
            return -(z[0][:100] * wanted[:100]).mean()

        (found,) = recover([store], [torch.zeros(1)] * 40, entropy, 1e-2, 10.0, 0.9, 0.0)
        assert (found != wanted).sum() <= 1
