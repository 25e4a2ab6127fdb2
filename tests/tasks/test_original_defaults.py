"""Every default that is not that of the original program's command line is listed where the options are read."""

import re

import pytest

from core.options import leaves
from tasks.options import options_class
from tasks.registry import OPTIONS
from tests.tasks.pages import DOCS

# What RobertCsordas/modules does when no profile and no such argument is given, by the option's name here.
THEIRS = {
    "train.batch_size": 128, "train.lr": 1e-3, "train.weight_decay": 0.0, "train.optimizer": "adam", "train.warmup": 0,
    "train.schedule": "constant", "train.decay_at": (), "train.decay": 0.1, "train.grad_clip": 1.0, "train.steps": None,
    "train.eval_every": 1000, "train.beta2": 0.999, "train.eps": 1e-8, "train.momentum": 0.9, "n_digits": 1,
    "layer_sizes": (800, 800, 256), "state_size": 128, "n_layers": 2, "embedding_size": 16, "transformer.n_heads": 4,
    "transformer.ff_multiplier": 2.0, "transformer.encoder_n_layers": 3, "transformer.decoder_n_layers": 3,
    "mask.lr": 1e-2, "mask.penalty": 1e-4, "mask.init": 2.0, "mask.steps": 10_000, "mask.warmup": 0, "mask.bias": True,
    "mask.batch_size": None, "mask.grad_clip": None, "mask.samples": 4, "inverse_io": ("none",), "tuple.delay": 0,
    "tuple.mode": "together", "scan.train_split": "simple", "scan.analyze_splits": ("jump", "length", "turn_left"),
    "dm_math.modules": ("algebra__linear_1d",), "dm_math.train_splits": ("easy", "medium", "hard"),
    "dm_math.mask_splits": ("easy",), "keep_last_layer": False, "mask_stability.measure_on": "minimal",
    "transfer.mask_new_init": 2.0, "transfer.mask_used_init": 2.0, "transfer.reset_first_layer": True,
    "transfer.permutations": 11, "eval_every": 1000, "dropout": True, "teacher_forcing": 0.5,
}  # fmt: skip
# What a task of it does whatever its arguments say.
OF_TASK = {
    "scan": {"dropout": 0.0},
    "trafo_scan": {"dropout": 0.1},
    "deepmind_math": {"dropout": 0.1, "mask.samples": 8, "train.beta2": 0.995, "train.eps": 1e-9},
    "cifar10_resnet_hp_class_removal": {"train.grad_clip": None, "mask.grad_clip": 1.0},
    "permuted_mnist": {"mask.samples": 8, "mask.grad_clip": 1.0, "mask.batch_size": 128},
}
PAGES = {
    "modularity.md": ("tuple", "tuple_ff", "tuple_ff_copyweight", "addmul", "addmul_ff"),
    "modularity_language_images.md": (
        "scan", "trafo_scan", "deepmind_math", "cifar10_class_removal", "cifar10_resnet_hp_class_removal",
        "cifar10_mask_stability", "cifar10_grad_cos_distance", "permuted_mnist",
    ),
}  # fmt: skip


def text(value):
    """Return a value as a command line has it."""
    if isinstance(value, tuple):
        return ",".join(map(text, value)) or "none"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def differing(tasks):
    """Return (option, task, default here, default there) of every option whose defaults differ."""
    found = set()
    for task in tasks:
        theirs = THEIRS | OF_TASK.get(task, {})
        for name, leaf in leaves(options_class(task)).items():
            if name in theirs and leaf.default != theirs[name]:
                found.add((name, task, text(leaf.default), text(theirs[name])))
    return found


def listed(page):
    """Return the same of a page's table: | `option` | `task`, `task` or all | here | there | why |."""
    _, _, section = (DOCS / page).read_text().partition("\n## Defaults that differ")
    row = r"^\| `([a-z0-9_.]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$"
    rows = re.findall(row, section.partition("\n## ")[0], re.M)
    assert rows, f"{page} has no such table"
    return [
        (name, task, here, there)
        for name, tasks, here, there in rows
        for task in (PAGES[page] if tasks == "all" else re.findall(r"`([a-z0-9_]+)`", tasks))
    ]


def test_every_original_option_is_one_here():
    names = set().union(*(leaves(options_class(task)) for tasks in PAGES.values() for task in tasks))
    assert {*THEIRS} <= names and {task for tasks in PAGES.values() for task in tasks} <= {*OPTIONS}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_lists_every_default_that_is_not_the_original_s(page):
    rows = listed(page)
    assert set(rows) == differing(PAGES[page])
    assert len(rows) == len(set(rows))
