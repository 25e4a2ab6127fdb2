"""Downloads runs from W&B into run folders below cache/wandb/, so that figures read them like those in runs/.

cache/wandb/<entity>/<project>/<sweep>/<signature>/     as core/store.py writes them, without checkpoints
cache/wandb/<entity>/<project>/known.json               what each run was like then: changed ones are read again
"""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from core.errors import OptionError, SieveError, StoreError
from core.files import write_atomic, write_json
from core.limits import SweepName
from core.options import OWN, revisions, signature
from core.store import describe
from tasks.options import resolve_stored

log = logging.getLogger("sieve")
CACHE = Path("cache/wandb")
WANTED = re.compile(r"(summary|environment)\.json|(masks|arrays)/[\w.-]+\.npz")
NAME = re.compile(r"(?!\.+/)[\w.-]+/(?!\.+$)[\w.-]+", re.ASCII)  # a path of two folders: neither . nor ..
DONE = "finished"  # W&B's word
PAGE = 200


def read_config(path: Path) -> str | None:
    """Return the entity/project that figures come from, or None when they come from runs/.

    Args:
        path: a file that holds {"wandb_project": "entity/project"}; there need not be one.

    Raises:
        OptionError: it is no such file.
    """
    if not path.exists():
        return None
    try:
        project = json.loads(path.read_text())["wandb_project"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = "no wandb_project in it" if isinstance(error, KeyError) else "it is no JSON mapping"
        raise OptionError(f'{path}: {problem}; it looks like {{"wandb_project": "entity/project"}}') from None
    if not isinstance(project, str) or not NAME.fullmatch(project):
        raise OptionError(f"{path}: wandb_project {project!r} is not of the form entity/project")
    return project


def pull(project: str, sweeps: Collection[str], cache: Path = CACHE) -> Path:
    """Bring the finished runs of these sweeps from W&B and return the folder that holds them.

    Args:
        project: entity/project.
        sweeps: names, as in the sweep files; runs that belong to a W&B sweep of this name, or to a group.
        cache: where to keep them. When W&B cannot be reached, what is there from before is used.

    Raises:
        OptionError: there is no account key here, or no such project.
    """
    import wandb

    from core.wandb import mistake

    folder = cache / project
    try:
        wandb.setup(wandb.Settings(silent=True))
        known = wandb.login(prompt=False, verify=False)
    except (ValueError, wandb.errors.UsageError) as error:
        raise OptionError(f"W&B: {mistake(error)}") from None
    if not known:
        raise OptionError(f"reading {project} from W&B needs an account: wandb login; or --runs runs")
    try:
        found = _listed(wandb.Api(), project, sweeps)
    except (wandb.errors.CommError, ValueError, TimeoutError) as error:
        why = " ".join(str(error).split())
        if not folder.exists():
            raise OptionError(f"{project} cannot be read from W&B: {why}") from None
        log.warning("W&B cannot be read (%s); drawing what was read before", why)
        return folder
    _say_unfinished(found)
    _read(found, folder, sweeps)
    return folder


Listed = tuple[str, Any]  # name of the sweep, W&B's run


def _listed(api: Any, project: str, sweeps: Collection[str]) -> list[Listed]:
    """Return the runs of the named sweeps, oldest first."""
    entity, name = project.split("/")
    named = {sweep.id: sweep.config.get("name") for sweep in api.project(name, entity).sweeps()}
    mine = {identity: sweep for identity, sweep in named.items() if sweep in sweeps}
    either = {"$or": [{"sweep": {"$in": list(mine)}}, {"group": {"$in": list(sweeps)}}]}
    runs = api.runs(project, filters=either, order="+created_at", per_page=PAGE, include_sweeps=False)
    return [(mine.get(run.sweep_name, run.group), run) for run in runs]  # a name that was asked for: it becomes a path


def _say_unfinished(found: Iterable[Listed]) -> None:
    counts = Counter((sweep, run.state) for sweep, run in found if run.state != DONE)
    for sweep in dict.fromkeys(sweep for sweep, _ in counts):
        words = ", ".join(f"{number} {state}" for (name, state), number in counts.items() if name == sweep)
        log.warning("%s: %s; drawn are the finished runs", sweep, words)


def _read(found: Collection[Listed], folder: Path, sweeps: Collection[str]) -> None:
    """Bring the folder up to date: new and changed runs are read, those that are gone are removed."""
    from wandb.errors import Error

    index = folder / "known.json"
    known = _known(index)
    there: dict[str, dict[str, Any]] = {}
    finished = [item for item in found if item[1].state == DONE]
    for sweep, run in tqdm(finished, desc=f"W&B {'/'.join(folder.parts[-2:])}", unit="run"):
        mark = [run.heartbeat_at, run.history_line_count]
        entry = known.get(run.id)
        if entry is None or entry["mark"] != mark or not (folder / entry["folder"]).exists():
            try:
                entry = {"mark": mark, "sweep": sweep, "folder": _save(sweep, run, folder)}
            except (SieveError, Error, OSError, ValueError) as error:
                log.warning("skipped %s: %s", run.url, " ".join(str(error).split()))
                continue
            write_json(index, known | there | {run.id: entry})
        there[run.id] = entry
    gone = {k: v for k, v in known.items() if k not in there and v["sweep"] in sweeps}
    kept = {entry["folder"] for entry in there.values()}
    for entry in gone.values():
        if entry["folder"] not in kept:
            shutil.rmtree(folder / entry["folder"], ignore_errors=True)
    write_json(index, {k: v for k, v in (known | there).items() if k not in gone})


def _known(index: Path) -> dict[str, dict[str, Any]]:
    """Return what was read before; {} where the file does not say so, and entries that lead elsewhere are left out."""
    try:
        known = json.loads(index.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    keys = {"mark", "sweep", "folder"}
    return {
        identity: entry
        for identity, entry in (known.items() if isinstance(known, dict) else ())
        if isinstance(entry, dict) and keys <= entry.keys() and not SweepName().refusal(str(entry["folder"]))
    }


def _save(sweep: str, run: Any, root: Path) -> str:
    """Write one run in the form of the store and return its folder, relative to `root`."""
    options = resolve_stored(_options(run.config) | {"run.sweep": sweep})
    if (run.config.get("revision") or {}) != revisions(options):
        raise StoreError("its results are of before a correction (CHANGELOG.md)")
    place = Path(sweep) / signature(options)
    folder = root / place
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier state, or of an earlier run of the same options
    describe(folder, options)
    rows = (json.dumps(row) + "\n" for row in _history(run))
    write_atomic(folder / "history.jsonl", "".join(rows).encode())
    for file in run.files(per_page=PAGE):
        if WANTED.fullmatch(file.name):
            file.download(root=str(folder), replace=True)
    if not (folder / "summary.json").exists():
        raise StoreError("not all of its files have arrived; wandb sync its folder")
    write_json(folder / "status.json", {"state": "done", "wandb": run.url})  # last: now it is whole
    return str(place)


def _history(run: Any) -> list[dict[str, Any]]:
    """Return the logged rows; those that a killed run logged twice, once."""
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for row in run.scan_history(page_size=1000, use_cache=False):
        if row.get("step") is not None and row.get("stage") is not None:  # others hold pictures
            which = (int(row["step"]), row["stage"])
            rows.setdefault(which, {k: _number(v) for k, v in row.items() if _logged(k, v)})
    return sorted(rows.values(), key=lambda row: row["step"])  # of one step: as they were sent


def _options(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the options in a W&B config; parameters that the sweep nests are opened."""
    found: dict[str, Any] = {}
    config = {name: value for name, value in config.items() if prefix + name not in OWN}
    for name, value in config.items():
        if isinstance(value, dict) and name != "_wandb":
            found |= _options(value, f"{prefix}{name}.")
    plain = {prefix + k: v for k, v in config.items() if not isinstance(v, dict)}
    return found | {k: v for k, v in plain.items() if not k.startswith("_")}


def _logged(name: str, value: Any) -> bool:
    # W&B adds keys of its own, and pictures are mappings
    return not name.startswith("_") and value is not None and not hasattr(value, "keys")


def _number(value: Any) -> Any:
    """Return what JSON has no word for as the number it was."""
    words = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return words.get(value, value) if isinstance(value, str) else value
