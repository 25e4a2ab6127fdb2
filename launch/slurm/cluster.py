"""What the launcher asks of Slurm's own programs, and what it can know of the nodes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from core.errors import SweepError

PATIENCE_SECONDS = 60.0  # a busy controller answers late
PROGRAMS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")
# Kinds of file systems that are a disk (or the memory) of one machine; all others come over a network.
OF_ONE_MACHINE = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "tmpfs", "ramfs", "devtmpfs")


class SlurmError(SweepError):
    """Slurm refuses something, or does not answer; the text ends with its own words."""


def check_installed() -> None:
    """Raise SlurmError where Slurm's programs are not there."""
    for name in PROGRAMS:
        if shutil.which(name) is None:
            raise SlurmError(f"no Slurm here: no {name} on the PATH; this is for the login node of a cluster")


def call(*command: str) -> str:
    """Run one of Slurm's programs and return what it printed.

    Raises:
        SlurmError: it is not there, it failed, or it gave no answer.
    """
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=outside_a_job())
    except FileNotFoundError:
        raise SlurmError(f"no {command[0]} on this machine") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        seconds = f"within {PATIENCE_SECONDS:.0f} s"
        why = seconds if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        raise SlurmError(f"{command[0]} gave no answer: {why}") from None
    if ended.returncode:
        raise SlurmError(f"{command[0]}: {words(ended.stderr) or f'code {ended.returncode}'}")
    return ended.stdout


def words(text: str) -> str:
    """Return what one of Slurm's programs complained about as one line, without its name before each part."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Try ")]
    return "; ".join(re.sub(r"^\w+: (error: )?", "", line) for line in lines)


def outside_a_job() -> dict[str, str]:
    """Return the environment without what a job would tell the jobs it submits: its memory, its tasks, its id."""
    return {name: value for name, value in os.environ.items() if name == "SLURM_CONF" or not name.startswith("SLURM_")}


@contextmanager
def leaving_a_job() -> Iterator[None]:
    """Have that environment in this process while the block runs."""
    before = dict(os.environ)
    kept = outside_a_job()
    for name in before.keys() - kept.keys():
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


@cache
def configuration() -> dict[str, str]:
    """Return the cluster's configuration: ClusterName, MaxArraySize and the rest of `scontrol show config`."""
    pairs = (line.partition("=") for line in call("scontrol", "show", "config").splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def largest_array() -> int:
    """Return how many tasks an array may have."""
    size = configuration().get("MaxArraySize", "")
    return max(1, int(size) - 1) if size.isdecimal() else 1000


def partitions() -> dict[str, list[str]]:
    """Return the addresses of the nodes of each partition; the default partition also under ""."""
    found: dict[str, list[str]] = {}
    for line in call("sinfo", "-h", "-N", "-o", "%P|%o").splitlines():
        name, _, address = line.partition("|")
        for key in {name.rstrip("*"), "" if name.endswith("*") else name}:
            found.setdefault(key, []).append(address)
    return found


def check_visible(folders: Iterable[Path], partition: str, known: dict[str, list[str]]) -> None:
    """Raise SlurmError for a folder that the nodes of a partition cannot see.

    It is told by the kind of its file system in /proc/self/mounts: that of one machine's disk, while the partition has
    nodes that are other machines.
    """
    addresses = [address for name in partition.split(",") for address in known.get(name, ())]
    others = sorted({address for address in addresses if not _is_here(address)})
    for folder in folders if others else ():
        place, kind = _mount_of(folder)
        if kind in OF_ONE_MACHINE:
            raise SlurmError(
                f"{folder} is on {place} ({kind}), a disk of this machine, and {others[0]} is another one: runs "
                "there would not see it. Take a folder that all nodes have, also for the code and its Python. What "
                "is looked at is the kind of the file system in /proc/self/mounts; if they do have it, add shared=true"
            )


def _is_here(address: str) -> bool:
    if address in ("localhost", "127.0.0.1", "::1", socket.gethostname(), socket.gethostname().partition(".")[0]):
        return True
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))  # only an address of this machine can be bound
        return True
    except OSError:
        return False


def _mount_of(folder: Path) -> tuple[str, str]:
    """Return where the file system of a folder is mounted, and its kind."""
    path, best = folder.resolve(), ("/", "unknown")
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return best
    for place, kind in (line.split()[1:3] for line in lines):
        mounted = place.encode().decode("unicode_escape")  # a blank is \\040 there
        if path.is_relative_to(mounted) and len(mounted) >= len(best[0]):
            best = (mounted, kind)
    return best
