"""Mean-pooled twins: of given segments and of Felzenszwalb's, gone on with, and never of two ways mixed."""

import sys

import numpy as np
import pytest
from PIL import Image

from core import exit_codes as code
from core.errors import OptionError
from data.mean_pool import main, mean_pool
from data.segments import Felzenszwalb, SavedSegments, pooled_labels, pooled_masks

H, W = 6, 8
IMAGE = np.random.RandomState(0).randint(0, 256, (H, W, 3)).astype(np.uint8)


def test_a_label_is_painted_in_the_mean_of_its_pixels():
    labels = np.zeros((H, W), np.int64)
    labels[:2], labels[2:, 3:] = 70_000, -1  # three segments, whatever their numbers
    pooled = pooled_labels(IMAGE, labels)
    assert pooled.dtype == np.uint8 and pooled.shape == IMAGE.shape
    for label in (0, 70_000, -1):
        inside = labels == label
        assert (pooled[inside] == np.rint(IMAGE[inside].mean(0))).all()


def test_small_masks_lie_on_large_ones_and_the_rest_is_a_segment():
    masks = np.zeros((3, H, W), bool)
    masks[0, 1:3, 1:3], masks[1, :4, :5], masks[2, 3:, 4:] = True, True, True  # small, large, and one on its corner
    pooled = pooled_masks(IMAGE, masks)
    small, large, corner = masks
    seen = [(small, small), (corner, corner), (large & ~small & ~corner, large), (~masks.any(0),) * 2]
    for inside, of in seen:  # a mean is of the pixels under other masks, too
        assert inside.any() and (pooled[inside] == np.rint(IMAGE[of].mean(0))).all()
    assert (pooled_masks(IMAGE, masks[:0]) == np.rint(IMAGE.mean((0, 1)))).all()


@pytest.fixture
def folders(tmp_path):
    """Four images with segments of each kind."""
    rng = np.random.RandomState(1)
    images = {name: rng.randint(0, 256, (H, W, 3)).astype(np.uint8) for name in ("a/1", "a/2", "b/c/1", "3")}
    for name, image in images.items():
        for root in ("images", "masks"):
            (tmp_path / root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "images" / f"{name}.png")
    left = np.zeros((H, W), np.int32)
    left[:, :3] = 1
    Image.fromarray(left.astype(np.uint8) * 200).save(tmp_path / "masks" / "a" / "1.png")
    Image.fromarray(left.astype(np.uint16) * 60_000).save(tmp_path / "masks" / "3.png")
    np.savez(tmp_path / "masks" / "a" / "2.npz", labels=left)
    np.savez(tmp_path / "masks" / "b" / "c" / "1.npz", masks=left[None].astype(np.uint8))
    return tmp_path, images


def pool(root, *more, masks="masks"):
    images, pooled, segments = (str(root / name) for name in ("images", "pooled", masks))
    return main([images, pooled, "--segments", "masks", "--masks", segments, *more])


def check(root, images):
    for name, image in images.items():
        found = np.asarray(Image.open(root / "pooled" / f"{name}.png"))
        for part in (slice(0, 3), slice(3, W)):
            assert (found[:, part] == np.rint(image[:, part].mean((0, 1)))).all(), name


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_folder_of_images(folders, capsys, processes):
    root, images = folders
    assert pool(root, "--processes", processes) == code.DONE
    assert capsys.readouterr().out == f"{root / 'pooled'}: 4 images pooled, 0 were there\n"
    check(root, images)
    assert len(list((root / "pooled").rglob("*.png"))) == 4


def test_what_is_there_is_left(folders, capsys):
    root, images = folders
    (root / "pooled" / "a").mkdir(parents=True)
    (root / "masks" / "3.png").rename(root / "masks" / "hidden")
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(root / "masks" / "3.png")  # the last: all but one are made
    assert pool(root) == code.BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.endswith("3.png: the segments are of 2x2 pixels, the image is of 6x8"), error
    made = {path: path.stat().st_mtime_ns for path in (root / "pooled").rglob("*.png")}
    (root / "masks" / "hidden").rename(root / "masks" / "3.png")
    assert pool(root) == code.DONE
    assert capsys.readouterr().out.endswith(f"{4 - len(made)} images pooled, {len(made)} were there\n")
    assert all(path.stat().st_mtime_ns == time for path, time in made.items())
    check(root, images)
    assert not list((root / "pooled").rglob("*.tmp"))


def test_only_what_lists_name(folders, capsys):
    root, images = folders
    (root / "lists").mkdir()
    (root / "lists" / "x.txt").write_text("a/1.png\na/2.png\n")
    (root / "lists" / "y.txt").write_text("3.png\n")
    assert pool(root, "--lists", str(root / "lists")) == code.DONE
    check(root, {name: images[name] for name in ("a/1", "a/2", "3")})
    assert not (root / "pooled" / "b").exists()
    assert pool(root, "--lists", str(root / "lists"), "--most", "1") == code.DONE
    assert capsys.readouterr().out.endswith("0 images pooled, 2 were there\n")


def test_two_ways_are_not_mixed(folders, capsys):
    root, _ = folders
    assert pool(root) == code.DONE
    (root / "masks").rename(root / "other")
    assert pool(root, masks="other") == code.BAD_INPUT
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "pooled was made with segments=masks masks=" in error and error.endswith("another folder, or remove it")


def test_mistakes_are_one_line(folders, capsys):
    root, _ = folders
    source, target, masks = (str(root / name) for name in ("images", "pooled", "masks"))
    given = ["--segments", "masks", "--masks", masks]
    for arguments, problem in (
        ([source], "the following arguments are required: target; --help says what there is"),
        ([source, target, "--segments", "sam"], "argument --segments: invalid choice: 'sam'"),
        ([source, target, "--segments", "masks"], "--segments masks needs --masks FOLDER"),
        ([source, target, "--masks", masks], "--masks is of --segments masks, and does nothing with felzenszwalb"),
        ([source, target, *given, "--scale", "3"], "--scale is of --segments felzenszwalb, and does nothing"),
        ([source, target, "--min-size", "0"], "--min_size=0 is too small; it must be at least 1"),
        ([source, target, *given, "--processes", "0"], "--processes=0 is too small; it must be at least 1"),
        ([source, source + "/pooled", *given], f"the target {source}/pooled is in the source {source}, and would be"),
        ([str(root / "none"), target, *given], f"no images in {root / 'none'}; they end in .jpeg, .jpg, .png, .webp"),
        ([source, target, "--segments", "masks", "--masks", source + "/a"],
         f"{source}/a has no segments of 4 of 4 images, the first 3.png; they are named as the image, and end in .png"),
    ):  # fmt: skip
        assert main(arguments) == code.BAD_INPUT
        error = capsys.readouterr().err
        assert error.startswith(f"data.mean_pool: {problem}") and error.count("\n") == 1, error
    assert not (root / "pooled").exists(), "nothing was begun"


@pytest.mark.parametrize(
    "contents, problem",
    [
        (b"no picture", "1.png cannot be read: cannot identify image file"),
        ({"labels": np.zeros((H, W))}, r"its labels are float64 \[6, 8\]; they must be whole numbers \[H, W\], one"),
        ({"masks": np.zeros((H, W), bool)}, r"its masks are bool \[6, 8\]; they must be 0 or 1 \[M, H, W\]"),
        ({"segments": np.zeros(3)}, r"1.npz must hold labels \[H, W\] or masks \[M, H, W\]; it has neither"),
        (np.zeros((H, W, 3), np.uint8), r"1.png: its labels are uint8 \[6, 8, 3\]; they must be whole numbers"),
    ],
)
def test_segments_that_cannot_be_used(folders, contents, problem):
    root, _ = folders
    path = root / "masks" / "a" / "1.png"
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    elif isinstance(contents, dict):
        path.unlink()
        np.savez(path.with_suffix(".npz"), **contents)
    else:
        Image.fromarray(contents).save(path)
    with pytest.raises(OptionError, match=problem):
        mean_pool(root / "images", root / "pooled", SavedSegments(root / "masks"))


def test_images_that_cannot_be_used(folders):
    root, images = folders
    Image.fromarray(images["3"]).save(root / "images" / "3.jpg")
    with pytest.raises(OptionError, match="^3.jpg and 3.png in .*images would have the same twin$"):
        mean_pool(root / "images", root / "pooled", SavedSegments(root / "masks"))
    (root / "images" / "3.jpg").unlink()
    (root / "images" / "3.png").write_bytes(b"no picture")
    with pytest.raises(OptionError, match="3.png cannot be read: cannot identify image file"):
        mean_pool(root / "images", root / "pooled", SavedSegments(root / "masks"))


def test_felzenszwalb_without_scikit_image_is_one_line(folders, monkeypatch):
    root, _ = folders
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(OptionError, match=r"^--segments=felzenszwalb needs scikit-image \(.*\): pip install .*=masks$"):
        mean_pool(root / "images", root / "pooled", Felzenszwalb())
    assert not (root / "pooled").exists()


def test_felzenszwalb_finds_the_halves(tmp_path):
    pytest.importorskip("skimage", reason="scikit-image is not installed; requirements-optional.txt has it")
    image = np.random.RandomState(0).randint(0, 20, (40, 50, 3)).astype(np.uint8)
    image[:, 20:] += 150
    (tmp_path / "images").mkdir()
    Image.fromarray(image).save(tmp_path / "images" / "x.png")
    arguments = [str(tmp_path / "images"), str(tmp_path / "pooled"), "--scale", "500", "--sigma", "0"]
    assert main(arguments) == code.DONE
    found = np.asarray(Image.open(tmp_path / "pooled" / "x.png"))
    for part in (slice(0, 20), slice(20, 50)):
        assert (found[:, part] == np.rint(image[:, part].mean((0, 1)))).all()
