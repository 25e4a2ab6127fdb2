"""Every option of every task: an odd value is refused in one line, and a value is one however it is written."""

import json
import math
import typing
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from core.conditions import conditions
from core.errors import SieveError
from core.limits import Items, Matching, PathName, Range, SweepName
from core.option_help import print_help
from core.options import OUTSIDE_SIGNATURE, assemble, build, flatten, leaves, open_groups, read_arguments, signature
from core.store import Run, describe
from core.values import as_text, coerce
from core.wandb import config_of
from masks.options import METHODS
from paper.sweeps import texts
from tasks.options import options_class, resolve, resolve_stored
from tasks.registry import OPTIONS

ODD = [
    "nan", "inf", "-inf", -1, 0, 1e300, 10**18, "", "abc", [1, 2], "[1, 2]", [], "ü☃", "a\nb", "\0", "x" * 300,
    math.nan, math.inf, -math.inf, None, True, {"a": 1}, "1e999999999", "9" * 5000, "[" * 5000, "0,,2", "..",
]  # fmt: skip


def with_masks(task):
    return "mask.method" in leaves(options_class(task))


CLASSES = [
    (task, method) for task in OPTIONS for method in METHODS
    if not (method == "signed-popup" and task in ("supsup", "hopsupsup", "induction_math", "induction_vision"))
    and (task != "supsup_nns" or method == "threshold") and (with_masks(task) or method == "gumbel")
]  # fmt: skip


def named(task, method):
    return {"task": task} | ({"mask.method": method} if with_masks(task) else {})


@pytest.mark.parametrize(("task", "method"), [(task, "") for task in OPTIONS] + [("edge_popup", m) for m in METHODS])
def test_an_odd_value_is_refused_in_one_line_or_inside_the_limits(task, method):
    start = {"task": task} | ({"mask.method": method} if method else {})
    known = leaves(options_class(task, method or None))
    for name in sorted(known.keys() - {"task", "mask.method"}):
        for value in ODD:
            try:
                options = resolve(start | {name: value})
            except SieveError as error:
                assert len(str(error)) < 500 and str(error).isprintable(), error
            else:
                found = flatten(options)[name]
                items = found if isinstance(found, tuple) else (found,)
                assert all(math.isfinite(item) for item in items if isinstance(item, float)), (name, value)
                assert coerce(name, known[name].type, found) == found, "inside the limits"


def test_every_number_has_limits():
    def limited(kind, inside=False):
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is Annotated:
            return limited(arguments[0], any(isinstance(limit, Range) for limit in arguments[1:]))
        if arguments and origin is not Literal:
            return all(limited(a) for a in arguments if a not in (type(None), Ellipsis))
        return kind not in (int, float) or inside

    assert not [name for name, kind in OF_ALL if not limited(kind)]


@pytest.mark.parametrize(("task", "method"), CLASSES)
def test_defaults_are_inside_the_limits_and_conditions_name_options(task, method):
    cls = options_class(task, method)
    known = leaves(cls)
    for name, leaf in known.items():
        assert coerce(name, leaf.type, leaf.default) == leaf.default
    for name, condition in conditions(cls):
        whole = build(cls, named(task, method))
        value = whole
        for part in condition.option.split("."):
            value = getattr(value, part)
        fixed = not any(f"{option}.".startswith(f"{name}.") for option in known)  # by the task
        if condition.option in known and "mask.method" != condition.option and not fixed:
            for wanted in condition.values:
                kind = known[condition.option].type
                item = wanted if not isinstance(value, tuple) or isinstance(wanted, tuple) else (wanted,)
                assert coerce(condition.option, kind, item) == item, (name, condition)


# One value, however it is written

WORDS = st.sampled_from(
    [
        "none",
        "null",
        "true",
        "1e3",
        "007",
        "yes",
        "~",
        "2020-01-01",
        "[12]",
        "a,b",
        "it's",
        " a ",
        "-",
        "1_0",
        "0x1",
        "{}",
        "{'a': 1}",
        "--x=1",
    ]
)
TEXTS = WORDS | st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)


def drawn(kind):
    """Return a strategy of the legal values of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        inner, limit = arguments
        if isinstance(limit, Range) and inner is int:
            edges = [n for n in (limit.low, limit.high, 2**53 + 1) if not limit.refusal(n)]
            return st.integers(limit.low, limit.high) | st.sampled_from(edges)
        if isinstance(limit, Range):
            return st.floats(limit.low, limit.high, exclude_min=limit.open_low, exclude_max=limit.open_high)
        if isinstance(limit, Items):
            item = drawn(typing.get_args(inner)[0])
            return st.lists(item, min_size=limit.least, max_size=3, unique=limit.once).map(tuple)
        if isinstance(limit, Matching):
            return st.sampled_from(["auto", "cpu", "cuda:1"])
        assert isinstance(limit, PathName | SweepName)
        return TEXTS.filter(lambda text: not limit.refusal(text))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(drawn(arguments[0]), max_size=3).map(tuple)
    if type(None) in arguments:
        (inner,) = (a for a in arguments if a is not type(None))
        return st.none() | drawn(inner).filter(lambda value: str(value).lower() not in ("none", "null"))
    return {bool: st.booleans(), str: TEXTS}[kind]


OF_ALL = {
    (name, leaf.type): (task, method)
    for task, method in CLASSES for name, leaf in leaves(options_class(task, method)).items()
    if name not in ("task", "mask.method")
}  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_value_is_one_value_and_one_signature_however_it_is_written(data, tmp_path_factory):
    name, kind = data.draw(st.sampled_from(sorted(OF_ALL, key=str)))
    task, method = OF_ALL[name, kind]
    value = data.draw(drawn(kind))
    plain = list(value) if isinstance(value, tuple) else value
    cls, start = options_class(task, method), named(task, method)
    try:
        wanted = assemble(cls, start | {name: value})
    except SieveError:  # it contradicts another option
        reject()
    assert flatten(wanted)[name] == value
    folder = tmp_path_factory.mktemp("run") / "x"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)  # the slow part
        describe(folder, wanted)
    command = [f"--{k}={v}" for k, v in start.items()]
    written = {
        "YAML": yaml.safe_load(yaml.safe_dump({name: plain}))[name],
        "YAML with signs": yaml.safe_load(yaml.safe_dump({name: plain}, allow_unicode=True))[name],
        "text": read_arguments([*command, f"--{name}={as_text(plain)}"])[name],
        "W&B's printing": read_arguments([*command, f"--{name}={plain}"])[name],
        "W&B's nested parameters": open_groups(read_arguments([f"--a={ {'b': plain} }"]), {"a.b"}.__contains__)["a.b"],
        "twice": read_arguments([f"--{name}={as_text(plain)}", f"--{name}={plain}"])[name],
        "JSON": json.loads(json.dumps({name: plain}))[name],
        "options.yaml": Run.load(folder).options[name],
    }
    for how, found in written.items():
        again = assemble(cls, start | {name: found})
        assert flatten(again)[name] == value and type(flatten(again)[name]) is type(value), (how, found)
        assert signature(again) == signature(wanted), (how, found)
        if not name.startswith(OUTSIDE_SIGNATURE):
            assert Run.load(folder).signature == signature(again)


@pytest.mark.parametrize(("given_", "expected"), [
    ("9007199254740993", 9007199254740993), ("9007199254740993.0", 9007199254740993), ("1e3", 1000), (1e3, 1000),
])  # fmt: skip
def test_a_whole_number_is_read_exactly(given_, expected):
    assert coerce("seed", int, given_) == expected


def test_nought_has_no_sign():
    assert math.copysign(1, coerce("x", float, "-0.0")) == 1


@pytest.mark.parametrize("text", ["0,,2", "1,", ",1", "[1,,2]", ","])
def test_an_empty_item_is_refused(text):
    with pytest.raises(SieveError, match="x=.* has an empty item"):
        coerce("x", tuple[int, ...], text)


@pytest.mark.parametrize("line", [
    ["--seed=1", "--seed=2"], ["--n-digits=1", "--n_digits=2"], ["--mask={'lr': 1}", "--mask.lr=2"],
    ["--mask.bias", "--mask.bias=0"], ["--task=tuple", "--task=addmul"], ["--seed=1", "--seed=1.0", "--seed=2"],
    ["--layer-sizes=1,2", "--layer_sizes=[1, 3]"], ["--mask={'lr': 1, 'steps': 5}", "--mask={'lr': 2}"],
])  # fmt: skip
def test_two_values_for_one_option_are_refused(line):
    with pytest.raises(SieveError, match=r"^\S+ is given twice: \S+ and .+$"):
        resolve(read_arguments(["--task=tuple_ff", *line]))


@pytest.mark.parametrize("line", [
    ["--seed=1", "--seed=1"], ["--mask.lr=5e-2", "--mask.lr=0.05"], ["--mask.bias=true", "--mask.bias=1"],
    ["--layer_sizes=1,2", "--layer-sizes=[1, 2]"], ["--mask={'lr': 0.05}", "--mask.lr=5e-2"],
    ["--mask.batch_size=none", "--mask.batch_size=None"],
])  # fmt: skip
def test_one_value_in_different_words_is_one_value(line):
    assert resolve(read_arguments(["--task=tuple_ff", *line])) == resolve(read_arguments(["--task=tuple_ff", line[0]]))


@pytest.mark.parametrize(("task", "method"), [(task, "") for task in OPTIONS] + [("edge_popup", m) for m in METHODS])
def test_all_that_wandb_is_told_of_a_run_is_that_run_when_it_comes_back(task, method, tmp_path):
    start = {"task": task, "run.dir": str(tmp_path), "seed": 2**53 + 1} | ({"mask.method": method} if method else {})
    options = resolve(start)
    describe(tmp_path / "x", options)
    told = config_of(Run.load(tmp_path / "x"))
    words = [f"--{name}={value}" for name, value in told.items()]  # as W&B writes them
    assert flatten(resolve(read_arguments([*words, "--_wandb={'t': {}}"]))) == flatten(options)
    back = json.loads(json.dumps(told), parse_int=lambda text: int(float(text)))  # by way of a language of doubles
    assert flatten(resolve(back)) == flatten(options)
    with pytest.raises(SieveError, match="signature=0123456789 came with the options of "):
        resolve(back | {"signature": "0123456789"})
    with pytest.raises(SieveError, match=r"revision=\{'task': 99\} came with"):
        resolve(read_arguments([*(w for w in words if "revision" not in w), "--revision={'task': 99}"]))


@pytest.mark.parametrize("name", ["../../x", "/x", "", ".", "a/./b", "a//b", "..", "a\nb", "a\0b", "x" * 300, " "])
def test_a_sweep_cannot_lead_out_of_its_folder(name):
    with pytest.raises(SieveError, match=r"^run\.sweep="):
        resolve({"task": "tuple", "run.sweep": name})
    with pytest.raises(SieveError, match=r"^run\.dir="):
        resolve({"task": "tuple", "run.dir": "" if name.strip("./xab") == "" and len(name) < 300 else name})


@pytest.mark.parametrize(("values", "text"), [
    ({"task": "tuple", "train.momentum": 0.8}, "train.momentum=0.8 is used only with train.optimizer=sgd (it is adam)"),
    ({"task": "tuple", "train.decay": 0.5}, "train.decay=0.5 is used only with train.schedule=step (it is constant)"),
    ({"task": "edge_popup", "mask.init": 1}, "unknown option 'mask.init' of mask.method=edge-popup; those that use it: "
     "gumbel, threshold, bernoulli"),
    ({"task": "edge_popup", "mask.bias": False}, "unknown option 'mask.bias'"),
    ({"task": "edge_popup", "trained": "weights", "mask.keep": 0.1},
     "mask.keep=0.1 is used only with trained=scores (it is weights)"),
    ({"task": "hopsupsup", "mask.include": "x"}, "unknown option 'mask.include'"),
    ({"task": "hopsupsup", "mask.penalty": 1}, "unknown option 'mask.penalty'"),
    ({"task": "supsup", "mask.bias": False}, "unknown option 'mask.bias'"),
    ({"task": "supsup", "learner": "heads", "infer.strategy": "none", "mask.method": "gumbel"},
     "mask.method=gumbel is used only with learner=masks (it is heads)"),
    ({"task": "supsup", "tasks.classes": 3}, "tasks.classes=3 is used only with tasks.kind=split (it is permuted)"),
    ({"task": "supsup", "infer.strategy": "none", "infer.images": 2},
     "infer.images=2 is not used with infer.strategy=none"),
    ({"task": "supsup", "train.beta2": 0.5}, "unknown option 'train.beta2'"),
    ({"task": "cnn_elcn", "split.at": "0,3", "split.count": 3},
     "split.count=3 is used only with split.at=none (it is 0,3)"),
    ({"task": "scan", "train_baseline": True, "scan.analyze_splits": "jump", "mask.lr": 0.5},
     "mask.lr=0.5 is used only with train_baseline=false (it is true)"),
    ({"task": "tuple", "mask.method": "edge-popup", "mask.er_scale": 2, "mask.keep": 0.3},
     "mask.keep=0.3 is used only with mask.er_scale=none (it is 2.0)"),
    ({"task": "tuple", "train.warmup": 30_000}, "train.warmup=30000 is beyond the end of the training (train.steps="),
    ({"task": "tuple", "mask.steps": 5, "mask.warmup": 6}, "mask.warmup=6 is beyond the end of the training (mask.s"),
    ({"task": "tuple", "tuple.delay": 20_001}, "tuple.delay=20001 is beyond the end of the training (train.steps=20"),
    ({"task": "edge_popup", "train.warmup": 101}, "train.warmup=101 is beyond the end of the training (train.epochs"),
    ({"task": "tuple", "run.device": "meta"}, "run.device=meta is not auto, cpu, cuda, cuda:1 or mps"),
    ({"task": "tuple", "train.lr": "nan"}, "train.lr=nan is not a finite number"),
    ({"task": "tuple", "train.lr": -1}, "train.lr=-1.0 is outside [0, 1e9]"),
    ({"task": "tuple", "train.steps": 1e30}, "train.steps=1000000000000000000000000000000 is outside [1, 1e9]"),
    ({"task": "supsup", "tasks_at_once": 11}, "tasks_at_once=11 is more than tasks.count=10"),
])  # fmt: skip
def test_what_would_do_nothing_or_harm_is_refused(values, text):
    with pytest.raises(SieveError) as error:
        resolve(values)
    assert str(error.value).startswith(text)


def test_an_option_at_its_default_is_never_in_the_way():
    for task in OPTIONS:
        assert resolve(flatten(resolve({"task": task}))).task == task


def test_help_shows_limits_and_conditions(capsys):
    print_help(options_class("tuple"), "main.py --task=tuple")
    shown = " ".join(capsys.readouterr().out.split())
    assert "[0, 1e9]; default: 0.001" in shown and "only with train.optimizer=sgd; default: 0.9" in shown


def test_a_stored_run_is_read_without_what_did_nothing():
    stored = flatten(resolve({"task": "edge_popup"})) | {"mask.init": 2.0, "mask.penalty": 1e-4, "mask.bias": True}
    assert signature(resolve_stored(stored)) == signature(resolve({"task": "edge_popup"}))
    assert texts(stored) == texts(flatten(resolve({"task": "edge_popup"})))
    once = flatten(resolve({"task": "tuple"})) | {"train.momentum": 0.8, "mask.method": "magnitude", "mask.init": 1.0}
    assert resolve_stored(once) == resolve({"task": "tuple", "mask.method": "magnitude"})
    with pytest.raises(SieveError, match="unknown option 'mask.nonsense'"):
        resolve_stored(stored | {"mask.nonsense": 1})
