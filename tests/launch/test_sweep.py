"""A sweep file becomes points: every element of the schema, and every mistake named with its line."""

import math
import re

import pytest

from core.errors import SweepError
from launch.sweep import Sweep
from tests.launch.pretend import fake_resolve

HEAD = "method: grid\nparameters:\n  task: {value: toy}\n"


def points(path, **settings):
    runs = settings.pop("runs", None)
    return Sweep.read(path).with_values(settings).points(fake_resolve, "runs", runs)


def values(path, *names, **settings):
    return [tuple(point.values[name] for name in names) for point in points(path, **settings)]


def draws(sweep_file, spec, runs=200):
    text = f"method: random\nrun_cap: {runs}\nparameters:\n  task: {{value: toy}}\n  mask.lr: {spec}\n"
    parameter = Sweep.read(sweep_file(text)).parameters["mask.lr"]
    return [parameter.draw(index).value for index in range(runs)]


def error_of(path, runs=None):
    with pytest.raises(SweepError) as caught:
        points(path, runs=runs)
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix(str(path))


def test_a_grid_is_in_the_order_of_the_file_and_the_last_parameter_varies_fastest(sweep_file):
    path = sweep_file(HEAD + "  seed: {values: [2, 1]}\n  mask.lr: {values: [0.3, 0.1]}\n")
    assert values(path, "seed", "mask.lr") == [(2, 0.3), (2, 0.1), (1, 0.3), (1, 0.1)]
    assert [point.index for point in points(path)] == [1, 2, 3, 4]
    assert points(path)[0].varying == ("seed", "mask.lr")


def test_points_of_one_signature_are_one_point(sweep_file):
    path = sweep_file(HEAD + "  mask.lr: {values: [0.0001, 1e-4, '0.00010', 0.5]}\n  log: {values: [none, tb]}\n")
    found = points(path)
    assert [point.options.mask.lr for point in found] == [0.0001, 0.5]
    assert [point.index for point in found] == [1, 2]


def test_nested_parameters_become_dotted_names(sweep_file):
    path = sweep_file(HEAD + "  mask:\n    parameters:\n      lr: {value: 0.2}\n      steps: {values: [1, 2]}\n")
    assert values(path, "mask.lr", "mask.steps") == [(0.2, 1), (0.2, 2)]
    assert points(path)[0].options.mask.lr == 0.2


def test_values_may_be_lists_booleans_and_texts(sweep_file):
    path = sweep_file(HEAD + "  layer_sizes: {values: [[4, 5], '6,7']}\n  mask.bias: {values: [true, 0]}\n")
    options = [point.options for point in points(path)]
    assert [(o.layer_sizes, o.mask.bias) for o in options] == [
        ((4, 5), True),
        ((4, 5), False),
        ((6, 7), True),
        ((6, 7), False),
    ]


def test_a_grid_lists_whole_numbers_and_steps_of_q(sweep_file):
    path = sweep_file(
        HEAD + "  seed: {min: 3, max: 5}\n  mask.lr: {distribution: q_uniform, min: 0, max: 0.4, q: 0.1}\n"
    )
    assert [v for v, _ in values(path, "seed", "mask.lr")[::4]] == [3, 4, 5]
    assert [v for _, v in values(path, "seed", "mask.lr")[:4]] == [0, 0.1, 0.2, 0.3]


def test_anchors_and_merge_keys_are_yaml_too(sweep_file):
    path = sweep_file(HEAD + "  seed: &few {values: [1, 2]}\n  mask.steps: {<<: *few}\n")
    assert len(points(path)) == 4


def test_run_cap_and_runs_cut_the_grid(sweep_file):
    path = sweep_file("run_cap: 2\n" + HEAD + "  seed: {values: [1, 2, 3]}\n")
    assert values(path, "seed") == [(1,), (2,)]
    assert values(path, "seed", runs=3) == [(1,), (2,), (3,)]


def test_the_name_places_the_runs(sweep_file):
    assert points(sweep_file(HEAD))[0].folder.parts[:2] == ("runs", "toy")
    assert points(sweep_file("name: small/x\n" + HEAD))[0].folder.parts[:3] == ("runs", "small", "x")


def test_options_in_the_command_hold_for_every_run(sweep_file):
    command = 'command: ["${env}", python3, "${program}", "--run.sweep=toy", "--mask.steps=7", "${args}"]\n'
    assert points(sweep_file(command + HEAD))[0].options.mask.steps == 7
    same = points(sweep_file(command + HEAD + "  mask.steps: {value: 7.0}\n"))
    assert same[0].options.mask.steps == 7
    assert points(sweep_file(command + HEAD), **{"mask.steps": "8"})[0].options.mask.steps == 8
    two = sweep_file(command + HEAD + "  mask.steps: {values: [7, 8]}\n")
    assert error_of(two) == ":5: mask.steps is given twice: 7 and 8"  # as an agent's run would say


@pytest.mark.parametrize(
    ("spec", "holds"),
    [
        ("{min: 0.5, max: 2.0}", lambda x: 0.5 <= x <= 2.0),
        ("{distribution: uniform, min: 1, max: 2}", lambda x: 1 <= x <= 2 and isinstance(x, float)),
        ("{min: 3, max: 5}", lambda x: x in (3, 4, 5) and isinstance(x, int)),
        ("{distribution: log_uniform_values, min: 1.0e-4, max: 0.1}", lambda x: 1e-4 <= x <= 0.1),
        ("{distribution: q_uniform, min: 0, max: 1, q: 0.25}", lambda x: x in (0, 0.25, 0.5, 0.75, 1)),
        ("{distribution: categorical, values: [a, b]}", lambda x: x in ("a", "b")),
        ("{distribution: constant, value: 9}", lambda x: x == 9),
        ("{distribution: normal, mu: 5, sigma: 0.001}", lambda x: abs(x - 5) < 0.01),
        ("{distribution: q_normal, mu: 5, q: 0.5}", lambda x: x * 2 == int(x * 2)),
        ("{distribution: log_normal, sigma: 0.5}", lambda x: 0 < x < 20),
        ("{distribution: q_log_normal}", lambda x: x >= 0 and x == int(x)),
        ("{distribution: beta, a: 2}", lambda x: 0 < x < 1),
        ("{distribution: q_beta, q: 0.1}", lambda x: abs(x * 10 - round(x * 10)) < 1e-9),
        ("{distribution: log_uniform, min: -2, max: 1}", lambda x: math.exp(-2) <= x <= math.e),
        ("{distribution: inv_log_uniform, min: -2, max: 1}", lambda x: math.exp(-1) <= x <= math.exp(2)),
        ("{distribution: inv_log_uniform_values, min: 0.1, max: 7}", lambda x: 0.1 <= x <= 7),
        ("{distribution: q_log_uniform_values, min: 1, max: 9, q: 2}", lambda x: x in (0, 2, 4, 6, 8)),
        ("{distribution: q_log_uniform, min: 0, max: 2.2, q: 2}", lambda x: x in (0, 2, 4, 6, 8)),
        ("{distribution: int_uniform, min: -1, max: 36893488147419103232}", lambda x: -1 <= x <= 2**65),
        ("{distribution: uniform, min: -1.7e+308, max: 1.7e+308}", math.isfinite),
        ("{distribution: categorical_w_probabilities, values: [a, b], probabilities: [0.5, 0.5]}", "ab".__contains__),
    ],
)
def test_every_distribution_draws_within_its_bounds(sweep_file, spec, holds):
    found = draws(sweep_file, spec)
    assert all(holds(x) for x in found)
    assert "value:" in spec or len(set(found)) > 1


def test_log_uniform_spreads_over_the_exponents(sweep_file):
    found = draws(sweep_file, "{distribution: log_uniform_values, min: 1.0e-4, max: 1.0}")
    below = sum(math.log10(x) < -2 for x in found) / len(found)
    assert 0.35 < below < 0.65


def test_probabilities_weigh_the_values(sweep_file):
    found = draws(sweep_file, "{values: [a, b, c], probabilities: [0.9, 0.1, 0]}")
    assert found.count("a") > 150 and "c" not in found


def test_parameters_are_drawn_independently(sweep_file):
    path = sweep_file(
        "method: random\nrun_cap: 20\nparameters:\n  task: {value: toy}\n"
        "  seed: {min: 0, max: 9}\n  mask.steps: {min: 0, max: 9}\n"
    )
    found = values(path, "seed", "mask.steps")
    assert any(a != b for a, b in found)


def test_random_points_stay_when_more_are_asked_for_or_a_parameter_is_added(sweep_file):
    text = "method: random\nparameters:\n  task: {value: toy}\n  mask.lr: {min: 0.0, max: 1.0}\n"
    few = values(sweep_file(text), "mask.lr", runs=3)
    assert len(set(few)) == 3
    assert values(sweep_file(text), "mask.lr", runs=6)[:3] == few
    assert values(sweep_file(text + "  seed: {min: 0, max: 99}\n"), "mask.lr", runs=3) == few
    assert values(sweep_file(text), "mask.lr", runs=3, seed="4") == few


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("method: grid\nparameters:\n  task: [toy\n",
         ":4: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("method: grid\n\tparameters:\n",
         ":2: not valid YAML: found character '\\t' that cannot start any token"),
        ("", ": the file is empty; a sweep has at least method: and parameters:"),
        ("- a\n- b\n", ":1: not a sweep: the top of the file is not a mapping of keys to values"),
        (HEAD + "  seed: {value: !!python/object:os.x 1}\n",
         ":4: not valid YAML: could not determine a constructor"),
        (HEAD + "  seed: {value: 1}\n  seed: {value: 2}\n", ":5: 'seed' is given twice, first on line 4"),
        (HEAD + "  mask.lr: {value: 1}\n  mask: {parameters: {lr: {value: 2}}}\n",
         ":5: parameter 'mask.lr' is given twice, first on line 4"),
        ("a: &a\n  b: *a\n", ":1: nested more than 30 deep"),
        ("methd: grid\n" + HEAD,
         ":1: unknown key 'methd'; allowed: program, name, method, metric, command, parameters"),
        (HEAD + "metric: {name: x, gaol: minimize}\n",
         ":4: unknown key of metric: 'gaol'; allowed: name, goal, target, impute, impute_while_running; "
         "did you mean 'goal'?"),
        (HEAD + "metric:\n  name: x\n  goal: down\n", ":6: goal: down is not one of minimize, maximize"),
        ("parameters:\n  task: {value: toy}\n", ": no method:; allowed: grid, random, bayes, custom"),
        ("method: gird\nparameters:\n  task: {value: toy}\n",
         ":1: unknown method 'gird'; allowed: grid, random, bayes, custom; did you mean 'grid'?"),
        ("method: bayes\nparameters:\n  task: {value: toy}\n",
         ":1: method: bayes needs the W&B server; add --wandb"),
        ("method: grid\n", ": no parameters:; a sweep needs at least task: {value: ...} there"),
        ("method: grid\nparameters:\n", ":2: parameters: needs at least one, such as seed: {values: [1, 2]}"),
        ("run_cap: none\n" + HEAD, ":1: run_cap: none is not a whole number above 0"),
        ("name: ../x\n" + HEAD, ":1: name: '../x' is not a folder name, such as small/tuple_ff"),
        ("method: random\nparameters:\n  task: {value: toy}\n",
         ": method: random has no end; give run_cap: N there, or --runs N"),
        (HEAD + "  run.dir: {value: x}\n", ":4: run.dir is not a parameter; it comes from --dir"),
        ('command: ["${program}", "--run.sweep=other", "${args}"]\n' + HEAD,
         ":1: command: has --run.sweep=other but name: is toy; they must agree"),
        ("command: python main.py\n" + HEAD,
         ':1: command: must be a list of words, such as ["${program}", "${args}"]'),
        (HEAD + "  seed: 3\n", ":4: parameter 'seed' has no keys; write seed: {value: 3}"),
        (HEAD + "  seed: [3, 4]\n", ":4: parameter 'seed' has no keys; write seed: {values: [3, 4]}"),
        (HEAD + "  seed:\n    values: [1]\n    valeus: [2]\n",
         ":6: unknown key 'valeus' of parameter 'seed'; allowed: value, values, distribution, min, max, q, "
         "mu, sigma, a, b, probabilities, parameters; did you mean 'values'?"),
        (HEAD + "  mask:\n    lr: {value: 1}\n", ":5: unknown key 'lr' of parameter 'mask'"),
        (HEAD + "  seed: {values: []}\n",
         ":4: parameter 'seed' needs values: as a list with at least one entry, such as values: [1, 2]"),
        (HEAD + "  seed: {value: {a: 1}}\n",
         ":4: unknown option 'seed.a'; did you mean 'seed'?"),
        (HEAD + "  seed: {value: 1, min: 2}\n",
         ":4: parameter 'seed' of distribution constant has no min:; allowed: distribution, value"),
        (HEAD + "  seed: {distribution: int_uniform, min: 2}\n",
         ":4: parameter 'seed' of distribution int_uniform needs min: and max:"),
        (HEAD + "  seed: {distribution: unifrom, min: 1, max: 2}\n",
         ":4: parameter 'seed' has the unknown distribution 'unifrom'; allowed: constant, categorical, "
         "categorical_w_probabilities, int_uniform, uniform, q_uniform, log_uniform, q_log_uniform, inv_log_uniform, "
         "log_uniform_values, q_log_uniform_values, inv_log_uniform_values, normal, q_normal, log_normal, "
         "q_log_normal, beta, q_beta; did you mean 'uniform'?"),
        (HEAD + "  seed: {min: 1, max: 2.5}\n",
         ":4: parameter 'seed' has one whole bound; add distribution: uniform, or write both alike"),
        (HEAD + "  seed:\n    min: 9\n    max: 2\n", ":5: parameter 'seed' has min: 9 above max: 2"),
        (HEAD + "  seed: {distribution: int_uniform, min: 1, max: 2.5}\n",
         ":4: parameter 'seed' needs max: as a whole number, not 2.5"),
        (HEAD + "  mask.lr: {distribution: log_uniform_values, min: 0, max: 1}\n",
         ":4: parameter 'mask.lr' needs min: above 0 for log_uniform_values, not 0"),
        (HEAD + "  mask.lr: {distribution: q_uniform, min: 0, max: 1, q: 0}\n",
         ":4: parameter 'mask.lr' needs q: above 0, not 0"),
        (HEAD + "  seed: {values: [1, 2], probabilities: [0.5, 0.6]}\n",
         ":4: parameter 'seed' needs 2 probabilities that add up to 1, one for each value"),
        (HEAD + "  mask.lr: {min: 0.0, max: 1.0}\n",
         ":4: parameter 'mask.lr' is uniform, which a grid cannot list; write values: [...] or "
         "method: random"),
        (HEAD + "  seed: {min: 1, max: 1000000000}\n",
         ": the grid has 1000000000 points; more than 100000 need run_cap: N or --runs N"),
        (HEAD + "  mask.rl: {value: 1}\n", ":4: unknown option 'mask.rl'; did you mean 'mask.lr'?"),
        (HEAD + "  mask_lr: {value: 1}\n", ":4: unknown option 'mask_lr'; here it is mask.lr"),
        (HEAD + "  mask.lr:\n    values:\n      - 0.1\n      - fast\n", ":7: mask.lr=fast is not a finite number"),
        (HEAD + "  seed: {value: 1.5}\n", ":4: seed=1.5 is not a whole number"),
        ("method: grid\nparameters:\n  seed: {value: 1}\n  task: {value: tow}\n",
         ":4: unknown task 'tow'; allowed: toy"),
        ("method: grid\nparameters:\n  seed: {value: 1}\n", ": unknown task None; allowed: toy"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_file_and_the_line(sweep_file, text, expected):
    found = error_of(sweep_file(text))
    assert found.startswith(expected)


def test_a_missing_file_names_the_nearest(sweep_file, tmp_path):
    sweep_file(HEAD, "tuple_rnn.yaml"), sweep_file(HEAD, "addmul.yaml")
    for wrong in ("tuple_rn.yaml", "tuple_rnn"):
        with pytest.raises(SweepError, match=re.escape(f"did you mean '{tmp_path}/tuple_rnn.yaml'?")):
            Sweep.read(tmp_path / wrong)
    with pytest.raises(SweepError, match="there are: addmul.yaml, tuple_rnn.yaml"):
        Sweep.read(tmp_path / "zzz.yaml")
    with pytest.raises(SweepError, match="there is no folder"):
        Sweep.read(tmp_path / "no" / "x.yaml")
    with pytest.raises(SweepError, match="cannot be read: Is a directory"):
        Sweep.read(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SweepError, match="not a text file in UTF-8"):
        Sweep.read(tmp_path / "bytes.yaml")


def test_a_mistake_on_the_command_line_is_not_blamed_on_the_file(sweep_file):
    path = sweep_file(HEAD + "  seed: {values: [1, 2]}\n")
    with pytest.raises(SweepError, match="^--set: seed=x is not a whole number$"):
        points(path, seed="x")
