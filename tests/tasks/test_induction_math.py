"""Subtask induction on modular arithmetic: what each transfer begins with, sees, and is measured by."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

import main
from core import exit_codes as code
from core.errors import MaskError, SieveError
from core.fit import make_optimizer, train_step
from core.rng import stream
from core.store import Run
from core.trackers import Mirrors
from data.induction_arithmetic import answers
from masks.algebra import Masks
from masks.units import units_of
from models.gpt import GPT
from tasks.check import Checked
from tasks.induction.conditions import check_complement, kept
from tasks.induction.conditions_options import CONDITIONS, WITH_MASK, Cell, GraftOptions
from tasks.induction.rule_names import slug
from tasks.options import resolve
from tasks.registry import TASKS
from tests.active import active
from tests.tasks.pages import documented

TINY = {
    "task": "induction_math", "data.operands": 9, "layers": 1, "width": 8, "heads": 2, "train.steps": 6,
    "train.warmup": 2, "train.eval_every": 3, "train.batch_size": 8, "mask.steps": 6, "mask.lr": 0.05, "mask.init": 0.0,
    "transfer.steps": 4, "transfer.evaluations": 2, "transfer.batch_size": 5, "transfer.disambiguating": "0,4",
    "log": "none", "run.quiet": True,
}  # fmt: skip


def values(folder, options):
    given = TINY | {name.replace("__", "."): value for name, value in options.items()} | {"run.dir": str(folder)}
    return active({name: value for name, value in given.items() if value is not None})


def run(folder, **options):
    assert main.main([f"--{name}={value}" for name, value in values(folder, options).items()]) == code.DONE
    (found,) = Run.query(folder)
    return found


def build(folder, **options):
    made = resolve(values(folder, options))
    stored = Run.create(made)
    return TASKS[made.task](made, stored, Mirrors((), stored))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs"), transfer__donor="frozen,trained")


def test_logged_keys_are_documented(finished):
    keys = set(finished.summary) | {key for row in finished.history() for key in row}
    assert len(keys) > 400 and not {key for key in keys if not documented(key, "induction.md")}


def test_numbers_are_numbers_and_fractions_are_fractions(finished):
    for name, value in finished.summary.items():
        assert math.isfinite(value), name
        if any(word in name for word in ("accuracy", "agrees", "selected", "last", "majority", "chance", "mask/kept")):
            assert 0 <= value <= 1 or name.endswith("step"), name


def test_a_stage_for_base_mask_and_every_transfer(finished):
    stages = list(dict.fromkeys(row["stage"] for row in finished.history()))
    donors = {c: ("", "_trained") if c in WITH_MASK else ("",) for c in CONDITIONS}
    assert stages == ["base", "mask"] + [
        f"{condition}{donor}/{count}" for count in (0, 4) for condition in CONDITIONS for donor in donors[condition]
    ]  # fmt: skip
    assert finished.history()[-1]["step"] == 6 + 6 + 4 * (len(stages) - 2)


def test_the_mask_is_saved_and_counted(finished):
    masks = Masks.load(finished.path("masks", "subnet.npz"))
    assert 0.05 < masks.density() < 0.5 and list(masks) == GPT(10, 4, 1, 8, 2, rng=stream(0, "x")).maskable()
    assert {f"kept/{name}": float(mask.count_nonzero()) for name, mask in masks.items()}.items() <= (
        finished.summary.items()
    )
    assert finished.summary["kept/total"] == masks.count() == finished.summary["mask/kept"] * masks.size()


def of_cell(found, name):
    rows = [{k: v for k, v in row.items() if k != "step"} for row in found.history() if row["stage"] == name]
    return rows, {k: v for k, v in found.summary.items() if k.startswith((f"{name}/", f"final/{name}/"))}


@pytest.mark.parametrize("cell", ["subnet/4", "random_trained/0", "full/4", "scratch/4"])
def test_a_cell_alone_has_the_numbers_that_it_has_within_the_grid(finished, tmp_path, cell):
    front, count = cell.split("/")
    condition, donor = front.removesuffix("_trained"), "trained" if "_trained" in front else "frozen"
    alone = run(tmp_path, transfer__conditions=condition, transfer__donor=donor, transfer__disambiguating=count)
    assert of_cell(alone, cell) == of_cell(finished, cell) and of_cell(alone, cell)[0]
    stages = {row["stage"] for row in alone.history()} & {"base", "mask"}
    assert stages == ({"base", "mask"} if condition in WITH_MASK else {"base"} if condition == "full" else set())


def test_repeats_share_base_and_mask_alone(finished, tmp_path):
    several = run(tmp_path, transfer__conditions="random", transfer__disambiguating="4", transfer__repeats=3)
    assert of_cell(several, "random/4") == of_cell(finished, "random/4")
    assert of_cell(several, "mask") == of_cell(finished, "mask")
    losses = {several.summary[f"random{repeat}/4/loss"] for repeat in ("", ".1", ".2")}
    assert len(losses) == 3 and documented("random.1/4/loss", "induction.md")


def test_transfers_from_the_base_of_another_run_are_those_of_that_run(finished, tmp_path):
    folder = {"parent": finished.folder, "mask__init": None, "mask__lr": None, "mask__steps": None}
    given = folder | {"transfer__conditions": "random,full,rest", "transfer__disambiguating": "4"}
    again, other = run(tmp_path / "a", **given), run(tmp_path / "b", seed=1, **given)
    for cell in ("random/4", "full/4", "rest/4"):
        assert of_cell(again, cell) == of_cell(finished, cell) != of_cell(other, cell)
    assert {row["stage"] for row in again.history()} == {"random/4", "full/4", "rest/4"}
    alone = run(tmp_path / "c", seed=1, transfer__conditions="random", transfer__disambiguating="4")
    assert of_cell(alone, "random/4") != of_cell(other, "random/4")
    assert other.summary["majority/target"] == finished.summary["majority/target"], "the pairs are the parent's"


@pytest.mark.parametrize(("options", "text"), [
    ({"width": 12}, "has weights of another network: words.weight is [10, 8], here [10, 12]"),
    ({"data.modulus": 4}, ": data.modulus is 5 in "), ({"heads": 4}, ": heads is 2 in "),
    ({"parent": "nowhere"}, "no folder 'nowhere'; parent is the folder of a finished run"),
    ({"train.lr": 0.5}, "train.lr=0.5 is used only with parent=none (it is "),
    ({"mask.unit": "head"}, "mask.unit=head is used only with parent=none"),
    ({"transfer.conditions": "scratch"}, "parent="),
])  # fmt: skip
def test_a_parent_that_does_not_fit_is_said(finished, options, text):
    given = {k: v for k, v in TINY.items() if not k.startswith(("mask.", "train."))} | {"parent": str(finished.folder)}
    with pytest.raises(SieveError) as error:
        Checked()(given | options)
    assert text in str(error.value) and "\n" not in str(error.value)


def test_transfers_differ(finished):
    cells = [name.split("/last")[0] for name in finished.summary if name.endswith("/last")]
    losses = {cell.removeprefix("final/"): finished.summary[f"{cell.removeprefix('final/')}/loss"] for cell in cells}
    assert len(set(losses.values())) == len(losses) == 2 * 13


# What a transfer begins with


def trained_task(folder, **options):
    """Return a task whose base and mask are as a stage of a few steps leaves them."""
    task = build(folder, **options)
    stages = task.stages()
    for _ in range(2):
        take(stage := next(stages))
        stage.on_end()
    return task, stages


def take(stage):
    optimizer = make_optimizer(stage)
    for step in range(stage.steps):
        train_step(stage, optimizer, 0, step)
    return optimizer


def begun(task, cell):
    task.begin(cell, task.options.seed)
    return task.graft.state_dict()


def test_what_each_condition_takes_from_the_base(tmp_path):
    task, _ = trained_task(tmp_path)
    base, masks = task.model.state_dict(), task.masked.masks("subnet")
    new = begun(task, Cell("scratch", 4))
    from_base = {}
    for condition in CONDITIONS:
        state = begun(task, Cell(condition, 4))
        from_base[condition] = {name: state[name] == base[name] for name in masks}
        for name, tensor in state.items():
            either = (tensor == base[name]) | (tensor == new[name])
            assert either.all(), "nothing comes from elsewhere, and all new weights are the same"
            if name not in masks:
                assert torch.equal(tensor, (new if condition == "scratch" else base)[name]), (condition, name)
    for name, mask in masks.items():
        mine = {condition: found[name] for condition, found in from_base.items()}
        assert torch.equal(mine["subnet"], mask) and torch.equal(mine["inverse"], ~mask)
        assert mine["full"].all() and not mine["rest"].any() and not mine["scratch"].any()
        for control in ("random", "complement", "magnitude"):
            assert mine[control].sum() == mask.sum() > 0, "as many are kept, not as many dropped"
            assert not torch.equal(mine[control], mask)
        assert not (mine["complement"] & mask).any()
        kept_least, dropped_most = base[name].abs()[mine["magnitude"]], base[name].abs()[~mine["magnitude"]]
        assert kept_least.min() >= dropped_most.max()


@pytest.mark.parametrize("donor", ["frozen", "trained"])
def test_the_donor_s_part_is_trained_only_when_asked(tmp_path, donor):
    task, stages = trained_task(tmp_path, transfer__conditions="subnet", transfer__donor=donor)
    base, masks = (
        {name: tensor.clone() for name, tensor in task.model.state_dict().items()},
        task.masked.masks("subnet"),
    )
    take(next(stages))
    state = task.graft.state_dict()
    for name, mask in masks.items():
        same = state[name] == base[name]
        assert same[mask].all() if donor == "frozen" else not same[mask].any()
        assert not same[~mask].any()
    assert not torch.equal(state["words.weight"], base["words.weight"]), "what has no mask is trained"
    assert all(torch.equal(tensor, base[name]) for name, tensor in task.model.state_dict().items()), "the base is not"


@pytest.mark.parametrize(("inherit", "taken"), [("none", ()), ("words*,*norm*", ("words", "norm"))])
def test_what_has_no_mask_is_inherited_as_asked(tmp_path, inherit, taken):
    task, _ = trained_task(tmp_path, transfer__inherit=inherit)
    base, new = task.model.state_dict(), begun(task, Cell("scratch", 0))
    for condition in (*WITH_MASK, "rest", "full"):
        state = begun(task, Cell(condition, 0))
        for name in state.keys() - task.masked.shapes.keys():
            source = base if condition == "full" or any(word in name for word in taken) else new
            assert torch.equal(state[name], source[name]), (condition, name)


@pytest.mark.parametrize("unit", ["output", "head"])
def test_controls_of_units_keep_as_many_units(unit):
    model = GPT(9, 4, 1, 8, 2, rng=stream(0, "x"))
    names = model.maskable()[:2]
    units = {name: units_of(model, name, unit) for name in names}
    some = {name: torch.arange(math.prod(u.scores)).view(u.scores) % 5 == 1 for name, u in units.items()}
    masks = Masks({name: units[name].spread(bits) for name, bits in some.items()}, units)
    for condition in ("random", "complement", "magnitude"):
        found = kept(condition, masks, model.state_dict(), 0)
        for name, bits in found.compact().items():
            assert bits.shape == units[name].scores and bits.sum() == some[name].sum()


def test_random_controls_are_a_function_of_seed_condition_and_repeat():
    masks = Masks({"w": torch.arange(400).view(20, 20) % 5 == 0})
    drawn = {
        (condition, seed, repeat): kept(condition, masks, {}, seed, repeat)["w"].flatten().tolist()
        for condition in ("random", "complement") for seed in (0, 1) for repeat in (0, 1)
    }  # fmt: skip
    assert len(set(map(tuple, drawn.values()))) == 8
    assert kept("random", masks, {}, 0, 1)["w"].flatten().tolist() == drawn["random", 0, 1]


def test_a_complement_that_is_too_small_is_said():
    masks = Masks({"a": torch.arange(10) < 6, "b": torch.arange(10) < 5, "c": torch.arange(3) < 2})
    with pytest.raises(
        MaskError, match=r"larger than its complement: .* more than half of a \(6 of 10\), c \(2 of 3\);"
    ):
        check_complement(masks, ("subnet", "complement"))
    check_complement(masks, ("subnet", "random"))
    with pytest.raises(MaskError, match="larger than its complement"):
        kept("complement", masks, {}, 0)


def test_a_complement_that_training_makes_too_small_ends_the_run_before_the_transfers(tmp_path, caplog):
    line = [f"--{k}={v}" for k, v in values(tmp_path, {"mask__init": 2.0, "mask__lr": 1e-6}).items()]
    assert main.main(line) == code.BAD_INPUT
    (found,) = Run.query(tmp_path, state=None)
    assert found.state == "failed" and "a control larger than its complement" in found.status["error"]
    assert found.summary["kept/total"] == found.summary["size/total"], "what was measured stays"
    assert main.main([*line, "--transfer.conditions=subnet,random"]) == code.DONE


def test_a_transfer_is_taken_up_again_with_all_it_had(tmp_path):
    task, stages = trained_task(tmp_path, transfer__conditions="subnet")
    take(next(stages))
    task.selection.note(3, 0.5, 0.4)
    again = build(tmp_path, transfer__conditions="subnet")
    again.load_state_dict(task.state_dict())
    again.begin(Cell("subnet", 0), again.options.seed)
    assert again.selection == task.selection and all(
        torch.equal(tensor, task.graft.state_dict()[name]) for name, tensor in again.graft.state_dict().items()
    )
    again.begin(Cell("subnet", 0), again.options.seed)
    assert again.selection.valid < 0, "another transfer begins anew"


# What a transfer sees, and what is measured


def pairs_of(rows):
    return {tuple(row) for row in rows[0][:, :2].tolist()}


@pytest.mark.parametrize("ambiguous", [True, False])
def test_nothing_that_is_tested_was_trained_on(tmp_path, ambiguous):
    task = build(tmp_path, transfer__ambiguous=ambiguous, transfer__disambiguating="4,20", data__operands=12)
    questions, same = task.questions, {(a, a) for a in range(12)}
    trained = [questions.seen("ab", None), questions.transfer(20, 0), questions.transfer(4, 0)]
    held = {tuple(pair) for part in ("valid", "test") for pair in getattr(questions.pairs, part).tolist()}
    assert held and not any(pairs_of(rows) & held for rows in trained)
    assert pairs_of(trained[1]) & same == (same if ambiguous else set())
    assert len(pairs_of(trained[1])) == 20 + 12 * ambiguous and pairs_of(trained[2]) <= pairs_of(trained[1])
    assert len(pairs_of(questions.seen("ab", 7))) == 7 + 12
    assert all(((a * a + a * b) % 5 == y) for (a, b, _), y in zip(*map(torch.Tensor.tolist, trained[1]), strict=True))


def test_all_conditions_see_the_same_batches(tmp_path):
    task, stages = trained_task(tmp_path, transfer__repeats=2)
    seen = {stage.name: [stage.batch(stream(0, "x"), step)[0].tolist() for step in range(4)] for stage in stages}
    for count in (0, 4):
        first = [batches for name, batches in seen.items() if name.endswith(f"/{count}") and "." not in name]
        again = [batches for name, batches in seen.items() if name.endswith(f".1/{count}")]
        assert len(first) == len(again) == 8 and all(batches == first[0] for batches in first)
        assert all(batches == again[0] for batches in again) and again[0] != first[0]


def knows(rule, modulus=5, words=10):
    """Return a network that answers by a rule."""

    def network(x):
        logits = torch.zeros(len(x), 3, words)
        logits[:, -1] = 9.0 * one_hot(answers(rule, x[:, :2], modulus), words)
        return logits

    return network


def test_the_rule_that_is_adopted_is_named(tmp_path):
    questions = build(tmp_path).questions
    assert questions.rivals == ["2a^2", "2b^2", "a^2 + b^2"]
    for rule in ("a^2 + ab", *questions.rivals):
        found = questions.adopted(knows(rule))
        assert found[f"agrees/{slug(rule)}"] == 1 and found["agrees/none"] == 0
        assert found["agrees/a2_plus_ab"] == questions.chances().get(f"chance/{slug(rule)}", 1)
        measured = questions.measure(knows(rule), "a^2 + ab", "ambiguous")
        assert measured["ambiguous/accuracy"] == 1, "it cannot be told there"
    other = questions.adopted(knows("ab"))
    assert 0 < other["agrees/none"] < 1
    assert 0.2 <= questions.majority("a^2 + ab") < 0.6


def test_losses_are_what_they_say(tmp_path):
    logits = torch.randn(6, 3, 10, generator=stream(0, "x"))
    for kind in ("answer", "published"):
        questions = build(tmp_path, loss=kind).questions
        x, y = rows = questions.transfer(4, 0)
        x, y = rows[0][-6:], rows[1][-6:]
        follow = torch.cat([x[:, 1:], y[:, None]], 1)
        parts = [cross_entropy(logits[:, i], follow[:, i]) for i in range(3)]
        expected = cross_entropy(logits[:, 2, :5], y) if kind == "answer" else sum(parts) / 3
        assert questions.loss(logits, (x, y)).item() == pytest.approx(expected.item())
        last = logits[:, -1, :5] if kind == "answer" else logits[:, -1]
        assert torch.equal(questions.read(logits), last), "of all answers, or of all words"


def test_selected_accuracies_are_those_of_the_steps_they_name(tmp_path, monkeypatch):
    task = build(tmp_path)
    task.begin(Cell("scratch", 0), 0)
    valid, test = [0.2, 0.6, 0.4, 0.6, 0.5], [0.3, 0.1, 0.9, 0.2, 0.4]
    steps = iter(zip(valid, test, strict=True))
    now = {}

    def measure(network, rule, part):
        if part == "valid":
            now.update(zip(("valid", "test"), next(steps), strict=True))
        return {f"{part}/accuracy": now.get(part, 0.0)}

    monkeypatch.setattr(task.questions, "measure", measure)
    for task.step in range(10, 15):
        task.measure_transfer()
    found = task.finish_transfer(Cell("scratch", 0))
    assert {name: found[f"final/scratch/0/{name}"] for name in ("last", "valid_selected", "oracle_selected")} == {
        "last": 0.4, "valid_selected": 0.2, "oracle_selected": 0.9,
    }  # fmt: skip
    assert (found["final/scratch/0/valid_selected_step"], found["final/scratch/0/oracle_selected_step"]) == (13, 12)
    assert found["final/scratch/0/agrees/none"] >= 0 and task.current is None


def test_the_last_row_is_the_last_step(finished):
    for cell in ("subnet/4", "full/0", "inverse_trained/4"):
        assert finished.summary[f"final/{cell}/last"] == finished.summary[f"{cell}/test/accuracy"]
        rows = [row for row in finished.history() if row["stage"] == cell and f"{cell}/test/accuracy" in row]
        assert len(rows) == 2 and rows[1]["step"] - rows[0]["step"] == 2
        best = max(row[f"{cell}/test/accuracy"] for row in rows)
        assert finished.summary[f"final/{cell}/oracle_selected"] == best


def test_any_rule_can_be_learned_from_its_own_pairs_alone(tmp_path):
    found = run(
        tmp_path, transfer__ambiguous=False, transfer__rule="a^3 + ab + b", transfer__disambiguating="9",
        transfer__conditions="subnet,scratch",
    )  # fmt: skip
    agrees = {name for name in found.summary if name.startswith("final/subnet/9/agrees")}
    assert agrees == {"final/subnet/9/agrees/a3_plus_ab_plus_b", "final/subnet/9/agrees/none"}


def test_what_an_uninduced_network_picks_needs_no_base(tmp_path):
    found = run(tmp_path, transfer__conditions="scratch", transfer__disambiguating="0")
    assert {row["stage"] for row in found.history()} == {"scratch/0"} and not list(found.path("tensors").glob("*"))
    assert "final/scratch/0/agrees/2a2" in found.summary and "chance/2a2" in found.summary


@pytest.mark.parametrize("options", [
    {"mask__method": "magnitude", "mask__keep": 0.4, "mask__init": None},
    {"mask__method": "hard-concrete", "mask__unit": "output", "mask__include": "*linear*"},
    {"loss": "published", "dropout": 0.2, "mask__bias": True, "mask__samples": 2, "train__optimizer": "sgd"},
])  # fmt: skip
def test_other_masks_and_losses_run(tmp_path, options):
    options |= {"transfer__conditions": "subnet,random", "transfer__disambiguating": "4"}
    found = run(tmp_path, **options)
    masks = Masks.load(found.path("masks", "subnet.npz"))
    assert any("bias" in name for name in masks) == options.get("mask__bias", False)
    assert not any("norm" in name or "words" in name for name in masks)
    assert 0 < masks.count() < masks.size()
    assert any(key.startswith("mask/") for key in found.summary) == (found.options["mask.method"] != "magnitude")


def test_no_dropout_while_a_mask_is_learned(tmp_path):
    task, _ = trained_task(tmp_path, dropout=0.5)
    task.masked.remove("subnet")
    (stage,) = [task.mask()]
    parameters = stage.parameters()
    batch = stage.batch(stream(0, "x"), 0)
    losses = {stage.loss(batch, stage.masking(0, 0.5)).item() for _ in range(4)}
    assert len(losses) == 1 and all(tensor.requires_grad for tensor in parameters.values())
    task.begin(Cell("full", 0), 0)
    assert len({task.questions.loss(task.graft(batch[0]), batch).item() for _ in range(4)}) == 4, "later there is"


def test_cells_are_every_combination_once():
    options = GraftOptions(conditions=("subnet", "full", "scratch"), donor=("frozen", "trained"), repeats=2)
    cells = options.cells([0, 8])
    names = [cell.name for cell in cells]
    assert names[:4] == ["subnet/0", "subnet_trained/0", "full/0", "scratch/0"] and len(set(names)) == len(names) == 16
    assert all(f"subnet_trained.1/{n}" in names for n in (0, 8))


# What is refused


@pytest.mark.parametrize(("options", "text"), [
    ({"transfer.rule": "a + ab"}, "transfer.rule=a + ab is not ambiguous where a = b: no other rule gives its answers"),
    ({"transfer.rule": "a^2+ab"}, "transfer.rule=a^2+ab is not one of a + ab, a^2 + ab"),
    ({"transfer.disambiguating": "0,60"}, "transfer.disambiguating=60 is more than the 50 pairs of the pool"),
    ({"train.rows": 51}, "train.rows=51 is more than the 50 pairs of the pool"),
    ({"mask.rows": 51}, "mask.rows=51 is more than the 50 pairs of the pool"),
    ({"data.modulus": 10}, "data.modulus=10 does not fit data.operands=9; allowed: 2 to 9"),
    ({"transfer.ambiguous": False}, "transfer.disambiguating=0: with transfer.ambiguous=false there would be nothing"),
    ({"mask.method": "magnitude", "mask.keep": 0.6},
     "transfer.conditions=complement: a control larger than its complement: the mask keeps more than half of blocks.0"),
    ({"mask.method": "signed-popup"}, "mask.method=signed-popup turns signs round"),
    ({"mask.include": "layers.*"}, "mask.include=layers.* matches no parameter; there are: blocks.0.norm1.weight"),
    ({"transfer.inherit": "embedding*"}, "transfer.inherit=embedding* matches nothing without a mask; there are: "),
    ({"heads": 3}, "width=8 cannot be shared by heads=3"),
    ({"transfer.conditions": "scratch", "mask.lr": 0.1}, "mask.lr=0.1 is used only with transfer.conditions=subnet"),
    ({"transfer.conditions": "scratch,full", "transfer.donor": "trained"}, "transfer.donor=trained is used only with"),
    ({"transfer.steps": 5, "transfer.epochs": 3}, "transfer.epochs=3 is used only with transfer.steps=none (it is 5)"),
    ({"transfer.conditions": "subnet,subset"}, "transfer.conditions=subset is not one of subnet, random"),
    ({"mask.method": "magnitude", "mask.lr": 0.5}, "mask.lr=0.5 is not used with mask.method=magnitude"),
])  # fmt: skip
def test_mistakes_are_said_before_training(options, text, tmp_path, capsys):
    given = active({k: v for k, v in TINY.items() if k not in options} | {"transfer.conditions": "subnet,complement"})
    given = {k: v for k, v in given.items() if not k.startswith(("mask.", "train."))} | options
    if "transfer.epochs" not in options:
        given.pop("transfer.steps", None)
    given |= {"run.dir": str(tmp_path)}
    with pytest.raises(SieveError) as error:
        Checked()(given)
    assert str(error.value).startswith(text) and "\n" not in str(error.value)
    assert main.main([f"--{name}={value}" for name, value in given.items()]) == code.BAD_INPUT
    assert not [row for found in Run.query(tmp_path, state=None) for row in found.history()]
