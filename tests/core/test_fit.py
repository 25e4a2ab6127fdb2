"""The training loop on a task small enough to work out: a line through points."""

import logging
import sys

import numpy as np
import pytest
import torch

from core import files
from core import fit as fit_module
from core.checkpoint import Checkpoints, read_checkpoint
from core.errors import CheckpointError, OptionError, SieveError
from core.fit import Stage, fit, lr_at, make_optimizer
from core.option_groups import RunOptions, TrainOptions
from core.signals import Signals
from core.store import Run
from core.trackers import Mirrors, check, trackers_of
from tasks.options import resolve


class Line:
    """Two stages that fit w x to 3 x, then to -x, from noisy draws, with dropout."""

    def __init__(self, optim, steps=(7, 5), targets=(3.0, -1.0)):
        self.w = torch.zeros(1)
        self.optim, self.steps, self.targets = optim, steps, targets
        self.drawn, self.finished = [], []

    def stages(self):
        for name, steps, target in zip("ab", self.steps, self.targets, strict=True):
            yield Stage(
                name=name,
                steps=steps,
                parameters=lambda: {"w": self.w},
                optim=self.optim,
                batch=self.draw,
                loss=lambda x, rows, target=target: (torch.dropout(self.w * x, 0.1, True) - target * x).square().mean(),
                evaluate=lambda: {"valid": -abs(self.w.item())},
                monitor="valid",
                on_end=lambda name=name: self.finished.append(name) or {f"final/{name}": self.w.item()},
            )

    def draw(self, rng, step):
        x = torch.randn(4, generator=rng)
        self.drawn.append((step, x.tolist()))
        return x

    def state_dict(self):
        return {"w": self.w.detach().clone()}

    def load_state_dict(self, state):
        with torch.no_grad():
            self.w.copy_(state["w"])


@pytest.fixture
def run(tmp_path):
    return Run.create(resolve({"task": "tuple_ff", "run.dir": str(tmp_path)}))


OPTIM = TrainOptions(lr=0.1, eval_every=3, grad_clip=None)


def go(task, run, seed=0, mirrors=None, **options):
    with Signals() as signals:
        return fit(task, run, seed, RunOptions(quiet=True, **options), mirrors or Mirrors((), run), signals)


def test_exact_steps_rows_and_summary(run):
    task = Line(OPTIM)
    summary = go(task, run)
    assert [step for step, _ in task.drawn] == [*range(7), *range(5)] and task.finished == ["a", "b"]
    rows = run.history()
    assert [(row["stage"], row["step"]) for row in rows] == [("a", 3), ("a", 6), ("a", 7), ("b", 10), ("b", 12)], (
        "validation every 3 steps of a stage and after its last"
    )
    assert summary == run.summary and summary["a/valid"] == rows[2]["a/valid"] and "final/b" in summary
    assert not any("second" in key or "time" in key for row in rows for key in row), "times are not reproducible"


class Carried(Line):
    """A line through points that are a function of the step, in stages that share their optimiser."""

    def __init__(self, optim, steps, start=0, carried=None):
        super().__init__(optim, steps, [3.0] * len(steps))
        self.start, self.carried = start, carried

    def stages(self):
        before = self.start
        for steps in self.steps:
            yield Stage(
                name="a", steps=steps, parameters=lambda: {"w": self.w}, optim=self.optim, carried=self.carried,
                batch=lambda rng, step, before=before: torch.tensor([1.0, 0.5 + (before + step) % 3]),
                loss=lambda x, rows: ((self.w - 3) * x).square().mean(), evaluate=dict,
            )  # fmt: skip
            before += steps

    def state_dict(self):
        return super().state_dict() | {"carried": self.carried}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.carried = state["carried"]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_an_optimiser_that_outlives_its_stage(tmp_path, optimizer):
    """Stages that carry its state on are one long stage; without it they begin anew, with other numbers."""

    def ended(steps, carried, die_at=None):
        name = f"{len(steps)}{carried}{die_at}"
        run = Run.create(resolve({"task": "tuple_ff", "run.dir": str(tmp_path / name)}))
        task = Carried(TrainOptions(lr=0.01, optimizer=optimizer, eval_every=3, grad_clip=None), steps,
                       carried={} if carried else None)  # fmt: skip
        if die_at is not None:
            with pytest.MonkeyPatch.context() as patch:
                step, left = fit_module.train_step, iter(range(die_at))
                patch.setattr(fit_module, "train_step", lambda *a: next(left, None) is None and 1 / 0 or step(*a))
                with pytest.raises(ZeroDivisionError):
                    go(task, run, checkpoint_every=2)
            task = Carried(task.optim, steps, carried={})
        go(task, run, checkpoint_every=2)
        return task.w.item()

    assert ended((5, 5, 3), True) == ended((13,), False) != ended((5, 5, 3), False)
    assert {ended((5, 5, 3), True, at) for at in (3, 5, 6, 8, 10, 12)} == {ended((13,), False)}


def test_the_global_generator_cannot_change_a_run(run, tmp_path):
    results = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        other = Run.create(resolve({"task": "tuple_ff", "run.dir": str(tmp_path / str(noise))}))
        results.append(go(Line(OPTIM), other))
    assert results[0] == results[1] != go(Line(OPTIM), run, seed=1)


def test_checkpoints_are_written_where_they_are_asked_for(run):
    go(Line(OPTIM), run, checkpoint_every=2, keep_checkpoints=("first", "best", "all"))
    steps = [path.name.split("-")[:2] for path in Checkpoints(run.path("checkpoints")).files()]
    at = [(int(stage), int(step)) for stage, step in steps]
    # before the first step, every 2 steps of a stage, where validation improved, and after each stage
    assert {(0, 0), (0, 2), (0, 4), (0, 6), (0, 7), (1, 7), (1, 9), (1, 11), (1, 12), (2, 12)} <= set(at)
    best = read_checkpoint(run.path("checkpoints", "best.pt"))["task"]["w"]
    assert -abs(float(best)) == max(row["b/valid"] for row in run.history() if row["stage"] == "b")


def test_a_loss_that_is_not_finite_is_one_line(run):
    task = Line(TrainOptions(lr=1e30, optimizer="sgd", eval_every=3, grad_clip=None))
    with pytest.raises(SieveError, match="the loss of stage a is (inf|nan) at step 3; a smaller learning rate"):
        go(task, run)


def test_a_full_disk_is_an_error_and_the_older_checkpoints_stay(run, monkeypatch):
    writes, replace = [], files.os.replace

    def full(source, target):
        if str(target).endswith(".pt"):
            writes.append(target)
            if len(writes) == 3:
                raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(CheckpointError, match="No space left on device; what was there before is intact"):
        go(Line(OPTIM), run, checkpoint_every=2)
    monkeypatch.undo()
    assert Checkpoints(run.path("checkpoints")).load()["position"]["step"] == 4
    assert go(Line(OPTIM), run, checkpoint_every=2)["final/b"]


def test_a_mirror_that_fails_is_left_out_and_the_run_goes_on(run, caplog):
    class Broken:
        calls = 0

        def row(self, row):
            Broken.calls += 1
            raise ConnectionError("server gone")

    mirrors = Mirrors((), run)
    mirrors.trackers["broken"] = Broken()
    with caplog.at_level(logging.WARNING):
        assert go(Line(OPTIM), run, mirrors=mirrors)["final/b"]
    assert Broken.calls == 1 and "the broken mirror failed and is off from here on: server gone" in caplog.text


def test_tensorboard_shows_the_rows(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    mirrors = Mirrors(("tb",), run)
    go(Line(OPTIM), run, mirrors=mirrors)
    mirrors.histogram("h", np.arange(10.0))
    mirrors.image("p", np.eye(4, dtype=np.uint8) * 255)
    mirrors.close(0)
    events = EventAccumulator(str(run.path("tb"))).Reload()
    shown = [(event.step, event.value) for event in events.Scalars("a/valid")]
    expected = [(row["step"], pytest.approx(row["a/valid"])) for row in run.history() if row["stage"] == "a"]
    assert shown == expected
    assert [event.value for event in events.Scalars("final/a")] == pytest.approx([run.summary["final/a"]])
    assert events.Histograms("h")[0].histogram_value.num == 10
    assert (events.Images("p")[0].width, events.Images("p")[0].height) == (4, 4)


@pytest.mark.parametrize(
    ("log", "agent", "expected"),
    [
        ("none", True, ()),
        ("tb", True, ("tb",)),
        ("all", False, ("tb", "wandb")),
        ("wandb", False, ("wandb",)),
        ("auto", False, ("tb",)),
        ("auto", True, ("wandb",)),
    ],
)
def test_what_log_stands_for(log, agent, expected, monkeypatch):
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    if agent:
        monkeypatch.setenv("WANDB_SWEEP_ID", "abcdefgh")
    assert trackers_of(log) == expected


def test_a_tracker_whose_package_is_missing_is_one_line(monkeypatch):
    monkeypatch.delitem(sys.modules, "core.wandb", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(OptionError, match="log=all needs the package wandb; once: make test"):
        check("all")


def test_plain_progress_lines(run, caplog):
    with caplog.at_level(logging.DEBUG, logger="sieve"):
        go(Line(OPTIM), run)
    lines = [line for line in caplog.messages if line.startswith("a 7/7")]
    assert len(lines) == 1 and "loss" in lines[0] and "steps/s" in lines[0] and "s left" in lines[0]


def test_learning_rates():
    optim = TrainOptions(lr=1.0, warmup=4, schedule="cosine")
    rates = [lr_at(optim, step, 12) for step in range(12)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0] and rates[8] == pytest.approx(0.5) and 0 < rates[-1] < 0.05
    assert lr_at(TrainOptions(lr=0.3), 7, 9) == 0.3
    line = TrainOptions(lr=1.0, warmup=2, schedule="linear")
    assert [lr_at(line, step, 6) for step in range(6)] == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    steps = TrainOptions(lr=1.0, warmup=2, schedule="step", decay_at=(4, 6), decay=0.5)
    assert [lr_at(steps, step, 9) for step in range(8)] == [0.5, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    paper = TrainOptions(lr=0.5, warmup=4000, schedule="inverse_sqrt")
    for i in (1, 7, 3999, 4000, 4001, 30_000):  # as the original writes it
        assert lr_at(paper, i - 1, 50_000) == pytest.approx(0.5 * 4000**0.5 * min(i * 4000**-1.5, i**-0.5))


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_s_own_numbers_are_the_options(optimizer):
    stage = next(Line(TrainOptions(optimizer=optimizer, beta2=0.9, eps=0.25)).stages())
    assert make_optimizer(stage).param_groups[0]["betas"] == (0.9, 0.9)
    assert make_optimizer(stage).param_groups[0]["eps"] == 0.25


def test_the_weight_decay_of_adamw_is_no_part_of_the_gradient():
    moved = {}
    for optimizer in ("adam", "adamw"):
        optim = TrainOptions(lr=0.5, optimizer=optimizer, weight_decay=0.25, grad_clip=None)
        task = Line(optim)
        stepping = make_optimizer(next(task.stages()))
        with torch.no_grad():
            task.w.fill_(8.0)
        task.w.grad = torch.zeros(1)
        stepping.step()
        moved[optimizer] = task.w.item()
    assert moved == {"adam": pytest.approx(8 - 0.5), "adamw": pytest.approx(8 * (1 - 0.5 * 0.25))}


class Planned(Line):
    """Two stages measured by a plan; the second has no steps."""

    def stages(self):
        for index, stage in enumerate(super().stages()):
            stage.eval_steps = {0, 2, 5} if index == 0 else {0}
            stage.lr_scales = {"w": 0.5}
            yield stage


def test_a_plan_says_when_to_measure(run):
    task = Planned(OPTIM, steps=(7, 0))
    go(task, run)
    rows = run.history()
    assert [(row["stage"], row["step"]) for row in rows] == [("a", 0), ("a", 2), ("a", 5), ("a", 7), ("b", 7)]
    assert rows[0]["a/valid"] == 0.0 and "a/loss" not in rows[0] and rows[0]["a/lr"] == 0.1
    assert rows[-1]["b/valid"] == rows[-2]["a/valid"] and task.finished == ["a", "b"]


def test_a_scaled_learning_rate_moves_less(run, tmp_path):
    sgd = TrainOptions(lr=0.01, optimizer="sgd", momentum=0.0, grad_clip=None)
    moved = []
    for number, kind in enumerate((Line, Planned)):
        task = kind(sgd, steps=(1, 0))
        go(task, Run.create(resolve({"task": "tuple_ff", "run.dir": str(tmp_path / str(number))})))
        moved.append(task.w.item())
    assert moved[0] > 0 and moved[1] == pytest.approx(0.5 * moved[0])


def test_momentum_is_the_option_s(run):
    task = Line(TrainOptions(lr=0.01, optimizer="sgd", momentum=0.25, grad_clip=None))
    stage = next(iter(task.stages()))
    assert fit_module.make_optimizer(stage).param_groups[0]["momentum"] == 0.25
