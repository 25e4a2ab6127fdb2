"""Tasks made from one set of images: what is shown is the same images in another way, and labels fit them."""

import pytest
import torch

from core.errors import OptionError
from data.task_sequence import TaskSequence


def make(kind, count=3, **changed):
    rng = torch.Generator().manual_seed(0)
    sets = {
        part: (torch.rand(n, 2, 4, 4, generator=rng), torch.arange(n) % 6) for part, n in (("train", 30), ("test", 12))
    }
    return TaskSequence(sets, kind, count, **{"batch_size": 8, "seed": 1} | changed), sets


def test_permuted_pixels_are_the_same_for_all_images_and_channels_and_differ_by_task():
    tasks, sets = make("permuted")
    (x, y), (a, same), (b, _) = sets["test"], tasks.examples(0, "test"), tasks.examples(1, "test")
    assert torch.equal(y, same) and not torch.equal(a, b)
    order = [(x[0, 0].flatten() == value).nonzero().item() for value in a[0, 0].flatten()]
    assert sorted(order) == list(range(16)) and order != list(range(16))
    assert torch.equal(a.flatten(2), x.flatten(2)[:, :, order])
    other, _ = make("permuted", seed=2)
    assert not torch.equal(other.examples(0, "test")[0], a)


def test_rotated():
    tasks, sets = make("rotated", 5, angle=90.0)
    x = sets["test"][0]
    assert torch.equal(tasks.examples(0, "test")[0], x) and torch.equal(tasks.examples(4, "test")[0], x)
    assert torch.equal(tasks.examples(1, "test")[0], x.rot90(1, (2, 3)))
    tasks, sets = make("rotated", angle=45.0)
    black = sets["train"][0].amin((0, 2, 3))
    assert torch.equal(tasks.examples(1, "test")[0][:, :, 0, 0], black.expand(12, 2)), "no image there"


@pytest.mark.parametrize("ordered", [False, True])
def test_split_classes_are_divided_among_the_tasks(ordered):
    tasks, sets = make("split", classes=2, ordered=ordered)
    seen = []
    for task in range(3):
        x, y = tasks.examples(task, "test")
        assert len(y) == 4 and set(y.tolist()) == {0, 1} and tasks.classes == 2
        rows = [(sets["test"][0] == image).flatten(1).all(1).nonzero().item() for image in x]
        old = sets["test"][1][rows]
        labels = [set(old[y == new].tolist()) for new in (0, 1)]
        assert all(len(one) == 1 for one in labels), "a new label is one old one"
        seen += [one.pop() for one in labels]
    assert seen == list(range(6)) if ordered else sorted(seen) == list(range(6))
    kept, _ = make("split", classes=2, ordered=True, relabel=False)
    assert set(kept.examples(2, "test")[1].tolist()) == {4, 5} and kept.classes == 6


def test_training_batches_have_one_size_and_every_epoch_shows_every_example():
    tasks, sets = make("split", classes=2)
    assert tasks.epoch(0) == 2, "10 examples, 8 in a batch"
    batches = [tasks.batch(1, step) for step in range(5)]
    assert all(len(y) == 8 for _, y in batches)
    x = torch.cat([x for x, _ in batches]).flatten(1)
    own = tasks.examples(1, "train")[0].flatten(1)
    counts = [(x == image).all(1).sum().item() for image in own]
    assert counts == [4] * 10, "40 draws are four epochs of 10"
    again, _ = make("split", classes=2)
    assert torch.equal(again.batch(1, 4)[0], batches[4][0]), "nothing came before"


def test_mistakes():
    with pytest.raises(OptionError, match="unknown kind of tasks 'permutted'; .* did you mean 'permuted'"):
        make("permutted")
    with pytest.raises(OptionError, match="4 tasks of 2 classes need 8; there are 6"):
        make("split", 4, classes=2)
