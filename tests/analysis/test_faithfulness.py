"""Two networks side by side: what is known of their masks, every test must find, and of a wrong mask too."""

from functools import cache

import pytest
import torch
from torch.nn.functional import cross_entropy

from analysis.faithfulness.ablation import DRAWN, KINDS, ablate, ablations, bernoulli, network
from analysis.faithfulness.adversary import attack
from analysis.faithfulness.evaluation import Evaluation
from analysis.faithfulness.minimality import minimality
from analysis.faithfulness.sizes import size_curve, top
from analysis.ground_truth import auroc, side_by_side
from core.errors import MaskError, OptionError
from core.rng import key, stream
from masks.algebra import Masks
from masks.masking import Given, Sample
from masks.model import MaskedModel
from masks.options import METHODS
from masks.rest import Rest, Several
from models.feedforward import FeedForward

N_IN, N_OUT = 10, 5


@cache
def known():
    """Return the network, the masks of its two parts, and the examples of the first: its own answers."""
    parts = [FeedForward(N_IN, N_OUT, (24, 24), rng=stream(seed, "init")) for seed in (1, 2)]
    for part in parts:
        for weight in part.parameters():
            weight.data.mul_(3 if weight.dim() > 1 else 0.5)  # torch's own are so small that the answers hardly differ
    whole, truth = side_by_side(parts, stream(0, "order"))
    masked = MaskedModel(whole, METHODS["gumbel"](), [name for name, _ in whole.named_parameters()]).freeze()
    x = torch.randn(400, 2 * N_IN, generator=stream(0, "x"))
    y = parts[0](x[:, :N_IN]).argmax(-1)
    return parts, masked, truth, evaluation_of(masked, x, y)


def evaluation_of(masked, x, y, at_once=8):
    return Evaluation(masked, lambda i, masking: masked(i["x"], masking)[:, :N_OUT], [({"x": x}, y)], at_once=at_once)


def test_networks_side_by_side_compute_what_they_computed():
    parts, masked, truth, evaluation = known()
    (inputs, _), *_ = evaluation.batches
    for i, part in enumerate(parts):
        alone = masked(inputs["x"], Given(truth[i]))[:, i * N_OUT : (i + 1) * N_OUT]
        dense = masked(inputs["x"])[:, i * N_OUT : (i + 1) * N_OUT]
        wanted = part(inputs["x"][:, i * N_IN : (i + 1) * N_IN])
        torch.testing.assert_close(alone, wanted)
        torch.testing.assert_close(dense, wanted)
        assert truth[i].count() == sum(weight.numel() for weight in part.parameters())
    assert (truth[0] & truth[1]).count() == 0
    assert not torch.equal(truth[0]["layers.0.bias"], torch.arange(48) < 24), "the units are permuted"


def test_the_right_mask_passes_every_test_and_a_random_one_of_its_size_fails():
    _, masked, (right, other), evaluation = known()
    random = right.random(stream(0, "control"))
    for kind, scores in ablations(evaluation, right, [*KINDS], seed=0, copies=3).items():
        if kind in ("mean", "resampled"):  # these put weights where there were none, between the two networks
            assert scores.mean()["kl"] > 0 and scores.mean()["accuracy"] > 0.3
            continue
        assert scores.accuracy.tolist() == [1.0] * len(scores.accuracy) == scores.agreement.tolist(), kind
        assert scores.kl.abs().max() < 1e-6 and len(scores.kl) == (3 if kind in DRAWN else 1)
    for kind, scores in ablations(evaluation, random, [*KINDS], seed=0, copies=3).items():
        assert scores.mean()["accuracy"] < 0.8 and scores.mean()["kl"] > 0.1, kind
    swapped = network(FeedForward(2 * N_IN, 2 * N_OUT, (48, 48), rng=stream(9, "init")).state_dict())
    assert ablate(evaluation, random, swapped, 0).mean()["accuracy"] < 0.6
    curves = {name: attack(evaluation, m, 0, (0.05, 1.0), steps=8) for name, m in (("r", right), ("c", random))}
    assert curves["r"].area == pytest.approx(1.0) and curves["c"].scores.accuracy[1] < 0.1
    # complete: without the mask's weights nothing is left, with the other network's everything
    constant = evaluation.scores([Given(right & ~right)]).mean()["accuracy"]
    assert ablate(evaluation, ~right, "zero", 0).mean()["accuracy"] == pytest.approx(constant, abs=1e-9)
    assert ablate(evaluation, ~random, "uniform", 0).mean()["accuracy"] > constant + 0.2
    # minimal, up to the weights that do not matter; of it and as many of the other network all of those can go
    found = minimality(evaluation, right | other, tolerance=0.02)
    assert found.accuracy >= 0.98 and (found.masks - right).count() == 0 and found.passes < 400, found


def test_many_maskings_in_one_pass_are_each_of_them_alone():
    _, masked, (right, _), evaluation = known()
    (inputs, y), *_ = evaluation.batches
    random = [right.random(stream(i, "control")) for i in range(3)]
    maskings = [Given(right), Rest(random[0], {n: torch.tensor(0.3) for n in right}), *map(Given, random[1:])]
    together = evaluation.scores(maskings)
    for i, masking in enumerate(maskings):
        logits, full = masked(inputs["x"], masking)[:, :N_OUT], masked(inputs["x"])[:, :N_OUT]
        assert together.accuracy[i] == (logits.argmax(1) == y).double().mean()
        assert together.agreement[i] == (logits.argmax(1) == full.argmax(1)).double().mean()
        kl = torch.nn.functional.kl_div(
            logits.log_softmax(1), full.log_softmax(1), reduction="batchmean", log_target=True
        )
        assert together.kl[i].item() == pytest.approx(kl.item(), rel=1e-4, abs=1e-6)
    halves = [({"x": inputs["x"][at]}, y[at]) for at in (slice(0, 150), slice(150, None))]
    apart = Evaluation(masked, evaluation.logits, halves, at_once=3).scores(maskings)
    for name in ("accuracy", "kl", "agreement"):
        torch.testing.assert_close(getattr(apart, name), getattr(together, name), rtol=1e-4, atol=1e-6)


def test_the_rest_is_between_the_mask_alone_and_the_whole_network():
    _, masked, (right, _), _ = known()
    signed = Masks({name: mask.to(torch.int8) * -1 for name, mask in right.items()})
    for name, weight in masked.weights.items():
        r = torch.rand(2, *weight.shape, generator=stream(0, name))
        found = Rest(signed, {n: r if n == name else torch.zeros(2, *s) for n, s in masked.shapes.items()}, 2)
        wanted = torch.where(right[name], -weight, weight * r)
        assert torch.equal(found.weights(masked)[name], wanted)
    for value, kept in ((0.0, right), (1.0, right | ~right)):
        same = Rest(right, {n: torch.tensor(value) for n in right}).weights(masked)
        assert all(torch.equal(same[n], Given(kept).weights(masked)[n]) for n in same)
    with pytest.raises(MaskError, match="there is no r for 'layers.0.weight'"):
        Rest(right, {}).weights(masked)
    with pytest.raises(MaskError, match="Several stands for 1 masks"):
        Several([Several([Given(right)])]).weights(masked)


def test_an_adversary_stays_in_its_budget_and_more_of_it_is_worse():
    from analysis.faithfulness.adversary import _worst

    _, masked, (right, _), evaluation = known()
    random = right.random(stream(0, "control"))
    for budget, rest in ((b, _worst(evaluation, random, 0, [b], 4)) for b in (0.1, 0.7)):
        r = torch.cat([tensor.flatten() for tensor in rest.r.values()])
        assert r.min() >= 1 - budget - 1e-6 and r.max() <= 1 and r.min() < 1 - 0.99 * budget
    curve = attack(evaluation, random, 0, (1.0, 0.0, 0.3), steps=6)
    assert curve.budgets == (0.0, 0.3, 1.0) and curve.scores.accuracy[0] == 1
    assert curve.scores.accuracy.diff().max() < 0 and 0 < curve.area < 1
    drawn = ablate(evaluation, random, "uniform", 0, copies=8).accuracy
    assert curve.scores.accuracy[-1] < drawn.min() - 0.1, "what is chosen against it is worse than what is drawn"


def test_draws_are_a_function_of_the_seed_the_copy_and_the_kind():
    _, masked, (right, _), _ = known()
    for kind in sorted(DRAWN):
        made = {
            (s, c): KINDS[kind](masked, right, s, c).weights(masked)["layers.1.weight"] for s in (0, 1) for c in (0, 1)
        }
        assert torch.equal(made[0, 0], KINDS[kind](masked, right, 0, 0).weights(masked)["layers.1.weight"])
        assert len({tuple(w.flatten().tolist()) for w in made.values()}) == 4
        assert all(
            torch.equal(w[right["layers.1.weight"]], made[0, 0][right["layers.1.weight"]]) for w in made.values()
        )
    rest = bernoulli(0.25)(masked, right, 0, 0).r
    assert torch.cat([r.flatten() for r in rest.values()]).mean().item() == pytest.approx(0.25, abs=0.03)
    with pytest.raises(MaskError, match="no way 'zeros' to treat the rest; there are: zero, .*did you mean 'zero'"):
        ablate(known()[3], right, "zeros", 0)


def test_minimality_counts_what_can_go_together():
    """A right answer needs one of two equal weights: either can go alone, both cannot, and the third is no use."""
    linear = FeedForward(3, 2, (), rng=stream(0, "init"))
    with torch.no_grad():
        linear.layers[0].weight.copy_(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    masked = MaskedModel(linear, METHODS["gumbel"](), ["layers.0.weight"])
    linear.layers[0].bias.data.copy_(torch.tensor([-0.5, 0.0]))
    x = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    masks = Masks({"layers.0.weight": torch.tensor([[True, True, True], [False, False, True]])})
    found = minimality(Evaluation.of(masked, x, torch.tensor([0, 1])), masks, tolerance=0.0)
    assert found.superfluous == 3 / 4 and found.accuracy == 1.0
    assert found.masks["layers.0.weight"][0, :2].sum() == found.masks.count() == 1


def test_auroc_is_that_of_all_pairs():
    truth = Masks({"a": torch.arange(12) % 3 == 0, "b": torch.arange(4) < 1})
    scores = {n: torch.randint(0, 4, m.shape, generator=stream(0, n)).float() for n, m in truth.items()}
    s, t = torch.cat([*scores.values()]), torch.cat([*truth.values()])
    pairs = [(a > b) + 0.5 * (a == b) for a in s[t].tolist() for b in s[~t].tolist()]
    assert auroc(scores, truth) == pytest.approx(sum(pairs) / len(pairs))
    assert auroc({n: m.float() for n, m in truth.items()}, truth) == 1.0
    with pytest.raises(MaskError, match="16 are inside and 0 outside"):
        auroc(scores, truth | ~truth)


@pytest.mark.parametrize(("name", "options", "init"), [("gumbel", {}, 1.0), ("edge-popup", {"keep": 0.26}, None)])
def test_learned_masks_find_the_known_subnetwork_and_random_ones_do_not(name, options, init):
    _, gumbel, (right, _), evaluation = known()
    masked = MaskedModel(gumbel.model, METHODS[name](**options), [*gumbel.shapes])
    scores = masked.add_scores("part", init, seed=0)
    (inputs, y), *_ = evaluation.batches
    optimizer = torch.optim.Adam(scores.values(), lr=0.1)
    for step in range(80):
        logits = masked(inputs["x"], Sample("part", 2, key(0, step)))[:, :N_OUT]
        loss = cross_entropy(logits, y) + 1e-4 * masked.penalty("part", 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    learned = masked.masks("part")
    random = learned.random(stream(0, "control"))
    ranked = {n: tensor.abs() for n, tensor in scores.items()} if name == "edge-popup" else scores  # as it ranks itself
    assert auroc(ranked, right) > 0.75 and auroc({n: m.float() for n, m in random.items()}, right) < 0.6
    assert learned.iou(right) > random.iou(right) + 0.15


def test_a_size_curve_keeps_exactly_the_highest_and_reaches_the_whole_network():
    _, masked, (right, _), evaluation = known()
    ranking = {name: weight.abs() * (1 + 9 * right[name]) for name, weight in masked.weights.items()}
    flat = torch.cat([tensor.flatten() for tensor in ranking.values()])
    for share in (0.0001, 0.01, 0.3, 1.0):
        masks = top(ranking, share)
        assert masks.count() == max(1, round(share * len(flat)))
        kept = torch.cat([mask.flatten() for mask in masks.values()])
        assert share == 1.0 or flat[kept].min() >= flat[~kept].max()
    curve = size_curve(evaluation, ranking, (1.0, 0.001, 0.05, 0.3))
    assert curve.sizes == (0.001, 0.05, 0.3, 1.0) and curve.scores.accuracy[-1] == 1 and curve.scores.accuracy[2] > 0.9
    assert curve.scores.accuracy[0] < 0.6 and curve.scores.accuracy[0] < curve.area < 1
    backwards = size_curve(evaluation, {name: -tensor for name, tensor in ranking.items()}, curve.sizes)
    assert backwards.area < curve.area - 0.2
    with pytest.raises(OptionError, match=r"size=1.5 is outside \(0, 1\]"):
        top(ranking, 1.5)
