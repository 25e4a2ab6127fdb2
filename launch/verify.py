"""`run.py FILE --verify` reads every run of a sweep again and says what is damaged; `--repair` does only that anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from core.checkpoint_names import damaged_checkpoints
from core.digests import differing, has_digests
from core.errors import SieveError
from core.run_state import clear, damage, read_status
from core.store import Run, other_than
from launch.console import Screen
from launch.points import Point


def verify(points: Iterable[Point], screen: Screen) -> list[Point]:
    """Read all that the runs of these points have written, say what is wrong, and return the damaged ones."""
    damaged, read = [], 0
    for point in points:
        if not point.folder.exists() or point.state == "running":
            continue
        read += 1
        wrong = problems(point)
        screen.lines(f"run {point.index}: {point.folder}: {text}" for text in wrong)
        damaged += [point] if wrong else []
    screen.line(f"{read} runs read, {len(damaged)} damaged" + ("; --repair does them anew" if damaged else ""))
    return damaged


def problems(point: Point) -> list[str]:
    """Return what is wrong with the files of a run."""
    folder, found = point.folder, []
    try:
        if why := damage(folder):
            found.append(why)
        if not (folder / "options.yaml").exists():
            written = any((folder / name).exists() for name in ("history.jsonl", "summary.json", "checkpoints"))
            return found or (["options.yaml is gone"] if written else [])
        run = Run.load(folder)
        if why := other_than(run, point.options):
            found.append(f"options.yaml: {why}")
        done = read_status(folder).get("state") == "done"
        found += [text for text in (differing(folder) if done else []) if text not in found]
        if not (done and has_digests(folder)):
            found += _unreadable(run)
    except SieveError as error:
        found.append(str(error))
    return list(dict.fromkeys(found))


def repair(points: Iterable[Point], screen: Screen) -> None:
    """Make damaged runs begin anew; one of which only status.json is damaged goes on from its checkpoint.

    Raises:
        StoreError: a folder cannot be changed, or its run is at work.
    """
    for point in points:
        status = point.folder / "status.json"
        if len(problems(point)) == 1 and str(status) in problems(point)[0]:
            status.unlink(missing_ok=True)
            how = "goes on from its checkpoint"
        else:
            clear(point.folder)
            how = "begins anew"
        screen.line(f"run {point.index} {how}: {point.folder}")


def _unreadable(run: Run) -> list[str]:
    """Return which results of a run without digests cannot be read."""
    readers: list[Callable[[], object]] = [run.history, lambda: run.summary]
    for kind, read in (("arrays", run.arrays), ("tensors", run.tensors), ("masks", run.packed)):
        readers += [partial(read, path.stem) for path in sorted(run.path(kind).glob("*.npz"))]
    found = []
    for reader in readers:
        try:
            reader()
        except SieveError as error:
            found.append(str(error))
    return found + [f"{path} is damaged" for path in damaged_checkpoints(Path(run.folder))]
