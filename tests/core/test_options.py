"""Every spelling a command line or a sweep file may use, the errors people see, and the pinned signatures."""

import pytest

from core.errors import BatchError, OptionError
from core.options import build, changed, coerce, flatten, leaves, open_groups, read_arguments, revisions, signature
from tasks.options import options_class, resolve
from tasks.registry import OPTIONS


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (int, "2e4", 20000),
        (int, 3, 3),
        (float, "1e-2", 0.01),
        (float, 1, 1.0),
        (bool, "1", True),
        (bool, "false", False),
        (bool, 0, False),
        (bool, True, True),
        (int | None, "none", None),
        (int | None, "Null", None),
        (int | None, None, None),
        (float | None, "0.5", 0.5),
        (tuple[int, ...], "800,800,64", (800, 800, 64)),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, ...], 5, (5,)),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (tuple[str, ...], "", ()),
        (tuple[int, ...], "(1,)", (1,)),
        (tuple[int, ...], "[]", ()),
        (tuple[int, ...], "()", ()),
        (tuple[int, ...], None, ()),
        (tuple[str, ...], "['none', 'ones']", ("none", "ones")),
        (tuple[str, ...], "['none']", ("none",)),
        (str, 12, "12"),
    ],
)
def test_values(kind, given, expected):
    value = coerce("x", kind, given)
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "no task given: --task=... is one of tuple, tuple_ff, tuple_ff_copyweight, addmul, addmul_ff"),
        ({"task": "tuple_ff", "mask.learning_rate": 1}, "unknown option 'mask.learning_rate'; here it is mask.lr"),
        ({"task": "tuple_ff", "iterations": 1}, "unknown option 'iterations'; here it is train.steps or mask.steps"),
        (
            {"task": "tupel_ff"},
            "unknown task 'tupel_ff'; allowed: tuple, tuple_ff, tuple_ff_copyweight, addmul, "
            "addmul_ff, scan, trafo_scan, deepmind_math, cifar10_class_removal, cifar10_resnet_hp_class_removal, "
            "cifar10_mask_stability, cifar10_grad_cos_distance, permuted_mnist, cnn_elcn, edge_popup, "
            "supsup, supsup_nns, induction_math, hopsupsup, induction_vision; did you mean 'tuple_ff'?",
        ),
        ({"task": "tuple", "sede": 1}, "unknown option 'sede'; did you mean 'seed'?"),
        (
            {"task": "tuple", "tuple.mode": "togetter"},
            "tuple.mode=togetter is not one of together, only_one, "
            "same_output, same_input, same_io, only_one_io; did you mean 'together'?",
        ),
        ({"task": "tuple_ff", "tuple.mode": "together"}, "unknown option 'tuple.mode'"),
        ({"task": "tuple", "train.steps": "many"}, "train.steps=many is not a whole number"),
        ({"task": "tuple", "train.steps": 1.5}, "train.steps=1.5 is not a whole number"),
        ({"task": "tuple", "train.steps": True}, "train.steps=True is not a whole number"),
        ({"task": "tuple", "train.lr": "fast"}, "train.lr=fast is not a finite number"),
        ({"task": "tuple", "mask.bias": "maybe"}, "mask.bias=maybe is not a boolean (true, false, 1, 0)"),
        ({"task": "tuple", "mask_lr": 1}, "unknown option 'mask_lr'; here it is mask.lr"),
        ({"task": "tuple", "stop_after": 1}, "unknown option 'stop_after'; here it is train.steps"),
        ({"task": "tuple", "epochs": 1}, "unknown option 'epochs'; here it is train.steps"),
        ({"task": "cnn_elcn", "epochs": 1}, "unknown option 'epochs'; here it is train.epochs"),
        ({"task": "cnn_elcn", "lc_lr": 1}, "unknown option 'lc_lr'; here it is split.lr"),
        ({"task": "cnn_elcn", "split.at": "0,200,3"}, "split.at=200: the CNN's epochs are 0 to 150 (train.epochs)"),
        ({"task": "cnn_elcn", "split.at": "3,3"}, "split.at=3,3 names 3 twice"),
        (
            {"task": "cnn_elcn", "split.branches": "elcn,elnc"},
            "split.branches=elnc is not one of control, elcn, efcn, lcn, fcn; did you mean 'elcn'?",
        ),
        ({"task": "cnn_elcn", "split.lr": "-0.1"}, "split.lr=-0.1 is outside (0, 1e9]"),
        ({"task": "cnn_elcn", "paths.lr": 0}, "paths.lr=0.0 is outside (0, 1e9]"),
        ({"task": "cnn_elcn", "data.noise": 0.1}, "data.noise=0.1 is not used with data.canvas=none"),
        ({"task": "cnn_elcn", "split.lr": "none"}, "split.lr=none must name at least one"),
        ({"task": "cnn_elcn", "paths.points": 2}, "paths.points=2 leaves a string nothing to move"),
        ({"task": "cnn_elcn", "paths.stiffness": 1}, "paths.stiffness=1.0 is outside [0, 0.5)"),
        (
            {"task": "cnn_elcn", "model": "alexnett"},
            "model=alexnett is not one of skinny, alexnet, digits, skinny_plus_fc; did you mean 'alexnet'?",
        ),
        (
            {"task": "tuple", "mask.method": "gumble"},
            "unknown mask method 'gumble'; allowed: gumbel, threshold, "
            "magnitude, edge-popup, signed-popup, bernoulli, "
            "continuous-sparsification, hard-concrete; did you mean 'gumbel'?",
        ),
        ({"task": "tuple", "mask.method": "edge-popup", "mask.keep": 0}, "mask.keep=0.0 is outside (0, 1]"),
        ({"task": "tuple", "mask.method": "magnitude", "mask.temperature": 1}, "unknown option 'mask.temperature'"),
    ],
)
def test_errors_say_what_is_allowed(values, text):
    with pytest.raises(OptionError) as error:
        resolve(values)
    assert str(error.value).startswith(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", ["0,,2", ",1", "1,", "[1,,2]", "1, ,2", ["1", ""], "['', 'a']", ","])
@pytest.mark.parametrize("kind", [tuple[int, ...], tuple[float, ...], tuple[str, ...]])
def test_an_empty_item_of_a_comma_list_is_refused(given, kind):
    with pytest.raises(OptionError, match="^split.at=.* has an empty item between its commas$"):
        coerce("split.at", kind, given)


def test_a_batch_that_does_not_split_names_the_nearest_that_do():
    with pytest.raises(BatchError, match="mask.batch_size=30 is not divisible by mask.samples=8; .*: 24 and 32"):
        resolve({"task": "tuple", "mask.samples": 8, "mask.batch_size": 30})


def test_command_lines():
    line = ["--task=tuple_ff", "--train.steps", "20", "-seed", "3", "--grad-clip=-1", "--flag", "--_wandb={}"]
    assert read_arguments(line) == {
        "task": "tuple_ff",
        "train.steps": "20",
        "seed": "3",
        "grad_clip": "-1",
        "flag": "true",
    }
    nested = read_arguments(["--mask={'lr': 0.1, 'x': {'y': [1, 2]}}"])
    assert open_groups(nested, lambda name: False) == {"mask.lr": 0.1, "mask.x.y": [1, 2]}
    assert open_groups(nested, lambda name: True) == nested
    with pytest.raises(OptionError, match="'tuple_ff' is not an option"):
        read_arguments(["tuple_ff"])


# Adding an option must rename no run. If this test fails, results on people's disks are orphaned.
# Those of revision 2 changed with a correction (CHANGELOG.md): their default holds out other pairs than before.
PINNED = {
    "tuple": "ad6bde70b3",
    "tuple_ff": "42a9204001",
    "tuple_ff_copyweight": "fca142ae8c",
    "addmul": "69b80fe0ec",
    "addmul_ff": "ec58778a3b",
    "cnn_elcn": "4be7c8cdc3",
    "edge_popup": "929840e539",
    "scan": "cdd8627e75",
    "trafo_scan": "1c19efe40e",
    "cifar10_class_removal": "573958db3f",
    "cifar10_mask_stability": "6dede66a11",
    "cifar10_resnet_hp_class_removal": "f11f44a5a1",
    "permuted_mnist": "2704aa5f01",
    "deepmind_math": "e19e40d2f0",
    "cifar10_grad_cos_distance": "1d81085787",
}


@pytest.mark.parametrize("task", PINNED)
def test_signatures_are_pinned(task):
    assert signature(resolve({"task": task})) == PINNED[task]


def test_a_signature_with_values_is_pinned():
    options = resolve(
        {
            "task": "tuple_ff",
            "seed": 3,
            "layer_sizes": "64,64",
            "mask.lr": "3e-2",
            "inverse_io": "ones",
            "data.split": "seen",
        }
    )
    assert changed(options) == {
        "task": "tuple_ff",
        "seed": 3,
        "layer_sizes": (64, 64),
        "mask.lr": 0.03,
        "inverse_io": ("ones",),
        "data.split": "seen",
    }
    assert signature(options) == "bc2fd8dbed"


def test_a_revision_above_one_is_part_of_the_signature(monkeypatch):
    options = resolve({"task": "tuple", "mask.method": "threshold", "data.split": "seen"})
    first = signature(options)
    assert revisions(options) == {} and first == "9ccc76e703"
    monkeypatch.setattr(type(options.mask), "revision", 2)
    second = signature(options)
    assert revisions(options) == {"mask": 2}
    monkeypatch.setattr(type(options), "revision", 3)
    assert revisions(options) == {"task": 3, "mask": 2}
    assert len({first, second, signature(options)}) == 3


@pytest.mark.parametrize(("values", "revision"), [
    ({"task": "tuple_ff"}, 2), ({"task": "addmul"}, 2),
    ({"task": "tuple_ff", "data.split": "unseen_order"}, 1), ({"task": "tuple_ff", "data.split": "seen"}, 1),
    ({"task": "tuple_ff", "data.split": "seen", "train.eps": 1e-6}, 2), ({"task": "scan", "train.beta2": 0.99}, 2),
    ({"task": "scan", "train.optimizer": "sgd"}, 1), ({"task": "deepmind_math"}, 2),
    ({"task": "deepmind_math", "train.beta2": 0.999, "train.eps": 1e-8}, 1),
    ({"task": "cifar10_grad_cos_distance"}, 2), ({"task": "cifar10_class_removal"}, 1),
])  # fmt: skip
def test_runs_that_a_correction_does_not_touch_keep_their_folders(values, revision):
    assert revisions(resolve(values)).get("task", 1) == revision


def test_what_cannot_change_a_result_does_not_change_the_signature():
    plain = signature(resolve({"task": "tuple"}))
    assert plain == signature(resolve({"task": "tuple", "run.dir": "x", "run.device": "cpu", "log": "none"}))
    assert plain == signature(resolve({"task": "tuple", "train.steps": "20000"})), "a default given is no change"
    assert plain != signature(resolve({"task": "tuple", "train.steps": "20001"}))
    assert plain != signature(resolve({"task": "tuple", "mask.method": "threshold"}))


UNSIGNED = [task for task in OPTIONS if "supsup" in task or "induction" in task]


@pytest.mark.parametrize("task", OPTIONS)
@pytest.mark.parametrize("method", ["gumbel", "threshold", "magnitude", "edge-popup", "signed-popup", "bernoulli"])
def test_options_survive_flattening(task, method):
    if task == "supsup_nns" and method != "threshold" or task in UNSIGNED and method == "signed-popup":
        with pytest.raises(OptionError, match="which only threshold masks allow|has no sign|turns signs round"):
            resolve({"task": task, "mask.method": method})
        return
    masked = any(name.startswith("mask.") for name in leaves(options_class(task, method)))
    options = resolve({"task": task, "seed": 5} | ({"mask.method": method} if masked else {}))
    assert build(options_class(task, method), flatten(options)) == options
    assert set(flatten(options)) == set(leaves(type(options)))


def test_all_unknown_names_are_answered_at_once():
    with pytest.raises(OptionError) as caught:
        resolve(
            {
                "task": "tuple_ff",
                "profile": "x",
                "stop_after": 1,
                "mask_lr": 1,
                "split_count": 3,
                "n_splits": 2,
                "sede": 1,
            }
        )
    assert str(caught.value).startswith(
        "unknown option 'profile'; that is a sweep file, see sweeps/; unknown option 'stop_after'; here it is "
        "train.steps; unknown option 'mask_lr'; here it is mask.lr; unknown option 'split_count'"
    )
    assert "'n_splits'; this task has none (others have it as split.count)" in str(caught.value)
    assert "'sede'; did you mean 'seed'?" in str(caught.value)
