"""Subtask induction on images: what each condition takes from the base, what is measured, and what is refused."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.io import write_png

import main
from core import exit_codes as code
from core.checkpoint import Checkpoints
from core.errors import SieveError
from core.store import Run
from core.trackers import Mirrors
from data.shape_texture import SHAPES
from masks.algebra import Masks
from tasks.check import Checked
from tasks.induction.conditions_options import WITH_MASK
from tasks.induction.cue_images import Set, images_of
from tasks.options import resolve
from tasks.registry import TASKS
from tests.tasks.pages import documented

TINY = {
    "task": "induction_vision", "data.base_size": 24, "data.mask_size": 12, "data.transfer_size": 12,
    "data.test_size": 30, "data.ambiguous_size": 12, "train.steps": 3, "train.batch_size": 8, "train.eval_every": 2,
    "train.warmup": 1, "mask.steps": 3, "mask.batch_size": 6, "mask.eval_every": 2, "mask.init": -0.25,
    "transfer.steps": 3, "transfer.batch_size": 6, "transfer.eval_every": 2, "transfer.warmup": 1, "log": "none",
    "run.quiet": True,
}  # fmt: skip
ALL = "subnet,random,complement,inverse,magnitude,rest,full,scratch,augmented"
FEW = {"train.steps": 1, "mask.steps": 3, "transfer.steps": 1, "transfer.conditions": "subnet,augmented"}
IN_FOLDERS = {name: value for name, value in TINY.items() if not name.startswith("data.")} | {
    "data.name": "folders", "train.batch_size": 2, "mask.batch_size": 2, "transfer.batch_size": 2, **FEW,
}  # fmt: skip
CONDITIONS = [
    {"transfer.conditions": ALL, "transfer.disambiguating": "5"},
    {"transfer.conditions": "subnet,rest", "transfer.head": "donor", "transfer.inherit": "heads.*,norms.*",
     "transfer.donor": "frozen,trained", "mask.unit": "output", "mask.bias": True},
    {"mask.method": "magnitude", "mask.keep": 0.3, "transfer.conditions": "subnet,complement"},
    {"transfer.conditions": "scratch"},
]  # fmt: skip


def run(folder, options):
    values = {k: v for k, v in (TINY | options).items() if v is not ...}
    assert main.main([f"--{k}={v}" for k, v in (values | {"run.dir": str(folder)}).items()]) == code.DONE
    (found,) = Run.query(folder)
    return found


def without_stages(options):
    """Return the options without those that play no part where nothing but `scratch` is trained, or by magnitude."""
    no_mask = options.get("transfer.conditions") == "scratch"
    left = [k for k in TINY if k.startswith("train.") and no_mask]
    magnitude = options.get("mask.method") == "magnitude"
    return options | {k: ... for k in [*left, *(k for k in TINY if k.startswith("mask.") and (no_mask or magnitude))]}


@pytest.fixture(scope="module", params=CONDITIONS, ids=lambda c: ",".join(map(str, c.values())))
def finished(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs"), without_stages(request.param))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Photographs of two classes as lists of ImageNet's names, their twins, and images with two cues."""
    root, rng = tmp_path_factory.mktemp("images"), torch.Generator().manual_seed(0)
    for name, synset in {"cat": "n01", "oven": "n02"}.items():
        files = [f"{synset}_{i}.png" for i in range(5 if name == "cat" else 3)]
        (root / "lists").mkdir(exist_ok=True)
        (root / "lists" / f"{name}.txt").write_text("\n".join(files))
        other = {"cat": "oven", "oven": "cat"}[name]
        for place in (
            *(f"train/{synset}/{file}" for file in files), *(f"pooled/{synset}/{file}" for file in files),
            f"conflict/{name}/{name}1-{other}1.png", f"conflict/{name}/{name}2-{name}1.png",
        ):  # fmt: skip
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            write_png(torch.randint(256, (3, 20, 24), generator=rng, dtype=torch.uint8), str(root / place))
    return root


def of_folders(root):
    return IN_FOLDERS | {
        "data.source": root / "lists", "data.images": root / "train", "data.pooled": root / "pooled",
        "data.conflict": root / "conflict", "data.most": 4,
    }  # fmt: skip


def clones(tensors):
    return {name: tensor.detach().clone().numpy() for name, tensor in tensors.items()}


def cells(run):
    return [p.stem for p in run.path("tensors").glob("*.npz") if p.stem not in ("base", "scores")]


def test_logged_keys_are_documented(finished):
    keys = set(finished.summary) | {key for row in finished.history() for key in row}
    assert keys and not {key for key in keys if not documented(key, "induction_vision.md")}
    for key, value in finished.summary.items():
        if value is None:
            assert "shape_bias" in key
            continue
        if any(word in key for word in ("accuracy", "rate", "shape_bias")):
            assert 0 <= value <= 1, key
        assert np.isfinite(value), key


def test_every_cell_is_measured_as_a_whole_and_by_class(finished):
    options, summary = finished.options, finished.summary
    front, end = "final/", "/shape_rate"
    names = {key[len(front) : -len(end)] for key in summary if key.startswith(front) and key.endswith(end)}
    masks = {"base"} | {f"mask/{path.stem}" for path in finished.path("masks").glob("*.npz")}
    assert {name.replace("/", "_") for name in names - masks} == {*cells(finished)}
    assert masks - names == ({"base"} if options["transfer.conditions"] == ("scratch",) else set())
    for name in names:
        for measure in ("accuracy", "pooled_accuracy", "shape_rate"):
            parts = [summary[f"final/{name}/{measure}/{shape}"] for shape in SHAPES]
            assert np.mean(parts) == pytest.approx(summary[f"final/{name}/{measure}"]), "classes are balanced"


def test_controls_have_the_size_of_the_subnetwork(finished):
    masks = {path.stem: Masks.load(path) for path in finished.path("masks").glob("*.npz")}
    if not masks:
        return
    subnet, summary = masks["subnet"], finished.summary
    assert 0 < subnet.count() == summary["kept/total"] < summary["size/total"] == subnet.size()
    counts = {name: [int(bits.sum()) for bits in mask.values()] for name, mask in masks.items()}
    left = [bits.numel() - n for bits, n in zip(subnet.values(), counts["subnet"], strict=True)]
    for name in masks:
        assert counts[name] == (left if name in ("inverse", "without_random") else counts["subnet"]), name
    assert {"random", "inverse", "without_random", "magnitude"} < {*masks}
    for name in {"complement", "inverse"} & {*masks}:
        assert (masks[name] & subnet).count() == 0
    assert (masks["random"] & subnet).count() < subnet.count()


def test_what_each_condition_takes_from_the_base(finished):
    """The donor's part is bit for bit what it was, unless it is trained; everything else is new and trained."""
    base = finished.tensors("base") if finished.path("tensors", "base.npz").exists() else {}
    for cell in cells(finished):
        condition = cell.split("_")[0].split(".")[0]
        found = finished.tensors(cell)
        heads = [n for n in found if n.startswith(("heads.", "fc."))]
        if condition == "scratch" or not base:
            assert not any(np.array_equal(found[n], base.get(n)) for n in found if n.endswith("weight"))
            continue
        moved = {n: np.abs(found[n] - base[n]).mean() for n in found if n in base and found[n].dtype == np.float32}
        if condition in ("full", "augmented"):
            assert all(d < 0.02 for n, d in moved.items() if n not in heads and "running" not in n)
        new_head = finished.options["transfer.head"] == "new"
        assert all((moved[n] > 0.03) == new_head for n in heads if n.endswith("weight")), "trained on from there"
        if condition in WITH_MASK:
            masks = Masks.load(finished.path("masks", f"{condition}.npz"))
            for name, mask in masks.items():
                if name in heads:
                    continue
                same = found[name] == base[name]
                kept = mask.numpy()
                assert same[kept].all() != ("trained" in cell) or not kept.any()
                assert not same[~kept].any() or "bias" in name
                assert "bias" in name or kept.all() or np.abs(found[name] - base[name])[~kept].mean() > 0.005, "new"


def test_one_cell_alone_has_the_numbers_that_it_has_among_all(tmp_path):
    whole, alone = (
        run(tmp_path / name, {"transfer.conditions": name, "transfer.disambiguating": counts})
        for name, counts in (("subnet,random,rest", "0,5"), ("random", "5"))
    )
    part = {k: v for k, v in whole.summary.items() if "random/5/" in k}
    assert part and part.items() <= alone.summary.items()
    assert whole.summary["random/0/loss"] != part["random/5/loss"], "five images more"


def test_conditions_see_the_same_and_repeats_do_not(tmp_path):
    values = {k: v for k, v in TINY.items() if not k.startswith("mask.")}
    values |= {"transfer.repeats": 2, "transfer.conditions": "full,scratch", "transfer.disambiguating": "4"}
    options = resolve(values | {"run.dir": str(tmp_path)})
    task = TASKS[options.task](options, Run.create(options), Mirrors((), None))
    seen = {}
    for cell in options.transfer.cells((4,)):
        task.begin_transfer(cell)
        seen[cell.name] = task.epochs.batch(2), {n: p.clone() for n, p in task.grafted.trained().items()}
    x, weights = zip(*seen.values(), strict=True)
    (full, scratch, *_), names = x, list(seen)
    assert names == ["full/4", "scratch/4", "full.1/4", "scratch.1/4"]
    assert torch.equal(full[0], scratch[0]) and torch.equal(full[1], scratch[1])
    assert torch.equal(weights[0]["heads.shape.weight"], weights[1]["heads.shape.weight"])
    assert not torch.equal(full[0], x[2][0])
    assert not torch.equal(weights[1]["convolutions.0.weight"], weights[3]["convolutions.0.weight"])


def test_images_of_each_stage(tmp_path):
    images = images_of(resolve(TINY | {"data.base_pooled": 0.5}), torch.device("cpu"))
    base, mask = images.base(), images.mask()
    assert (base.y[:, 1] < 0).tolist() == [True] * 12 + [False] * 12 and (mask.y[:, 1] < 0).all()
    plain, more, pooled = (images.transfer(*how) for how in ((0, 0, False), (5, 0, False), (5, 0, True)))
    assert torch.equal(more.x[:12], plain.x) and len(more.x) == 17 and torch.equal(pooled.x[:17], more.x)
    assert torch.equal(pooled.y, more.y.repeat(2, 1)) and len(pooled.x) == 34
    inside = [x[:, :, 12:20, 12:20].std((2, 3)).mean() for x in (pooled.x[:12], pooled.x[17:29])]
    assert inside[1] < 0.8 * inside[0], "no texture"
    unseen = images.unseen()
    trained = {tuple(x.flatten()[:40].tolist()) for part in (base, mask, pooled) for x in part.x}
    assert not trained & {tuple(x.flatten()[:40].tolist()) for part in vars(unseen).values() for x in part[0]}


def test_the_loss_weighs_classes_and_leaves_out_what_is_unknown(tmp_path):
    options = resolve(TINY | {"run.dir": str(tmp_path)})
    task = TASKS[options.task](options, None, Mirrors((), None))
    logits = torch.randn(8, 2, 6, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([[0, 1], [5, -1], [2, 2], [3, 3], [1, -1], [0, 0], [4, 5], [5, 1]])
    weights = torch.rand(6, generator=torch.Generator().manual_seed(1))
    for chosen in (None, weights):
        task.train_on(Set(torch.zeros(8, 3, 32, 32), y, chosen), 4, "x")
        wanted = sum(F.cross_entropy(logits[:, i], y[:, i], chosen, ignore_index=-1) for i in (0, 1))
        torch.testing.assert_close(task.loss(logits, y), wanted)
    assert task.loss(logits[:1], torch.tensor([[1, -1]])).isfinite(), "nothing of a head is known"


@pytest.mark.parametrize("model", ["cue_cnn", "resnet18"])
def test_folders(folders, tmp_path, model):
    """Trained and measured on a few photographs; ResNet-18 is only made, its images are large."""
    options = of_folders(folders) | {"model": model}
    made = Checked()({k: v for k, v in options.items()})
    images = images_of(made, torch.device("cpu"))
    assert images.classes == ("cat", "oven") and images.sizes == {"base": 5, "mask": 5, "transfer": 6}
    unseen, train = images.unseen(), images.transfer(0, 0, True)
    assert len(train.x) == 6 + 5 and not {*train.x.paths} & {*unseen.normal[0].paths, *unseen.pooled[0].paths}
    counts = torch.bincount(train.y[:, 0]).double()
    torch.testing.assert_close(train.weights[0] / train.weights[1], (counts[1] / counts[0]).float())
    assert len(unseen.conflict[0]) == 2, "those with one class for both cues say nothing"
    if model == "cue_cnn":
        found = run(tmp_path, options | {"data.base_size": ..., **{k: ... for k in TINY if k.startswith("data.")}, **{
            k: v for k, v in options.items() if k.startswith("data.")}})  # fmt: skip
        keys = set(found.summary)
        assert {"final/subnet/0/shape_rate/cat", "final/augmented/0/pooled_accuracy/oven"} < keys
        assert not {key for key in keys if not documented(key, "induction_vision.md")}


def test_resnet18_and_what_the_original_keeps_of_it(tmp_path, monkeypatch):
    """What is inherited without a mask stays, statistics of batch normalisation among it; of the whole base nothing."""
    written = {}  # and no file: the network is large
    monkeypatch.setattr(Checkpoints, "save", lambda *_, **__: None)
    monkeypatch.setattr(Run, "write_tensors", lambda _, name, tensors: written.update({name: clones(tensors)}))
    more = {"transfer.freeze_rest": True, "transfer.head": "donor", "transfer.conditions": "subnet,full"}
    one = {"train.steps": 1, "mask.steps": 1, "mask.init": -0.05, "transfer.steps": 1, "train.optimizer": "sgd"}
    found = run(tmp_path, more | one | {"model": "resnet18", "transfer.optimizer": "sgd", "transfer.lr": 0.1})
    keys = set(found.summary)
    assert "final/full/5/accuracy" not in keys and not {k for k in keys if not documented(k, "induction_vision.md")}
    assert "kept/layer4.1.conv2.weight" in keys and "kept/fc.weight" not in keys and 0 < found.summary["kept/total"]
    base = written["base"]
    for cell, stays in (("subnet_0", True), ("full_0", False)):
        tensors = written[cell]
        for name in ("bn1.weight", "bn1.running_mean", "fc.weight", "layer4.1.bn2.bias"):
            assert np.array_equal(tensors[name], base[name]) == stays, (cell, name)
        assert not np.array_equal(tensors["conv1.weight"], base["conv1.weight"])


def test_a_control_that_cannot_have_the_size_of_the_subnetwork_is_said(tmp_path, capsys):
    kept = {"mask.init": 0.1, "mask.lr": 0, "transfer.conditions": "complement"}
    values = TINY | kept | {"run.dir": str(tmp_path)}
    assert main.main([f"--{k}={v}" for k, v in values.items()]) == code.BAD_INPUT
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "main.py:" in line]
    assert "a control larger than its complement" in said and "convolutions.0.weight (432 of 432)" in said
    assert "mask.reduction=tensor_mean" in said


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"model": "vit_b_16"}, "model=vit_b_16 reads images of 224x224; those of data.name=drawn have 32x32"),
        ({"mask.unit": "head"}, "mask.unit=head: 'convolutions.0.weight' of shape [16, 3, 3, 3] has no heads"),
        ({"mask.method": "signed-popup", "mask.init": ...}, "mask.method=signed-popup turns signs round"),
        ({"mask.include": "fc.*"}, "mask.include=fc.* matches no parameter"),
        ({"transfer.inherit": "nrms.*"}, "inherit=nrms.* matches nothing without a mask"),
        ({"transfer.conditions": "subnet,randm"}, "transfer.conditions=randm is not one of subnet, random"),
        ({"train.batch_size": 25}, "train.batch_size=25 is more than the 24 images of its stage"),
        ({"pretrained": "resnet18.pth"}, "pretrained=resnet18.pth is not used with model=cue_cnn"),
        ({"model": "resnet18", "pretrained": "no.pth"}, "there is no file 'no.pth' with weights"),
        ({"train.head_only": True}, "train.head_only=true is not used with pretrained=none"),
        ({"transfer.conditions": "scratch"}, "is used only with transfer.conditions=subnet"),
        ({"data.source": "x"}, "data.source=x is used only with data.name=folders (it is drawn)"),
        ({"transfer.warmup": 9}, "transfer.warmup=9 is beyond the end of the training (transfer.steps=3)"),
    ],
    ids=lambda value: ",".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_mistakes_are_found_before_training(options, text):
    with pytest.raises(SieveError) as error:
        Checked()({k: v for k, v in (TINY | options).items() if v is not ...})
    assert text in str(error.value) and "\n" not in str(error.value)


def test_folders_that_do_not_fit_are_found_before_training(folders, tmp_path):
    options = of_folders(folders)
    names = (folders / "lists" / "oven.txt").read_text()
    for change, text in {
        ("data.source", "nowhere"): "there is no folder nowhere; it holds a folder, or a list of files, per class",
        ("data.pooled", tmp_path): "lacks the twins of 5 of 5 images, the first that of n01/",
        ("data.conflict", tmp_path): f"no images with two cues in {tmp_path}; put them there as",
        ("data.images", tmp_path): f"cat.txt names 5 files that are not in {tmp_path}, the first n01_0.png",
        ("data.most", 1): "no image of cat is left for the small set",
        ("transfer.disambiguating", 3): "transfer.disambiguating=3 is used only with data.name=drawn",
        ("train.batch_size", 6): "train.batch_size=6 is more than the 5 images of its stage",
    }.items():
        with pytest.raises(SieveError) as error:
            Checked()(options | dict([change]))
        assert text in str(error.value), change
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "oven.txt").write_text(names)
    with pytest.raises(SieveError, match="cat.*: unknown class 'cat'; there are oven"):
        Checked()(options | {"data.source": tmp_path / "lists"})


def test_folders_lie_in_the_cache_unless_they_are_named(folders, tmp_path):
    for name, place in {
        "sixteen_classes": "lists", "imagenet/train": "train", "sixteen_classes_pooled": "pooled",
        "cue_conflict": "conflict",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(folders / place)
    found = images_of(resolve(IN_FOLDERS | {"run.cache": str(tmp_path)}), torch.device("cpu"))
    assert found.classes == ("cat", "oven") and len(found.found.valid[1]) == 2
