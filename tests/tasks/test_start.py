"""Seeds that the system draws, and runs done once more."""

import re
import shutil

import pytest
import yaml

import main
from core import exit_codes as code
from core.errors import SieveError
from core.options import signature
from core.store import Run
from launch.sweep import Sweep
from tasks.options import resolve
from tasks.start import start

FAST = [
    "--task=tuple_ff", "--data.train_size=100", "--data.eval_size=10", "--data.seen_size=5", "--layer_sizes=4",
    "--train.steps=4", "--mask.steps=2", "--mask.batch_size=16", "--run.quiet=true", "--log=none",
]  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A finished run whose seed was drawn."""
    root = tmp_path_factory.mktemp("drawn")
    assert main.main([*FAST, "--seed=entropy", f"--run.dir={root}"]) == code.DONE
    (run,) = Run.query(root)
    return run


def results(run):
    return {
        path.relative_to(run.folder): path.read_bytes()
        for part in ("masks", "arrays", "tensors", "summary.json", "history.jsonl")
        for path in ([run.path(part)] if "." in part else sorted(run.path(part).glob("*")))
    }


def test_the_number_drawn_is_the_runs_seed(drawn, tmp_path, capsys):
    seed = drawn.options["seed"]
    values = {"task": "tuple_ff", "seed": "entropy"}
    several = {start(values).seed for _ in range(4)}
    assert isinstance(seed, int) and len(several | {seed}) == 5 and all(0 <= s < 2**32 for s in several)
    given = [word for word in FAST if word != "--task=tuple_ff"]
    named = resolve({"task": "tuple_ff", "seed": seed} | dict(word[2:].split("=") for word in given))
    assert signature(named) == drawn.signature
    assert main.main([*FAST, "--seed=entropy", f"--run.dir={tmp_path}", "--run.device=cuda:99"]) != code.DONE
    said = re.match(r"seed=(\d+), drawn from the system: (\S+)", capsys.readouterr().out)
    assert Run.load(said[2]).options["seed"] == int(said[1])


def test_a_run_once_more_is_the_same_bit_for_bit(drawn, tmp_path):
    assert main.main([f"--repeat={drawn.folder}", f"--run.dir={tmp_path}"]) == code.DONE
    (again,) = Run.query(tmp_path)
    assert (again.signature, again.sweep) == (drawn.signature, drawn.sweep)
    assert results(again) == results(drawn) and len(results(drawn)) > 5


def test_a_copy_that_was_not_finished_is_done_where_it_lies(drawn, tmp_path, monkeypatch):
    folder = tmp_path / "runs" / drawn.sweep / drawn.signature
    folder.mkdir(parents=True)
    shutil.copy(drawn.path("options.yaml"), folder)
    monkeypatch.chdir(folder.parent)
    options = start({"repeat": drawn.signature})
    assert options.run.dir == str(tmp_path / "runs") and signature(options) == drawn.signature


def test_what_is_refused(drawn, tmp_path, capsys):
    def refusal(**values):
        with pytest.raises(SieveError) as error:
            start(values)
        return str(error.value)

    folder = str(drawn.folder)
    assert refusal(repeat=folder).endswith("is already done; remove it, or give another place with --run.dir")
    assert "not seed" in refusal(repeat=folder, seed="3")
    assert "not a run folder" in refusal(repeat=str(tmp_path))
    renamed = shutil.copytree(drawn.folder, tmp_path / "mine")
    assert "moved or renamed" in refusal(repeat=str(renamed))
    described = yaml.safe_load((renamed / "options.yaml").read_text())
    (renamed / "options.yaml").write_text(yaml.safe_dump(described | {"revision": {"task": 99}}))
    assert "revision 99 of tuple_ff" in refusal(repeat=str(renamed))
    described["options"]["train.steps"] = 5
    (renamed / "options.yaml").write_text(yaml.safe_dump(described))
    assert "they were changed" in refusal(repeat=str(renamed))
    assert "given twice" in refusal(task="tuple_ff", seed=main.read_arguments(["--seed=1", "--seed=2"])["seed"])
    assert main.main([f"--repeat={folder}"]) == code.BAD_INPUT and capsys.readouterr().err.count("\n") == 1


def test_a_sweep_needs_its_seeds(tmp_path, monkeypatch, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "program: main.py\nmethod: grid\nparameters:\n  task: {value: tuple_ff}\n  seed: {value: entropy}\n"
    )
    with pytest.raises(SieveError, match="a sweep needs its seeds"):
        Sweep.read(file).points(resolve, str(tmp_path))
    with pytest.raises(SieveError, match="a sweep needs its seeds"):
        start({"task": "tuple_ff", "seed": "entropy"}, by_agent=True)
