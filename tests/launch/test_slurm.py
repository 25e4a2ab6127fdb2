"""Submitting, and the states of what was submitted, with programs that pretend to be Slurm's."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

import run
from core import exit_codes as codes
from core.errors import SieveError
from core.files import write_json
from core.run_state import read_status
from launch.slurm import cluster, launcher
from launch.slurm.cluster import PROGRAMS
from launch.snapshot import snapshot
from tests.launch.pretend import ROOT, tuple_sweep
from tests.launch.test_pool import until

STAND_IN = Path(__file__).with_name("stand_in.py")
LARGEST_ARRAY = 4


class Cluster:
    """A pretended cluster and a sweep of six runs."""

    def __init__(self, place: Path, file: Path, capsys: pytest.CaptureFixture):
        self.known, self.file, self.place, self.capsys = place / "known.json", file, place, capsys
        config = {"ClusterName": "c", "MaxArraySize": LARGEST_ARRAY + 1}
        nodes = {"127.0.0.1": "main*"}
        self.know(jobs={}, fail={}, calls=[], config=config, nodes=nodes)

    def know(self, **changed):
        """Change what the cluster knows."""
        found = json.loads(self.known.read_text()) if self.known.exists() else {}
        self.known.write_text(json.dumps(found | changed))

    def __getitem__(self, name):
        return json.loads(self.known.read_text())[name]

    def job(self, number, task, *squeue, sacct=()):
        """Say what squeue and sacct have of a task; nothing: nothing."""
        jobs = self["jobs"]
        jobs[number]["squeue"].pop(str(task), None)
        if squeue:
            jobs[number]["squeue"][str(task)] = list(squeue)
        jobs[number]["sacct"] += list(sacct)
        self.know(jobs=jobs)

    def run(self, *words, code=codes.DONE):
        """Call run.py and return what it said, an error as its text."""
        cluster.configuration.cache_clear()
        try:
            found = run.main([str(self.file), "--dir", str(self.place / "runs"), *words])
            assert found == code
        except SieveError as error:
            assert code == codes.BAD_INPUT, error
            return str(error)
        return self.capsys.readouterr().out

    def states(self):
        rows = [line.split() for line in self.run("--list").splitlines()]
        return [row[1] for row in rows if row[0].isdigit()]

    def folder(self, index):
        """Return the folder of a run."""
        row = self.run("--list").splitlines()[index].split()
        return self.place / "runs" / "pretend" / row[3]

    def finish(self, index):
        """Let a run be done."""
        folder = self.folder(index)
        write_json(folder / "status.json", {"state": "done"})
        (folder / "options.yaml").touch()

    def record(self):
        """Return the only record of a submission."""
        (path,) = (self.place / "runs" / "pretend" / ".slurm").glob("*.json")
        return path

    def age(self, seconds):
        """Have the record be so many seconds older."""
        found = json.loads(self.record().read_text())
        self.record().write_text(json.dumps(found | {"time": found["time"] - seconds}))


@pytest.fixture
def slurm(tmp_path, monkeypatch, sweep_file, capsys):
    (tmp_path / "bin").mkdir()
    for name in (*PROGRAMS, "srun"):
        program = tmp_path / "bin" / name
        program.write_text(f"#!{sys.executable} -IS\n{STAND_IN.read_text()}")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(tmp_path / "known.json"))
    monkeypatch.setattr(sys, "argv", ["run.py", "FILE", "--slurm"])
    monkeypatch.setattr(launcher, "snapshot", lambda root, _: root)  # a copy of all takes a while
    return Cluster(tmp_path, sweep_file(tuple_sweep([1, 2, 3, 4, 5, 6])), capsys)


def test_a_sweep_is_submitted_in_arrays_and_returns_at_once(slurm, monkeypatch):
    monkeypatch.setattr(launcher, "snapshot", snapshot)
    said = slurm.run("--slurm", "partition=main,time=4:00:00,cpus_per_task=3,qos=low,setup=x,hold=true", "--jobs", "2")
    assert said.startswith("6 submitted\njob 1 (pretend-") and said.splitlines()[-1].startswith("run.py ")
    one, two = (job["script"] for job in slurm["jobs"].values())
    for line in (
        "--array=0-2%2",
        "--partition=main",
        "--time=4:00:00",
        "--qos=low",
        "--setup=x",
        "--hold",
        "--signal=USR2@90",
    ):
        assert f"#SBATCH {line}\n" in one and f"#SBATCH {line}\n" in two
    assert "#SBATCH --requeue\n" in one and "--wckey" not in one
    assert "dependency" not in one and "#SBATCH --dependency=afterany:1\n" in two  # never more than 2 at a time
    assert "--cpus-per-task=3 sh -c" in one.split("srun")[1]
    copy = next((slurm.place / "runs" / ".code").iterdir())
    assert f"export PYTHONPATH={copy}$" in one and (copy / "main.py").read_bytes() == (ROOT / "main.py").read_bytes()
    assert slurm.states() == ["queued"] * 6


def test_several_runs_in_a_job(slurm):
    slurm.run("--slurm", "--per-job", "4")
    (job,) = slurm["jobs"].values()
    assert "#SBATCH --array=0-1%2\n" in job["script"]
    assert [[run["index"] for run in task] for task in json.loads(slurm.record().read_text())["tasks"]] == [
        [1, 2, 3, 4],
        [5, 6],
    ]
    slurm.job("1", 0, "RUNNING", "None")
    slurm.finish(1)
    write_json(slurm.folder(2) / "status.json", {"state": "running"})
    assert slurm.states() == ["done", "running", "queued", "queued", "queued", "queued"]
    assert "job 1_0 does run 1, 2, 4 too; name them" in slurm.run("--cancel", "--only", "3", code=codes.BAD_INPUT)
    assert slurm.run("--cancel", "--only", "1-4") == "cancel: 1 jobs (1_0 ... 1_0)\n"


RECENT = {"updated": time.time() + 3600}


def test_what_is_not_known_is_not_submitted_again_unless_it_is_named(slurm):
    slurm.run("--slurm", "--set", "seed=2")
    slurm.know(fail={"sacct": "Slurm accounting storage is disabled"})
    slurm.job("1", 0)
    said = slurm.run("--list")
    assert "run 2 is unknown: it is not in the queue, and accounting does not say how it ended (sacct: Slurm" in said
    assert "if its job has ended (sacct -j 1_0): --only 2" in said
    slurm.know(fail={"squeue": "Unable to contact slurm controller (connect failure)"})
    assert "run 2 is unknown: squeue: Unable to contact slurm controller (connect failure). Not" in slurm.run("--list")
    slurm.know(fail={})
    assert slurm.run("--slurm", code=codes.RESUME).startswith("5 submitted, 1 unknown\n")
    assert slurm.run("--slurm", "--only", "2").startswith("1 submitted\n")


def test_a_number_that_belongs_to_another_job_now_is_not_taken_for_ours(slurm):
    slurm.run("--slurm", "--only", "1")
    jobs = slurm["jobs"]
    slurm.know(jobs={"1": jobs["1"] | {"name": "theirs"}})
    assert slurm.states()[0] == "unknown"
    assert slurm.run("--cancel") == "cancel: 0 jobs\n"
    assert not any(call[0] == "scancel" for call in slurm["calls"])
    slurm.know(jobs={"7": jobs["1"]})  # our name, and not our number: a controller that has begun anew
    assert slurm.states()[0] == "unknown"


def test_failed_runs_wait_for_retry(slurm):
    slurm.run("--slurm", "--only", "1")
    write_json(slurm.folder(1) / "status.json", {"state": "failed", "error": "no luck"} | RECENT)
    said = slurm.run("--slurm", code=codes.FAILED)
    assert said.startswith("5 submitted, 1 failed\n") and "--retry-failed" in said
    assert "run 1 (tuple_ff seed=1): no luck" in slurm.run("--failures")
    assert slurm.run("--slurm", "--retry-failed").startswith("1 submitted, 5 queued\n")


def test_an_intent_without_a_job_is_settled_by_what_the_cluster_knows(slurm, monkeypatch):
    """The launcher was killed at sbatch: before it was called, or before its answer was written."""
    slurm.run("--slurm", "--set", "seed=1")
    path = slurm.record()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"job": None}))
    assert slurm.states()[0] == "queued", "found by its name"
    assert slurm.run("--cancel") == "cancel: 1 jobs (1_0 ... 1_0)\n"
    slurm.know(jobs={})
    assert "look again in a minute" in slurm.run("--list")
    slurm.age(100)
    assert slurm.states()[0] == "todo"
    slurm.know(fail={"sacct": "not now"})
    assert slurm.states()[0] == "unknown"


def test_a_refusal_leaves_nothing_behind(slurm):
    slurm.know(fail={"sbatch": "invalid partition specified: x"})
    said = slurm.run("--slurm", "partition=x", code=codes.BAD_INPUT)
    assert said == "sbatch: invalid partition specified: x; there are main"
    assert slurm.states() == ["todo"] * 6 and not list((slurm.place / "runs/pretend/.slurm").glob("*.json"))


def test_an_answer_that_did_not_come_is_no_refusal(slurm):
    slurm.know(fail={"sbatch": "Socket timed out on send/recv operation"}, submits_all_the_same=True)
    said = slurm.run("--slurm", "--set", "seed=1", code=codes.BAD_INPUT)
    assert (
        said
        == "sbatch: Socket timed out on send/recv operation; whether the jobs were submitted shows in a minute: --list"
    )
    assert slurm.states()[0] == "queued"


def test_one_launcher_at_a_time_and_one_cluster(slurm):
    place = slurm.place / "runs" / "pretend" / ".slurm"
    place.mkdir(parents=True)
    with FileLock(place / "lock"):
        said = slurm.run("--slurm", code=codes.BAD_INPUT)
        assert said.startswith("another run.py is submitting runs of ")
    slurm.run("--slurm", "--only", "1")
    slurm.know(config=slurm["config"] | {"ClusterName": "d"})
    said = slurm.run("--slurm", code=codes.BAD_INPUT)
    assert said.startswith("1 runs were submitted to the cluster c by ") and "this is d" in said
    assert slurm.states() == ["unknown", *["todo"] * 5]
    slurm.finish(1)
    assert slurm.run("--slurm").startswith("5 submitted, 1 done\n")


def test_what_slurm_has_is_not_run_here_too(slurm):
    slurm.run("--slurm", "--set", "seed=1")
    said = slurm.run("--all", code=codes.BAD_INPUT)
    assert said.startswith("Slurm has 1 of these runs (1_0 PENDING; --list shows all), submitted by ")
    slurm.know(fail={"squeue": "no answer"})
    assert slurm.run("--all", code=codes.BAD_INPUT).startswith("Slurm has 1 of these runs (1_0 UNKNOWN;")
    assert slurm.run("--only", "1", "--jobs", "1").endswith("1 done\n")


def test_hold_and_release(slurm):
    slurm.run("--slurm", "--only", "1-4")
    slurm.job("1", 0, "RUNNING", "None")
    slurm.job("1", 1, "PENDING", "JobHeldUser")
    assert slurm.run("--hold", "--only", "1,3") == "hold: 1 jobs (1_2 ... 1_2)\n"
    assert slurm["calls"][-1] == ["scontrol", "hold", "1_2"]
    assert slurm.run("--release") == "release: 1 jobs (1_1 ... 1_1)\n"
    assert slurm.run("--cancel").startswith("cancel: 4 jobs")


def test_mistakes_are_one_line(slurm, monkeypatch, capsys):
    assert slurm.run("--cancel", code=codes.BAD_INPUT).startswith("nothing of ")
    for words, expected in (
        (["--per-job", "2"], "--per-job goes with --slurm"),
        (["--slurm", "--jobs", "auto"], "--jobs auto is for this machine"),
        (["--slurm", "--gpus", "0"], "--gpus does not go with --slurm"),
        (["--hold", "--cancel"], "--hold does not go with --cancel"),
        (["--deadline", "0"], "'0' is not a number of minutes above 0"),
    ):
        with pytest.raises(SystemExit) as ended:
            run.main([str(slurm.file), *words])
        said = capsys.readouterr().err
        assert ended.value.code == codes.BAD_INPUT and expected in said and said.count("\n") == 1
    monkeypatch.setenv("PATH", "/nowhere")
    assert slurm.run("--slurm", code=codes.BAD_INPUT).startswith("no Slurm here: no sbatch on the PATH")


def task(slurm, fake, signals=(), again=0):
    """Do task 0 as on its node; return its exit code and what it said."""
    script = next(iter(slurm["jobs"].values()))["script"]
    command = shlex.split(script.split("srun", 1)[1].splitlines()[0])
    command = command[command.index("sh") :]
    env = os.environ | {"SLURM_ARRAY_TASK_ID": "0", "SLURM_JOB_ID": "9", "FAKE": fake}
    env |= {"PYTHONPATH": script.split("PYTHONPATH=")[1].split("$")[0], "SLURM_RESTART_COUNT": str(again)}
    process = subprocess.Popen(command, env=env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        if signals:
            until(lambda: read_status(slurm.folder(1)).get("state") == "running")
        for number in signals:
            process.send_signal(number)
        return process.wait(60), process.stdout.read()
    finally:
        process.kill()
        process.stdout.close()


def test_a_task_does_its_runs_and_says_so_in_their_folders(slurm):
    slurm.run("--slurm", "--only", "1-3", "--per-job", "3")
    code, said = task(slurm, "2=crash")
    assert code == codes.FAILED and "start 1" in said and "2 done, 1 failed" in said
    assert slurm.states()[:3] == ["done", "failed", "done"]
    assert task(slurm, "", again=1)[0] == codes.FAILED, "what failed in this very job is not tried for ever"


def test_a_task_that_is_told_to_save_goes_back_into_the_queue(slurm):
    slurm.run("--slurm", "--only", "1")
    code, said = task(slurm, "1=wait", [signal.SIGUSR2])
    assert code == codes.DONE and "saved, and back in the queue" in said
    assert ["scontrol", "requeue", "9"] in slurm["calls"]
    assert json.loads((slurm.folder(1) / "status.json").read_text())["state"] == "stopped"


def test_a_task_that_is_cancelled_saves_and_stays_away(slurm):
    slurm.run("--slurm", "--only", "1")
    code, said = task(slurm, "1=wait", [signal.SIGTERM])
    assert code == codes.DONE and "1 stopped" in said
    assert not any(call[:2] == ["scontrol", "requeue"] for call in slurm["calls"])
