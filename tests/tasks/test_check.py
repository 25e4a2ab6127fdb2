"""What can be known before training is known by `--check` too, without loading data or writing anything."""

import os

import pytest
from torch import nn

from core.errors import SieveError
from tasks.check import Checked
from tasks.registry import OPTIONS

TINY = {  # networks of published size take seconds to draw
    "deepmind_math": {"state_size": 16, "transformer.n_heads": 2},
    "edge_popup": {"data.name": "digits"},
}


@pytest.mark.parametrize("task", OPTIONS)
def test_every_task_is_made_without_its_data(task, tmp_path, monkeypatch):
    def nothing(*_, **__):
        raise AssertionError("data is loaded")

    for name in ("data.image_sets.load_images", "data.scan.encoded", "data.dm_math.encoded"):
        monkeypatch.setattr(name, nothing)
    monkeypatch.setattr("tasks.modularity.arithmetic.draw_set", nothing)
    monkeypatch.chdir(tmp_path)
    Checked()({"task": task, "run.cache": str(tmp_path / "cache")} | TINY.get(task, {}))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"task": "cnn_elcn", "split.layers": "nomatch"}, "split.layers=nomatch"),
        ({"task": "cnn_elcn", "data.name": "mnist", "data.canvas": 20}, "a canvas of 20x20 is too small"),
        ({"task": "tuple_ff", "mask.include": "layer.*"}, "mask.include=layer.* matches no parameter"),
        ({"task": "cifar10_class_removal", "class_removal.classes": "3,10"}, "class_removal.classes=3,10 must name"),
        ({"task": "cifar10_class_removal", "data.file": "mine.npz"}, "no image file 'mine.npz'"),
        ({"task": "permuted_mnist", "data.canvas": 9}, "a canvas of 9x9 is too small for images of 28x28"),
        ({"task": "edge_popup", "data.name": "imagenet"}, "no images in "),
        ({"task": "edge_popup", "data.name": "digits", "evaluate": "mine.npz"}, "mine.npz"),
        ({"task": "supsup", "outputs": 5}, "outputs=5 is fewer than the 10 classes of a task"),
        ({"task": "supsup", "tasks.kind": "split", "tasks.count": 6}, "tasks.count=6 tasks of tasks.classes=2 classes"),
        ({"task": "supsup", "data.name": "digits", "infer.objective": "G"}, "infer.objective=G needs superfluous"),
        ({"task": "hopsupsup", "tasks.classes": 6}, "classes need"),
        ({"task": "tuple_ff", "restore_pretrained": "nowhere"}, "nowhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["task"],
)  # fmt: skip
def test_mistakes_are_found_early(values, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SieveError) as error:
        Checked()(values)
    assert text in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == []


def test_seeds_are_checked_once(monkeypatch):
    made = []
    monkeypatch.setattr("tasks.modularity.tuple.FeedForward", lambda *_, **__: made.append(1) or nn.Linear(2, 2))
    checked = Checked()
    assert [checked({"task": "tuple_ff", "seed": seed}).seed for seed in (1, 2, 3)] == [1, 2, 3]
    checked({"task": "tuple_ff", "seed": 1, "layer_sizes": "8,8"})
    assert len(made) == 2
