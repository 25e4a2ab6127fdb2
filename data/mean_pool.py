"""Mean-pooled twins of images: every segment in its mean colour, which keeps shapes and loses textures.

    python -m data.mean_pool SOURCE TARGET                                   # segments of Felzenszwalb, Huttenlocher
    python -m data.mean_pool SOURCE TARGET --segments masks --masks FOLDER   # your own, say of Segment Anything

SOURCE/a/b.JPEG becomes TARGET/a/b.png. FOLDER holds a/b.png, a label map (one number for each segment), or a/b.npz with
labels [H, W] or with masks [M, H, W], which may overlap. What is there already is left, so that a command that was
interrupted goes on when it is typed again.

Source: Zhang, Lepori, Pavlick, "Instilling Inductive Biases with Subnetworks", arXiv 2310.10899, section 4: automatic
masks of Segment Anything (Kirillov et al., ICCV 2023), a network whose weights have to be fetched. The segments of
Felzenszwalb and Huttenlocher need nothing, and are not the published ones.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from core import exit_codes as code
from core.errors import OptionError, SieveError
from core.files import write_json
from data.segments import SUFFIXES, Felzenszwalb, SavedSegments, pool_file

RECORD = "mean_pool.json"  # in the target: how it was made


def mean_pool(
    source: Path, target: Path, segments: Felzenszwalb | SavedSegments, names: Sequence[Path] | None = None,
    processes: int = 1,
) -> tuple[int, int]:  # fmt: skip
    """Write the twins that are not there yet; return how many were written, and how many were there.

    Args:
        source: the folder of images.
        target: the folder of twins.
        segments: the segments.
        names: images relative to `source`; None: all in it.
        processes: images at the same time.

    Raises:
        OptionError: there are no images; one or its segments cannot be read; two would have the same twin; the target
            was made otherwise, or is in the source.
    """
    if target.resolve().is_relative_to(source.resolve()):
        raise OptionError(f"the target {target} is in the source {source}, and would be pooled too")
    names = sorted(_images(source) if names is None else names)
    if not names:
        raise OptionError(f"no images in {source}; they end in {', '.join(SUFFIXES)}")
    twins: dict[Path, Path] = {}
    for name in names:
        other = twins.setdefault(name.with_suffix(""), name)
        if other != name:
            raise OptionError(f"{other} and {name} in {source} would have the same twin")
    segments.check(names)
    _record(target, segments)
    missing = [name for name in names if not (target / name.with_suffix(".png")).exists()]
    for _ in tqdm(
        _pooled(source, target, missing, segments, processes), total=len(missing), disable=None, unit="image"
    ):
        pass
    return len(missing), len(names) - len(missing)


def _pooled(
    source: Path, target: Path, names: Sequence[Path], segments: Felzenszwalb | SavedSegments, processes: int
) -> Iterator[None]:
    if processes == 1:
        for name in names:
            pool_file(source, target, name, segments)
            yield
        return
    # spawn: a fork would copy the threads of what this process has imported
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        for done in as_completed([pool.submit(pool_file, source, target, name, segments) for name in names]):
            done.result()
            yield
    finally:
        pool.shutdown(cancel_futures=True)


def _images(source: Path) -> Iterator[Path]:
    for folder, inside, files in os.walk(source, followlinks=True):
        inside[:] = [name for name in inside if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield (Path(folder) / name).relative_to(source)


def _record(target: Path, segments: Felzenszwalb | SavedSegments) -> None:
    """Write down how the target is made, or refuse to mix two ways."""
    made = {"segments": "masks", "masks": str(segments.folder.resolve())} if isinstance(segments, SavedSegments) else {
        "segments": "felzenszwalb", "scale": segments.scale, "sigma": segments.sigma, "min_size": segments.min_size,
    }  # fmt: skip
    path = target / RECORD
    try:
        before = json.loads(path.read_text())
    except FileNotFoundError:
        write_json(path, made)
        return
    except (OSError, ValueError) as error:
        raise OptionError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if before != made:
        was, asked = (" ".join(f"{name}={value}" for name, value in way.items()) for way in (before, made))
        raise OptionError(f"{target} was made with {was}, not with {asked}; choose another folder, or remove it")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{message}; --help says what there is")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "python -m data.mean_pool", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of images, in folders or not")
    parser.add_argument("target", type=Path, help="folder for their twins")
    parser.add_argument("--segments", choices=("felzenszwalb", "masks"), default="felzenszwalb", help="from where")
    parser.add_argument("--masks", type=Path, help="folder of segments, of --segments masks")
    default = Felzenszwalb()
    for name, kind, what in (
        ("scale", float, "the higher, the larger the segments"), ("sigma", float, "pixels, how much is smoothed first"),
        ("min_size", int, "fewest pixels of a segment"),
    ):  # fmt: skip
        text = f"{what}, of felzenszwalb (default {getattr(default, name):g})"
        parser.add_argument(*dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")), type=kind, help=text)
    parser.add_argument("--lists", type=Path, help="only files of these lists, <class>.txt (data.sixteen_classes)")
    parser.add_argument("--most", type=int, help="only so many of each class, those that data.sixteen_classes draws")
    parser.add_argument("--processes", type=int, default=1, help="images at the same time")
    return parser


def _how(given: argparse.Namespace) -> Felzenszwalb | SavedSegments:
    settings = {name: getattr(given, name) for name in ("scale", "sigma", "min_size")}
    settings = {name: value for name, value in settings.items() if value is not None}
    if given.segments == "masks":
        if given.masks is None:
            raise OptionError("--segments masks needs --masks FOLDER, where the segments are")
        if settings:
            raise OptionError(f"--{next(iter(settings))} is of --segments felzenszwalb, and does nothing with masks")
        return SavedSegments(given.masks)
    if given.masks is not None:
        raise OptionError("--masks is of --segments masks, and does nothing with felzenszwalb")
    for name, least in (("scale", 0), ("sigma", 0), ("min_size", 1)):
        if settings.get(name, least) < least:
            raise OptionError(f"--{name}={settings[name]:g} is too small; it must be at least {least}")
    return Felzenszwalb(**settings)


def _chosen(given: argparse.Namespace) -> list[Path] | None:
    if given.lists is None and given.most is None:
        return None
    from data.sixteen_classes import class_files, few

    classes = class_files(given.source if given.lists is None else given.lists, given.source)
    chosen = [few(name, files, len(files) if given.most is None else given.most) for name, files in classes.items()]
    return [path.relative_to(given.source) for files in chosen for path in files]


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say, and return the exit code."""
    try:
        given = _parser().parse_args(arguments)
        for name in ("processes", "most"):
            value = getattr(given, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name}={value} is too small; it must be at least 1")
        written, there = mean_pool(given.source, given.target, _how(given), _chosen(given), given.processes)
    except SieveError as error:
        sys.stderr.write(f"data.mean_pool: {error}\n")
        return code.BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("data.mean_pool: interrupted; type it again, and it goes on\n")
        return code.RESUME
    sys.stdout.write(f"{given.target}: {written} images pooled, {there} were there\n")
    return code.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
