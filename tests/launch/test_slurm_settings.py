"""What `--slurm` may say, and what the nodes can see."""

import os
import re
from pathlib import Path

import pytest

from core.errors import SweepError
from launch.slurm import cluster
from launch.slurm.records import divided
from launch.slurm.settings import Settings, read_settings
from tests.launch.pretend import ROOT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" ", {}),
        ("partition=gpu,time=240,gpus_per_node=1", {"partition": "gpu", "time": "240", "gpus_per_node": "1"}),
        ("--mem-per-cpu=4G, qos=low", {"mem_per_cpu": "4G", "qos": "low"}),
        ("exclude=node1,node2,time=1-12:00:00", {"exclude": "node1,node2", "time": "1-12:00:00"}),
        ("nodelist=n[1,3-5],gres=gpu:2", {"nodelist": "n[1,3-5]", "gres": "gpu:2"}),
        ("exclusive=true,hold=false,account=none", {"exclusive": True}),
        ("dependency=afterok:1:2", {"dependency": "afterok:1:2"}),
    ],
)
def test_options_of_sbatch_are_taken_as_they_are(text, expected):
    assert read_settings(text) == Settings(expected)


def test_seconds_for_saving_and_a_shared_disk_are_no_options_of_sbatch():
    assert read_settings("signal=USR2@120,shared=true") == Settings({}, 120, True)


def test_a_file_is_read_as_text_and_what_comes_later_wins(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("partition: gpu\ntime: 4:00:00   # 14400 for YAML 1.1\nexclusive: user\nexclude: [a, b]\n")
    found = read_settings(f"mem=1G,@{file},partition=cpu").sbatch
    assert found == {
        "mem": "1G", "partition": "cpu", "time": "4:00:00", "exclusive": "user", "exclude": "a,b"
    }  # fmt: skip


def test_the_example_is_one():
    assert read_settings(f"@{ROOT / 'examples' / 'cluster.yaml'}").sbatch["partition"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu", "--slurm gpu: 'gpu' is no option=value, such as --slurm partition=gpu,time=240"),
        ("=3", "--slurm =3: '=3' is no option=value"),
        ("array=0-3", "--slurm array=0-3: is not for you to set: --jobs and --per-job say how"),
        ("job-name=x", "--slurm job_name=x: is not for you to set"),
        ("signal=TERM@60", "--slurm signal=TERM@60: of it only the seconds can be chosen, such as signal=@120"),
        ("signal=@0", "--slurm signal=@0: of it only the seconds"),
        ("shared=maybe", "--slurm shared=maybe: is true or false"),
        ("@nowhere.yaml", "--slurm @nowhere.yaml: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_set_is_one_line(text, expected):
    with pytest.raises(SweepError, match=re.escape(expected)) as caught:
        read_settings(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must have lines such as partition: gpu"),
        ("- a\n", "must have lines such as partition: gpu"),
        ("a: [1\n", "not valid YAML: "),
        ("a: {b: 1}\n", "a: is neither a value nor a list of values"),
        ("output: x\n", "--slurm output=x: is not for you to set"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(tmp_path, text, expected):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(SweepError, match=re.escape(expected)) as caught:
        read_settings(f"@{tmp_path / 'c.yaml'}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("many", "most"), [(0, 4), (1, 4), (4, 4), (5, 4), (9, 4), (10_000, 1000)])
def test_division_into_arrays(many, most):
    parts = divided(range(many), most)
    assert [item for part in parts for item in part] == [*range(many)]
    assert len(parts) == -(-many // most)
    assert not parts or max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_folder_of_this_machine_is_refused_where_nodes_are_others(tmp_path, monkeypatch):
    known = {"gpu": ["192.0.2.7"], "": ["127.0.0.1"]}  # the first is nobody's
    monkeypatch.setattr(cluster, "_mount_of", lambda _: ("/", "ext4"))
    with pytest.raises(
        SweepError, match=r"is on / \(ext4\), a disk of this machine, and 192.0.2.7 is another one.*mounts"
    ):
        cluster.check_visible([tmp_path], "gpu", known)
    cluster.check_visible([tmp_path], "", known)
    cluster.check_visible([tmp_path], "nope", known)  # Slurm has its own words for that
    monkeypatch.setattr(cluster, "_mount_of", lambda _: ("/", "nfs4"))
    cluster.check_visible([tmp_path], "gpu", known)


@pytest.mark.skipif(not os.path.exists("/proc/self/mounts"), reason="Linux only")
def test_the_file_system_of_a_folder_is_found():
    assert cluster._mount_of(Path("/proc/self")) == ("/proc", "proc")
    assert cluster._mount_of(Path("/nowhere/at/all"))[0] == "/"


def test_the_environment_of_a_job_is_left_behind(monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "x")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    with cluster.leaving_a_job():
        assert os.environ["SLURM_CONF"] == "x" and "SLURM_MEM_PER_NODE" not in os.environ
    assert os.environ["SLURM_MEM_PER_NODE"] == "1"
