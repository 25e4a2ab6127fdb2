"""Images of a few classes: numbered by the alphabet, an evaluation set nothing is trained on, pooled twins."""

import pytest
import torch
from torchvision.io import write_png

from core.errors import OptionError
from data.sixteen_classes import class_files, class_images, class_weights, few, twins

SIZES = {"bear": 12, "airplane": 30, "cat": 5}  # written in this order
SYNSETS = {"airplane": ("n01", "n02"), "bear": ("n03",), "cat": ("n04",)}


def write(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = torch.Generator().manual_seed(seed)
    write_png(torch.randint(256, (3, 20, 24), generator=rng, dtype=torch.uint8), str(path))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same names in every class folder."""
    root = tmp_path_factory.mktemp("folders")
    for name, count in SIZES.items():
        for i in range(count):
            write(root / name / f"{i}.png", i)
    return root


@pytest.fixture
def lists(tmp_path):
    """Images in folders of synsets, and a list of names for each class."""
    names = {}
    for name, count in SIZES.items():
        for i in range(count):
            synset = SYNSETS[name][i % len(SYNSETS[name])]
            names.setdefault(name, []).append(f"{synset}_{i}.png")
            write(tmp_path / "images" / synset / names[name][-1], i)
    (tmp_path / "lists").mkdir()
    for name, files in names.items():
        (tmp_path / "lists" / f"{name}.txt").write_text("\n".join(reversed(files)) + "\n\n")
    return tmp_path / "lists", tmp_path / "images"


def counts(part):
    return torch.bincount(part[1], minlength=3).tolist()


def test_sets_of_folders(folders):
    found = class_images(folders, most=20)
    assert found.classes == ("airplane", "bear", "cat")
    assert counts(found.valid) == [2, 2, 1], "a tenth of at most 20, rounded up"
    assert counts(found.small) == [18, 10, 4] and counts(found.train) == [28, 10, 4]
    train, small, valid = (set(part[0].paths) for part in (found.train, found.small, found.valid))
    assert len(train) == 42 and small < train and not train & valid
    for images, y in (found.train, found.small, found.valid):
        assert [found.classes[label] for label in y] == [path.split("/")[-2] for path in images.paths]
    assert found.valid[0][:1].shape == (1, 3, 224, 224)
    again = class_images(folders, most=20)
    assert again.valid[0].paths == found.valid[0].paths and again.small[0].paths == found.small[0].paths
    names = [[path.rsplit("/", 1)[1] for path in found.valid[0].paths if label in path] for label in ("airp", "bear")]
    assert names[0] != names[1], "each class draws its own"


def test_published_sizes_of_the_sets(tmp_path):
    """A tenth of 1,000, 892 and 586 images, rounded up."""
    for name, count in (("dog", 1200), ("oven", 892), ("knife", 586)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.JPEG").touch()
    found = class_images(tmp_path)
    assert found.classes == ("dog", "knife", "oven")
    assert counts(found.valid) == [100, 59, 90] and counts(found.small) == [900, 527, 802]
    assert counts(found.train) == [1100, 527, 802]


def test_sets_of_lists_are_those_of_folders(lists):
    source, images = lists
    found = class_images(source, images, most=20)
    assert found.classes == ("airplane", "bear", "cat")
    assert [counts(part) for part in (found.train, found.small, found.valid)] == [[28, 10, 4], [18, 10, 4], [2, 2, 1]]
    for files, y in (found.train, found.small, found.valid):
        pairs = zip(files.paths, y, strict=True)
        assert all(path.split("/")[-2] in SYNSETS[found.classes[label]] for path, label in pairs)
    flat = images.parent / "flat"
    flat.mkdir()
    for path in images.glob("*/*.png"):
        path.rename(flat / path.name)
    assert [p.rsplit("/", 1)[1] for p in class_images(source, flat, most=20).valid[0].paths] == [
        p.rsplit("/", 1)[1] for p in found.valid[0].paths
    ]


def test_nothing_of_a_given_evaluation_set_is_trained_on(lists, folders, tmp_path):
    source, images = lists
    (tmp_path / "eval").mkdir()
    for name, synset in (("airplane", "n01"), ("bear", "n03"), ("cat", "n04")):
        (tmp_path / "eval" / f"{name}.txt").write_text(f"{synset}_0.png\n{synset}_2.png\n")
    (tmp_path / "eval" / "cat.txt").write_text("n04_0.png\nn03_5.png\n")  # a bear to some, a cat to others
    found = class_images(source, images, tmp_path / "eval")
    kept, held_out = ({path.rsplit("/", 1)[1] for path in part[0].paths} for part in (found.train, found.valid))
    assert len(held_out) == 6 and not kept & held_out and len(kept) == sum(SIZES.values()) - 6
    assert counts(found.small) == counts(found.train) == [28, 9, 4]

    for name in SIZES:
        write(tmp_path / "copies" / name / "3.JPEG")
    found = class_images(folders, evaluation=tmp_path / "copies")
    assert counts(found.train) == [29, 11, 4] and not any("/3.png" in path for path in found.train[0].paths)
    with pytest.raises(OptionError, match="eval has the classes airplane, bear, cat; .* has airplane, bear$"):
        (source / "cat.txt").unlink()
        class_images(source, images, tmp_path / "eval")


def test_few_are_the_first_of_more(folders):
    paths = class_files(folders)["airplane"]
    every = few("airplane", paths, 100)
    assert few("airplane", paths, 7) == every[:7] and sorted(every) == paths != every


def test_class_weights():
    y = torch.tensor([0, 0, 0, 0, 1, 2, 2])
    weights = class_weights(y, 3)
    assert float(weights.norm()) == pytest.approx(1)
    torch.testing.assert_close(weights / weights[1], torch.tensor([1 / 4, 1, 1 / 2]))
    with pytest.raises(OptionError, match="^class 3 has no images, so its weight would be infinite$"):
        class_weights(y, 4)


def test_weights_are_those_of_training(folders):
    found = class_images(folders, most=20)
    torch.testing.assert_close(found.weights() * torch.tensor([28.0, 10, 4]), found.weights()[2].expand(3) * 4)


def test_twins(folders, tmp_path):
    found = class_images(folders, most=20)
    for path in found.small[0].paths:
        write(tmp_path / "pooled" / path.split("/")[-2] / path.split("/")[-1])
    pooled = twins(found.small[0], folders, tmp_path / "pooled")
    assert [p.split("/")[-2:] for p in pooled.paths] == [p.split("/")[-2:] for p in found.small[0].paths]
    with pytest.raises(OptionError) as caught:
        twins(found.valid[0], folders, tmp_path / "pooled")
    assert "lacks the twins of 5 of 5 images, the first that of airplane/" in str(caught.value)
    assert str(caught.value).endswith(f"make them: python -m data.mean_pool {folders} {tmp_path / 'pooled'}")
    with pytest.raises(OptionError, match="png is not in .*elsewhere, of which"):
        twins(found.small[0].subset(torch.tensor([0])), tmp_path / "elsewhere", tmp_path / "pooled")
    other = tmp_path / "pooled" / "/".join(found.small[0].paths[-1].split("/")[-2:])
    write_png(torch.zeros(3, 20, 25, dtype=torch.uint8), str(other))
    with pytest.raises(OptionError, match="is not the twin of .*cat/.*: it has 25x20 pixels, and not 24x20$"):
        twins(found.small[0], folders, tmp_path / "pooled")
    other.write_text("no image")
    with pytest.raises(OptionError, match="cat/.*png cannot be read"):
        twins(found.small[0], folders, tmp_path / "pooled")


def test_lists_that_do_not_fit(lists):
    source, images = lists
    text = (source / "bear.txt").read_text()
    (source / "bear.txt").write_text(text + "n03_98.png\nn03_99.png\n")
    with pytest.raises(OptionError, match="bear.txt names 2 files that are not in .*images, the first n03_98.png$"):
        class_files(source, images)
    (source / "bear.txt").write_text("\n")
    with pytest.raises(OptionError, match="bear.txt names no files$"):
        class_files(source, images)
    (source / "bear.txt").write_text(text + "n04_1.png\n")
    with pytest.raises(OptionError, match="^n04_1.png is in .*bear.txt and in .*cat.txt; an image has one class$"):
        class_files(source, images)


def test_folders_that_do_not_fit(folders, tmp_path):
    with pytest.raises(OptionError, match="^there is no folder .*nothing; it holds a folder, .* per class$"):
        class_files(tmp_path / "nothing")
    with pytest.raises(OptionError, match="has no classes; put them there as"):
        class_files(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.md").touch()
    with pytest.raises(OptionError, match="a has no images; put them there as .*/<class>/.*JPEG, or lists"):
        class_files(tmp_path)
    for more in ({"held_out": 1.0}, {"most": 1}):
        with pytest.raises(OptionError, match=r"no image of \w+ is left for the (train|small) set; \d+ are there"):
            class_images(folders, **more)
    with pytest.raises(OptionError, match="no image of airplane is left for the valid set; 30 are there"):
        class_images(folders, held_out=0)
