"""A run mirrored to W&B: what arrives, and what happens when the run, the server or the network ends."""

import signal

import pytest

from core import exit_codes as code
from core.store import Run
from tests.on_wandb.conftest import output, wait_for

LONG = ["--train.steps=4000", "--train.eval_every=50", "--mask.steps=50"]  # six seconds
AWAY = {"WANDB_FINISH_TIMEOUT": "3", "WANDB_INIT_TIMEOUT": "5"}  # the server will not come back


def runs_of(server, signature):
    return [run for run in server.state.runs.values() if run.config.get("signature") == signature]


def the_run(server, signature):
    (run,) = runs_of(server, signature)
    return run


def sent(run):
    """The rows the server has, once each, without W&B's own keys and pictures."""
    rows = {row["_step"]: row for row in run.history}
    kept = [{k: v for k, v in rows[step].items() if not k.startswith("_")} for step in sorted(rows)]
    return [row for row in kept if "stage" in row]


def assert_whole(server, local):
    """The server knows all of a finished run that its folder knows."""
    run = the_run(server, local.signature)
    assert local.state == "done" and run.state == "finished"
    assert sent(run) == local.history()
    assert {k: v for k, v in run.summary.items() if k in local.summary} == local.summary
    for path in [*local.path("masks").glob("*"), *local.path("arrays").glob("*")]:
        assert run.files[f"{path.parent.name}/{path.name}"] == path.read_bytes()


def local(folder, **options):
    (run,) = Run.query(folder, state=None, **options)
    return run


def test_what_arrives(server, machine, tmp_path):
    ended, text = machine.run(*machine.main(tmp_path / "r", "--run.sweep=some/sweep"))
    assert ended == code.DONE, text
    run = local(tmp_path / "r")
    assert_whole(server, run)
    there = the_run(server, run.signature)
    assert there.group == "some/sweep" and there.display_name == f"some/sweep/{run.signature}"
    assert set(there.tags) == {"tuple_ff", "gumbel"} and len(there.commit) == 40
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in run.options.items()}
    assert {name: there.config[name] for name in options} == options
    own = {"_step", "_runtime", "_timestamp", "_wandb", "step", "stage"}
    media = {k for k, v in there.summary.items() if isinstance(v, dict)} - own
    assert set(there.summary) - own - media == set(run.summary)
    assert {f"pair1/mask/layers.{i}.weight" for i in range(3)} < media
    assert there.summary["pair1/probability/layers.0.weight"]["_type"] == "histogram"
    picture = there.summary["pair1/mask/layers.0.weight"]
    assert there.files[picture["path"]].startswith(b"\x89PNG") and (picture["width"], picture["height"]) == (80, 16)
    assert not [name for name in there.files if name.startswith("tensors/")]

    ended, text = machine.run(*machine.main(tmp_path / "r", "--run.sweep=some/sweep"))
    assert ended == code.DONE and "already done" in text
    assert_whole(server, run)

    secret = server.key.encode()
    everything = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "netrc"]
    assert len(everything) > 20 and not [path for path in everything if secret in path.read_bytes()]


def test_a_killed_run_loses_nothing_and_goes_on(server, machine, tmp_path):
    long = ["--train.steps=6000", *LONG[1:]]
    process = machine.start(*machine.main(tmp_path / "r", *long, "--seed=2"))
    wait_for(lambda: Run.query(tmp_path / "r", state=None), "the run folder")
    run = local(tmp_path / "r")
    rows = wait_for(lambda: len(run.history()) > 8 and len(run.history()), "rows")
    wait_for(lambda: len(run.history()) > rows + 4, "some more rows")
    try:
        process.wait(2)  # W&B's file is written every second
    except Exception:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert run.state == "stopped", "it was too quick to be killed"
    (folder,) = run.path("wandb").glob("run-*")
    ended, text = machine.run("-m", "wandb", "sync", "--include-online", folder)
    assert ended == 0, text
    assert len(sent(the_run(server, run.signature))) >= rows + 4
    ended, text = machine.run(*machine.main(tmp_path / "r", *long, "--seed=2"))
    assert ended == code.DONE and "resuming" in text
    assert_whole(server, run)


def test_a_server_that_comes_back_has_missed_nothing(server, machine, tmp_path):
    process = machine.start(*machine.main(tmp_path / "r", *LONG, "--seed=3"))
    wait_for(lambda: Run.query(tmp_path / "r", state=None), "the run folder")
    run = local(tmp_path / "r")
    wait_for(lambda: len(run.history()) > 3, "rows")
    server.stop()
    rows = len(run.history())
    wait_for(lambda: len(run.history()) > rows + 20 or process.poll() is not None, "rows without a server")
    server.start()
    assert process.wait(100) == code.DONE, output(process)
    assert_whole(server, run)


def test_a_server_that_stays_away_gets_the_run_later(server, machine, tmp_path):
    process = machine.start(*machine.main(tmp_path / "r", *LONG, "--seed=4"), **AWAY)
    wait_for(lambda: Run.query(tmp_path / "r", state=None), "the run folder")
    run = local(tmp_path / "r")
    wait_for(lambda: len(run.history()) > 3, "rows")
    server.stop()
    try:
        never = machine.start(*machine.main(tmp_path / "n", "--seed=5"), **AWAY)  # it is away from the beginning
        assert process.wait(100) == code.DONE, output(process)
        assert never.wait(100) == code.DONE, output(never)
    finally:
        server.start()
    assert run.state == "done" and "wandb sync --include-online" in output(process)
    assert "W&B cannot be reached" in output(never) and "Traceback" not in output(process) + output(never)
    offline = local(tmp_path / "n")
    folders = [*run.path("wandb").glob("run-*"), *offline.path("wandb").glob("offline-run-*")]
    assert len(folders) == 2
    ended, text = machine.run("-m", "wandb", "sync", "--include-online", *folders)
    assert ended == 0, text
    assert_whole(server, run)
    assert_whole(server, offline)


def test_offline_and_disabled(server, machine, tmp_path):
    offline = machine.start(*machine.main(tmp_path / "o", "--seed=6"), WANDB_MODE="offline")
    disabled = machine.start(*machine.main(tmp_path / "d", "--seed=7"), WANDB_MODE="disabled")
    assert offline.wait(100) == disabled.wait(100) == code.DONE, output(offline) + output(disabled)
    off, none = local(tmp_path / "o"), local(tmp_path / "d")
    assert none.state == "done" and not none.path("wandb").exists()
    assert not runs_of(server, off.signature) and not runs_of(server, none.signature)
    ended, text = machine.run("-m", "wandb", "sync", *off.path("wandb").glob("offline-run-*"))
    assert ended == 0, text
    assert_whole(server, off)


def test_a_run_done_without_an_account_is_sent_later(server, machine, tmp_path):
    command = machine.main(tmp_path / "r", "--seed=8")
    assert machine.run(*machine.main(tmp_path / "r", "--seed=8", "--log=none"))[0] == code.DONE
    run = local(tmp_path / "r")
    assert not runs_of(server, run.signature)
    ended, text = machine.run(*command)
    assert ended == code.DONE and "already done" in text
    assert_whole(server, run)


@pytest.mark.parametrize(
    ("key", "text"),
    [("", "log=wandb needs an account: wandb login; or WANDB_MODE=offline, or log=tb"),
     ("abc", "log=wandb: WANDB_API_KEY invalid: API key must have 40"), ("x" * 40, "user is not logged in")],
    ids=["none", "short", "wrong"],
)  # fmt: skip
def test_an_account_that_is_none_is_one_line(machine, tmp_path, key, text):
    ended, said = machine.run(*machine.main(tmp_path / "r", "--seed=9"), WANDB_API_KEY=key)
    lines = [line for line in said.splitlines() if line.startswith("main.py: ")]
    assert ended == code.BAD_INPUT and len(lines) == 1 and text in lines[0] and "Traceback" not in said, said


@pytest.mark.parametrize(("name", "value", "text"), [
    ("WANDB_MODE", "sideways", "log=wandb: WANDB_MODE=sideways: input should be 'online'"),
    ("WANDB_BASE_URL", "nonsense", "log=wandb: WANDB_BASE_URL=nonsense: input should be a valid URL"),
    ("WANDB_PROJECT", "a/b c?", "log=wandb: Invalid project name 'a/b c?'"),
    ("WANDB_INIT_TIMEOUT", "soon", "log=wandb: WANDB_INIT_TIMEOUT=soon: input should be a valid number"),
])  # fmt: skip
def test_a_mistake_in_the_settings_is_one_line(machine, tmp_path, name, value, text):
    ended, said = machine.run(*machine.main(tmp_path / "r"), **{name: value})
    assert ended == code.BAD_INPUT and said.count("\n") == 1 and text in said, said
