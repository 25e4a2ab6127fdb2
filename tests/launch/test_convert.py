"""Files of the original programs: which one they are of, what is said of what is lost, and what is refused."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from core.errors import SweepError
from launch.convert.convert import ORIGINALS, convert
from launch.convert.modules import OF_TASK
from launch.convert.supsup_scripts import recipe
from launch.convert.untying import split_epochs
from launch.sweep import Sweep
from tasks.options import resolve
from tests.published.their_words import INDUCTION

ROOT = Path(__file__).parents[2]
PROFILE = "parameters: {profile: {value: scan}, %s: {value: 3}, sweep_id_for_grid_search: {values: [1, 2]}}"


def text_of(tmp_path, text, name="theirs.yaml"):
    (tmp_path / name).write_text(text)
    return convert(tmp_path / name)


def points_of(tmp_path, text):
    (tmp_path / "sieve.yaml").write_text(text)
    return Sweep.read(tmp_path / "sieve.yaml").points(resolve, "runs")


def notes(text):
    lines = [line for line in text.splitlines() if line.startswith("#")]
    return " ".join(line.lstrip("# ") for line in lines)


def test_every_sign_is_an_option_of_its_original_alone():
    for one in ORIGINALS:
        assert one.signs <= set(one.defaults)
        for other in ORIGINALS:
            assert one is other or not one.signs & set(other.defaults)


@pytest.mark.parametrize("original", ORIGINALS, ids=lambda one: one.title)
def test_all_unknown_options_are_named_at_once_with_the_nearest(tmp_path, original):
    known = sorted(original.signs)[:8]
    misspelt = [f"{known[0]}x", f"{known[1]}y"]
    said = []
    flat = "\n".join([f"{word}: 1" for word in (*known, *misspelt)])
    try:
        said.append(text_of(tmp_path, flat))
    except SweepError:  # not every value of 1 is one; the names must be right all the same
        from launch.convert.reading import read

        said += read(tmp_path / "theirs.yaml", ORIGINALS).notes
    for word, right in zip(misspelt, known, strict=False):
        assert f"{word} is left out" in " ".join(said)
        assert f"did you mean '{right}'" in " ".join(" ".join(said).replace("#   ", "").split())


def test_what_is_dropped_or_changed_is_said(tmp_path):
    text = text_of(tmp_path, PROFILE % "n_layers" + "\nmethod: bayes\nmetric: {name: validation/loss}\n")
    assert "method: bayes is a grid here" in notes(text) and "metric: is dropped" in notes(text)
    with pytest.raises(SweepError, match="mask.samples"):  # 3 examples are no multiple of 4 samples
        text_of(tmp_path, PROFILE % "mask_batch_size")


def test_the_regulariser_is_rescaled_to_the_mask_batch(tmp_path):
    text = text_of(tmp_path, (PROFILE % "mask_batch_size").replace("value: 3", "value: 512"))
    point = points_of(tmp_path, text)[0]
    assert point.options.mask.penalty == pytest.approx(3e-5 * 512 / 256)
    assert "divided by the training batch there" in notes(text)


def test_a_part_removed_becomes_the_part_kept(tmp_path):
    text = "arch: cResNet18\nset: CIFAR10\nconv_type: FixedSubnetConv\nprune_rate: 0.7\npretrained: a.pth\n"
    (point,) = points_of(tmp_path, text_of(tmp_path, text + "freeze_weights: true\n"))
    assert point.options.mask.keep == 0.3 and point.options.evaluate == "a.pth"


def test_a_command_line_reads_its_configuration(tmp_path):
    (tmp_path / "c.yaml").write_text("arch: Conv4\nset: CIFAR10\nconv_type: SubnetConv\nprune_rate: -1\nseed: 3\n")
    line = "python main.py --config c.yaml --prune-rate 0.2 --multigpu 0 --name x\n"
    (point,) = points_of(tmp_path, text_of(tmp_path, f"# ours\n$ {line}", "line.txt"))
    assert (point.options.mask.keep, point.options.seed, point.options.model) == (0.2, 3, "conv4")
    with pytest.raises(SweepError, match="no such file"):
        text_of(tmp_path, line.replace("c.yaml", "gone.yaml"), "line.txt")


def test_seeds_of_a_script_and_its_task_agnostic_flags(tmp_path):
    line = "python experiments/GG/splitcifar100/rn18-upperbound.py --gpu-sets='0|1' --seeds 3 --data=/data\n"
    text = text_of(tmp_path, line, "line.txt")
    assert [point.options.seed for point in points_of(tmp_path, text)] == [0, 1, 2]
    assert "--gpus of run.py" in notes(text) and "run.cache" in notes(text)
    with pytest.raises(SweepError, match="rn18-upperbound"):
        text_of(tmp_path, "python experiments/GG/splitcifar100/rn18-uperbound.py --seeds 3\n", "line.txt")


@pytest.mark.parametrize("file", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_sweep_of_ours_is_nothing_to_convert(file):
    with pytest.raises(SweepError, match="nothing to convert"):
        convert(file)


def test_main_py_is_of_the_repository_whose_options_it_is_given(tmp_path):
    for words, title in {
        "-task tuple_ff -stop_after 100": "modules",
        "--arch Conv4 --set CIFAR10 --conv-type SubnetConv --prune-rate .2": "hidden-networks",
        "--set=MNISTPerm --num-tasks 3 --model LeNet --conv_type FastMultitaskMaskConv --adaptor gt": "supsup",
        "--load_model results/alexnetprime_100.pyT --convert_to fc --lr 0.01": "anarchitectural-search",
    }.items():
        text = text_of(tmp_path, f"python main.py {words}\n", "line.txt")
        assert title in text.splitlines()[0] and points_of(tmp_path, text)


def test_split_epochs_are_truncated_without_doubles():
    assert split_epochs(150, 10) == (1, 3, 5, 9, 16, 28, 49, 85, 150)
    assert split_epochs(100, 20) == (1, 2, 3, 4, 5, 6, 8, 11, 14, 18, 23, 29, 37, 48, 61, 78, 100)
    assert split_epochs(150, 20) == (1, 2, 3, 4, 6, 8, 10, 13, 18, 23, 30, 40, 52, 67, 88, 115, 150)


def test_runs_that_are_no_grid_are_refused_with_the_reason(tmp_path):
    lines = "python experiments.py --epochs 10 --cnn_lr 0.1\npython experiments.py --epochs 20 --cnn_lr 0.2\n"
    with pytest.raises(SweepError, match=r"no grid .* train\.lr"):
        text_of(tmp_path, lines, "lines.txt")


@pytest.mark.parametrize(
    "text",
    (
        "a: 1\nb: 2\n",
        "parameters: {task: {value: tuple_ff}, train.steps: {value: 3}}",
        "python train.py --foo 1\n",
        "",
        "- 1\n",
        "arch: Conv4\nset: Fruit\nprune_rate: 1\n",
        "arch: [\n",
        "parameters: {profile: {value: nothing}, stop_after: {value: 3}}",
        "parameters: {profile: {value: scan}, stop_after: {value: many}}",
        "parameters: {profile: {value: scan}, stop_after: {min: 1, max: 3}}",
        "parameters: [1]\n",
        "parameters: {profile: {value: scan}, layer_sizes: {values: 3}}",
    ),
)
def test_what_is_no_file_of_an_original_is_one_line(tmp_path, text):
    with pytest.raises(SweepError) as caught:
        text_of(tmp_path, text)
    assert "\n" not in str(caught.value) and "theirs.yaml" in str(caught.value)


ODD = (0, -1, 1e999, "many", None, [1, 2], [], True, {"a": 1}, 10**30, "2020-01-01")
WHOLE = {
    "RobertCsordas/modules": [{"task": task, "stop_after": 100} for task in OF_TASK],
    "allenai/hidden-networks": [
        {"arch": "Conv4", "set": "CIFAR10", "conv_type": kind, "prune_rate": 0.3, "print_freq": 1}
        for kind in ("SubnetConv", "SampleSubnetConv", "DenseConv")
    ],
    "RAIVNLab/supsup": [recipe(name) | {"seed": 1} for name in ("rn18-supsup", "NNs/supsup", "hopsupsup")],
    "Rock-Z/instilling-inductive-bias": [parts[0] for parts in INDUCTION["induction_math"]],
    "chsanford/cnn-weight-tying and sdascoli/anarchitectural-search": [
        {"n_splits": 3, "cnn_lr": 0.1}, {"convert_to": "fc", "load_model": "x"}, {"net1_path": "x", "n_points": 3}
    ],
}  # fmt: skip


@pytest.mark.parametrize("original", ORIGINALS, ids=lambda one: one.title)
def test_no_value_of_any_option_ends_in_a_traceback(tmp_path, original):
    draw = random.Random(0)
    for word in original.defaults:
        whole, value = draw.choice(WHOLE[original.title]), draw.choice(ODD)
        group, dot, last = word.partition(".")
        nested = original.title.startswith("Rock") and dot
        given = whole | ({group: dict(whole.get(group, {})) | {last: value}} if nested else {word: value})
        if original.title == "RobertCsordas/modules":
            given = {"parameters": {name: {"value": one} for name, one in given.items()}}
        try:
            assert points_of(tmp_path, text_of(tmp_path, yaml.safe_dump(given)))
        except SweepError as error:
            assert "\n" not in str(error)


def test_run_py_prints_it_and_refuses_with_2(tmp_path):
    (tmp_path / "none.yaml").write_text("a: 1\nb: 2\n")
    (tmp_path / "it.yaml").write_text(PROFILE % "n_layers")
    one, two = (
        subprocess.run([sys.executable, ROOT / "run.py", tmp_path / name, "--convert"], capture_output=True, text=True)
        for name in ("it.yaml", "none.yaml")
    )
    assert one.returncode == 0 and len(points_of(tmp_path, one.stdout)) == 2
    assert two.returncode == 2 and two.stderr.startswith("run.py: ") and two.stderr.count("\n") == 1
