"""Questions of DeepMind Mathematics generated on this machine, by the program that generated the published ones.

The program draws from the random numbers that a process shares, so each module and folder is made by a process of its
own, `python -m data.dm_generator <module> <folder> <questions>`, which writes a line for the question and one for its
answer. Without arguments it writes the names of the modules.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from threading import Event, Lock
from typing import Protocol

from core.errors import OptionError
from core.registry import nearest
from core.rng import key

PACKAGE, VERSION = "mathematics_dataset", "1.0.1"
TRAIN = ("train-easy", "train-medium", "train-hard")
FOLDERS = (*TRAIN, "interpolate", "extrapolate")
HARDER = ("_big", "_longer", "_more", "_more_samples")  # ends of the extrapolating files' names
LONGEST_QUESTION, LONGEST_ANSWER = 160, 30
SLOW = {  # files of at most so many questions, as one takes a second or so
    "comparison__sort_more": 20, "probability__swr_p_level_set_more_samples": 20,
    "probability__swr_p_sequence_more_samples": 60,
}  # fmt: skip
SECONDS = 5.0  # between two lines of progress

# What the program's source says, what today's numpy and sympy want, or what makes a draw a function of the seed alone,
# and how often it is there.
CHANGES = {
    "sample.polynomials": (
        ("from sympy.solvers.diophantine import base", "from sympy.solvers.diophantine.diophantine import base", 1),
        ("dtype=np.object)", "dtype=object)", 3),
        ("coeffs.itemset(index, value)", "coeffs[index] = value", 1),
        ("expanded_coefficients.itemset(power, coeffs)", "expanded_coefficients[power] = coeffs", 1),
    ),
    "util.composition": (  # the order of a set is that of hashes and addresses
        ("random.choice(list(allowed))", "random.choice(sorted(allowed))", 1),
        ("entities = set(context.child_entities)", "entities = dict.fromkeys(context.child_entities)", 1),
        ("entities.add(maybe_entity)", "entities[maybe_entity] = None", 1),
    ),
}


class Paced:
    """Passes on a line of progress now and then.

    Args:
        report: gets the lines.
    """

    def __init__(self, report: Callable[[str], object]):
        self.report, self.said = report, time.monotonic()

    def __call__(self, text: str) -> None:
        """Pass `text` on, if the last line is some seconds ago."""
        if time.monotonic() - self.said >= SECONDS:
            self.said = time.monotonic()
            self.report(f"dm_math: {text}")


def harder(module: str, names: Iterable[str], modules: Iterable[str]) -> list[str]:
    """Return those of an extrapolate folder's `names` that belong to `module`, one of `modules`."""
    others = {*modules} - {module}
    return [name for name in names if name in {module, *(module + end for end in HARDER)} - others]


def made(modules: Sequence[str], questions: int, report: Callable[[str], object]) -> dict[str, dict[str, bytes]]:
    """Return each module's files as the published archive has them, folder -> question and answer lines.

    The same number gives the same questions, and a larger one the same and more.

    Args:
        modules: names such as algebra__linear_1d.
        questions: in each of the three training files. The two test files have a twentieth of it, and at least one; of
            the files in `SLOW` no more than said there.
        report: gets a line of progress now and then.

    Raises:
        OptionError: an unknown module; the program is not installed, is another version, or fails.

    Source: Saxton et al., "Analysing Mathematical Reasoning Abilities of Neural Models", ICLR 2019, its code.
    """
    names = json.loads(b"".join(_worker()))
    for module in modules:
        if module not in names["interpolate"]:
            allowed = ", ".join(names["interpolate"])
            raise OptionError(f"unknown module {module!r}; allowed: {allowed}{nearest(module, names['interpolate'])}")
    jobs = {}
    for module in modules:
        jobs.update({(module, folder, module): questions for folder in TRAIN})
        jobs[module, "interpolate", module] = max(1, questions // 20)
        for name in harder(module, names["extrapolate"], names["interpolate"]):
            jobs[module, "extrapolate", name] = min(max(1, questions // 20), SLOW.get(name, questions))
    files: dict[str, dict[str, bytes]] = {module: {} for module in modules}
    paced, lock, stop, done = Paced(report), Lock(), Event(), dict.fromkeys(modules, 0)
    wanted = {module: sum(jobs[job] for job in jobs if job[0] == module) for module in modules}

    def run(job: tuple[str, str, str]) -> None:
        module, folder, name = job
        lines = []
        with contextlib.closing(_worker(name, folder, str(jobs[job]))) as written:
            for line in written:
                if stop.is_set():
                    return
                lines.append(line)
                with lock:
                    done[module] += len(lines) % 2 == 0
                    paced(f"{module}: {done[module]:,} of {wanted[module]:,} questions")
        files[module][folder] = b"".join(lines)

    with ThreadPoolExecutor(_cores()) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return files


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _worker(*arguments: str) -> Generator[bytes, None, None]:
    """Yield the lines that a process of this file writes."""
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        found = "not installed"
    if found != VERSION:
        raise OptionError(
            f"questions are made by {PACKAGE} {VERSION}, which is {found} here; pip install {PACKAGE}=={VERSION}"
        )
    environment = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "data.dm_generator", *arguments]
    with tempfile.TemporaryFile() as errors, contextlib.ExitStack() as ended:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=Path(__file__).parents[1]
        )
        ended.enter_context(process)
        ended.callback(process.kill)
        assert process.stdout is not None
        yield from process.stdout
        if process.wait():
            errors.seek(0)
            why = errors.read().decode(errors="replace").strip().splitlines() or [f"it ended with {process.returncode}"]
            raise OptionError(f"{PACKAGE} cannot make {' '.join(arguments) or 'a list of its modules'}: {why[-1]}")


def _changed(name: str, changes: Iterable[tuple[str, str, int]]) -> None:
    """Import a part of the program with its source changed."""
    spec = importlib.util.find_spec(f"{PACKAGE}.{name}")
    if spec is None or spec.origin is None:
        raise OptionError(f"{PACKAGE} is not that of {VERSION}: it has no {name}")
    source = Path(spec.origin).read_text()
    for old, new, times in changes:
        if source.count(old) != times:
            raise OptionError(f"{spec.origin} is not that of {VERSION}: it has {old!r} {source.count(old)} times")
        source = source.replace(old, new)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    exec(compile(source, spec.origin, "exec"), module.__dict__)


def _program() -> dict[str, dict[str, Callable]]:
    """Return folder -> file's name -> what makes a question of it."""
    for name, changes in CHANGES.items():
        _changed(name, changes)
    from mathematics_dataset.modules import modules

    def third(i: int) -> Callable:
        return lambda entropy: tuple(entropy[0] + (i + k) / 3 * (entropy[1] - entropy[0]) for k in (0, 1))

    parts = [*(modules.train(third(i)) for i in range(3)), modules.test(), modules.test_extra()]
    return {
        folder: {f"{area}__{name}": make for area, names in sorted(areas.items()) for name, make in names.items()}
        for folder, areas in zip(FOLDERS, parts, strict=True)
    }


class _Problem(Protocol):
    question: object
    answer: object


def _questions(make: Callable[[], _Problem]) -> Iterator[tuple[str, str]]:
    while True:
        problem = make()
        pair = str(problem.question), str(problem.answer)
        if len(pair[0]) <= LONGEST_QUESTION and len(pair[1]) <= LONGEST_ANSWER:
            yield pair


def _main(arguments: Sequence[str]) -> None:
    program = _program()
    if not arguments:
        print(json.dumps({folder: sorted(names) for folder, names in program.items()}))
        return
    import numpy as np
    import sympy.core.random

    name, folder, questions = arguments
    seed = key(0, "dm_math", name, folder)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    sympy.core.random.seed(seed)
    for pair in islice(_questions(program[folder][name]), int(questions)):
        print(*pair, sep="\n", flush=True)


if __name__ == "__main__":
    try:
        _main(sys.argv[1:])
    except OptionError as error:
        sys.exit(str(error))
