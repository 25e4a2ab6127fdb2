"""What the pages say can be typed can be typed: every option, value and command that they quote is one."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from core.errors import OptionError
from core.legacy_option_names import ELSEWHERE, ORIGINAL_NAMES
from core.options import coerce, leaves, read_arguments
from masks.options import METHODS
from paper.run_all import discover
from tasks.options import options_class, resolve
from tasks.registry import OPTIONS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
STANDS_FOR = re.compile(r"[A-Z]+|.*(<|\.\.\.|FILE|NAME).*")  # N, FILE.npz, runs/<sweep>, elcn,...
ASSIGNED = re.compile(r"(?:--)?([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)?)=(?![=\"'])(\S+)")


@cache
def options_of(tasks):
    """Return every option that one of the tasks has with one of the mask methods: name -> its leaves."""
    found = {}
    for task in tasks:
        with_masks = "mask.method" in leaves(options_class(task))
        for method in METHODS if with_masks else (None,):
            for name, leaf in leaves(options_class(task, method)).items():
                found.setdefault(name, set()).add(leaf)
    return found


def about(text):
    """Return the tasks that a page names, or all."""
    return tuple(task for task in OPTIONS if f"`{task}`" in text) or tuple(OPTIONS)


def quoted(text):
    """Return what stands in backticks on a page, and the lines of its blocks of commands."""
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.M | re.S)
    return re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)), [
        line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()
    ]


def wrong(found, known):
    """Return the options of a quotation that do not exist, or cannot have the value."""
    for name, value in ASSIGNED.findall(found):
        kinds = known.get(name, ())
        if not kinds:
            yield name
        elif not STANDS_FOR.fullmatch(value) and not any(fits(name, leaf, value) for leaf in kinds):
            yield f"{name}={value}"


def without_sbatch(found):
    """Leave out options of sbatch, which `--slurm` takes: those that the example names."""
    example = (ROOT / "examples" / "cluster.yaml").read_text()
    names = "|".join(re.findall(r"^(?:# )?(\w+):", example, flags=re.M))
    return re.sub(rf"(?:(?<=[\s,])|^)(?:{names})=[^\s,]*", "", re.sub("(--slurm) ", r"\1,", found))


def fits(name, leaf, value):
    try:
        coerce(name, leaf.type, value)
    except OptionError:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_a_page_quotes_exist_in_a_task_it_is_about(page):
    text = page.read_text()
    known = options_of(about(text))
    inline, lines = quoted(text)
    figures = tuple(f"--set {name}=" for plot in discover() for name in plot.options)  # options of paper/run_all.sh
    ours = [found for found in inline if not re.search(r"SBATCH|sbatch|^[A-Z_]+=|^[A-Za-z]+\(", found)]
    ours = [found for found in ours if not found.startswith(figures)]
    ours += [line for line in lines if re.match(r"(\./)?(main|run)\.py", line)]
    assert not [(found, name) for found in ours for name in wrong(without_sbatch(found), known)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_with_a_group_of_options_exist(page):
    """`mask.init` is an option, because mask. is a group of options; `status.json` is none."""
    known = options_of(about(page.read_text()))
    groups = {name.partition(".")[0] for name in options_of(tuple(OPTIONS)) if "." in name} - {"paths", "tuple"}
    named = [found for found in quoted(page.read_text())[0] if re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", found)]
    named = [name for name in named if name.partition(".")[0] in groups and not name.endswith((".py", ".json", ".sh"))]
    assert not [name for name in named if name not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_accepted(page):
    commands = [line for line in quoted(page.read_text())[1] if re.match(r"(\./)?main\.py --task", line)]
    for command in (line for line in commands if "..." not in line):
        values = [word for word in shlex.split(command)[1:] if word != "--help"]
        assert resolve(read_arguments(values)).task, command


def test_the_kinds_of_mistakes_are_found():
    known = options_of(("cifar10_class_removal",))
    assert list(wrong("hold_out=0 --data.hold_out=0 --mask.lr=0.1 mask.keep=2 --train.optimizer=lion", known)) == [
        "hold_out",
        "mask.keep=2",
        "train.optimizer=lion",
    ]
    assert list(wrong("--data.file=FILE.npz --mask.steps=N --mask.steps=ten", known)) == ["mask.steps=ten"]


def test_names_given_for_the_original_programs_options_exist():
    known = options_of(tuple(OPTIONS))
    named = {word.split()[0] for answer in ORIGINAL_NAMES.values() for word in answer.split(" or ")}
    assert not named - {*known} and not ORIGINAL_NAMES.keys() & ELSEWHERE.keys()
