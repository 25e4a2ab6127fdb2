"""`--slurm partition=gpu,time=240` and `--slurm @cluster.yaml`: options of sbatch, passed on as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core.errors import SweepError

# Ours among the options of sbatch: where the answer is not on the command line, or two answers would contradict.
OURS = {
    "array": "--jobs and --per-job say how the runs are divided",
    "job_name": "jobs are found again by a name of their own",
    "output": "it lies beside the sweep's results",
    "error": "it lies beside the sweep's results",
    "open_mode": "a job that was requeued appends",
    "parsable": "the answer of sbatch is read",
    "wait": "run.py returns at once; --list says how it goes",
    "wrap": "the command is the sweep's",
    "ntasks": "a run is one process",
    "ntasks_per_node": "a run is one process",
    "nodes": "a run is on one node",
    "chdir": "runs begin where run.py was started",
}
SIGNAL = re.compile(r"(?:(?:SIG)?USR2)?@(\d+)")
SAVING_SECONDS = 90  # from the signal to the end of a job
EXAMPLE = "--slurm partition=gpu,time=240"


@dataclass(frozen=True)
class Settings:
    """What `--slurm` says.

    Attributes:
        sbatch: options of sbatch by name, with underscores; True for one without a value.
        saving: seconds before its end at which a job gets the signal to save.
        shared: folders are not checked: this machine's disk is mounted on the nodes.
    """

    sbatch: dict[str, Any] = field(default_factory=dict)
    saving: int = SAVING_SECONDS
    shared: bool = False


def read_settings(text: str) -> Settings:
    """Read the value of `--slurm`: options with commas between them, and files of options, later ones win.

    A word without "=" goes on with the value before it: `exclude=node1,node2,time=60`.

    Raises:
        SweepError: a file that is not there or no mapping, an option that is not one of sbatch's to be set here.
    """
    found: dict[str, Any] = {}
    last = ""
    for word in (part.strip() for part in re.split(r",(?![^\[]*\])", text)):  # node[1,3-5] is one word
        name, equals, value = word.partition("=")
        if word.startswith("@"):
            found |= _file(word[1:])
            last = ""
        elif equals and name.strip():
            last = _key(name)
            found[last] = value.strip()
        elif word and last:
            found[last] += f",{word}"
        elif word or text.strip():
            raise SweepError(f"--slurm {text}: {word!r} is no option=value, such as {EXAMPLE}")
    return _settings(found)


def _file(name: str) -> dict[str, str]:
    try:
        # All as text: in YAML 1.1 `time: 4:00:00` would be the number 14400. This loader makes texts, lists and
        # mappings, and no other objects.
        found = yaml.load(Path(name).read_text(encoding="utf-8"), yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SweepError(f"--slurm @{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise SweepError(f"--slurm @{name}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise SweepError(f"--slurm @{name}: must have lines such as partition: gpu")
    for key, value in found.items():
        if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            raise SweepError(f"--slurm @{name}: {key}: is neither a value nor a list of values")
    return {_key(key): ",".join(value) if isinstance(value, list) else value for key, value in found.items()}


def _key(name: str) -> str:
    return name.strip().lstrip("-").replace("-", "_")


def _settings(found: Mapping[str, Any]) -> Settings:
    rest = dict(found)
    for name, why in OURS.items():
        if name in rest:
            raise SweepError(f"--slurm {name}={rest[name]}: is not for you to set: {why}")
    saving = str(rest.pop("signal", f"@{SAVING_SECONDS}"))
    match = SIGNAL.fullmatch(saving)
    if not match or not int(match[1]):
        raise SweepError(f"--slurm signal={saving}: of it only the seconds can be chosen, such as signal=@120")
    shared = _word(rest.pop("shared", False))
    if not isinstance(shared, bool):
        raise SweepError(f"--slurm shared={shared}: is true or false: do the nodes see this machine's disk?")
    values = {name: _word(value) for name, value in rest.items()}
    return Settings({k: v for k, v in values.items() if v is not None and v is not False}, int(match[1]), shared)


def _word(value: Any) -> Any:
    return {"true": True, "false": False, "none": None}.get(str(value).lower(), value)
