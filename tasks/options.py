"""The options of each task. Does not import torch, so that help and sweep listings are fast."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

from core.cached import cached
from core.conditions import inert
from core.errors import BatchError, OptionError
from core.option_groups import TaskOptions
from core.options import OWN, assemble, build, changed, check_own, leaves, open_groups, revisions
from core.store import Run
from core.values import Again, said
from masks.options import METHODS, MaskOptions, ScoreConfig, mask_options, method_of
from tasks.registry import OPTIONS, is_file


def resolve(values: Mapping[str, Any]) -> TaskOptions:
    """Return the checked options of a run from dotted names.

    Args:
        values: at least `task`; texts from a command line or values from a sweep file; mappings of groups are opened,
            and what W&B hands back beside the options (`core.options.OWN`) is compared with them.

    Raises:
        OptionError: no task, an unknown task, method, option or value; two values for one option.
        BatchError: the mask batch is not a multiple of `mask.samples`.
    """
    own = {name: values[name] for name in OWN if name in values}
    given = {name: value for name, value in values.items() if name not in own}
    values = open_groups(given, lambda name: name in _every_option())
    if is_drawn(values.get("seed")):
        raise OptionError(
            "seed=entropy is for a single run of main.py, which draws another seed each time it is started; a sweep "
            "needs its seeds, such as seed: {values: [1, 2, 3]}"
        )
    if "task" not in values:
        raise OptionError(f"no task given: --task=... is one of {', '.join(OPTIONS)}, or a file mine.py")
    if is_file(str(values["task"])):
        values = _with_digest(values)
    task, method = str(values["task"]), values.get("mask.method")
    cls = options_class(task, None if method is None else str(method))
    check_method(task, cls, values)
    options = build(cls, values)
    options.check_given(values.keys())
    mask = getattr(options, "mask", None)
    if isinstance(mask, ScoreConfig):
        method_of(mask)  # its own options are checked where it is made
    if isinstance(mask, MaskOptions):
        check_batch(options)
    check_lengths(options)
    check_own(options, own)
    return options


def is_drawn(seed: Any) -> bool:
    """Return whether a seed is "entropy": a number that `tasks.start.start` draws."""
    return isinstance(seed, str) and not isinstance(seed, Again) and seed == "entropy"


@cached
def options_class(task: str, method: str | None = None) -> type[TaskOptions]:
    """Return the options dataclass of a task whose masks are learned by `method`, None: the task's own choice.

    Raises:
        OptionError: no such task or method.
    """
    cls = OPTIONS[task]
    declared = next((field.default_factory for field in dataclasses.fields(cls) if field.name == "mask"), None)
    if not isinstance(declared, type):
        return cls
    default = declared().method
    mask = mask_options(method or default, declared.__bases__[0], default)
    return make_dataclass(cls.__name__, [("mask", mask, dataclasses.field(default=mask()))], bases=(cls,), frozen=True)


def _with_digest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with the whole path of an experiment's file, and its digest.

    Raises:
        OptionError: the file cannot be read, or is not the one whose digest is given.
    """
    from tasks.own.own_file import digest_of

    path = str(Path(str(values["task"])).resolve())
    given, now = values.get("digest") or "", digest_of(path)
    if given not in ("", now):
        raise OptionError(f"digest={said(given)}, but {path} is {now}: it was changed since; leave digest out")
    return {**values, "task": path, "digest": now}


def outdated(run: Run) -> str:
    """Return "revision 1 of permuted_mnist (now 2)" of a run that this program would not make again, otherwise "".

    A correction may touch only some values of the options, so the run's own decide; where they are no options any more,
    the defaults.

    Raises:
        OptionError: its task or mask method does not exist any more.
    """
    method = run.options.get("mask.method")
    cls = options_class(run.task, method)
    try:
        options = assemble(cls, {name: value for name, value in run.options.items() if name in leaves(cls)})
    except OptionError:
        options = build(cls, {} if method is None else {"mask.method": method})
    now = revisions(options)
    return ", ".join(
        f"revision {run.revision.get(part, 1)} of {name} (now {now.get(part, 1)})"
        for part, name in (("task", run.task), ("mask", f"mask.method={method}"))
        if run.revision.get(part, 1) != now.get(part, 1)
    )  # fmt: skip


def still_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a stored run without those that its task has no more, as they did nothing there.

    Args:
        values: by dotted names, `task` among them. A name that no task ever had stays, as do all of an unknown task.
    """
    try:
        known = leaves(options_class(str(values.get("task")), values.get("mask.method")))
    except OptionError:
        return dict(values)
    return {name: value for name, value in values.items() if name in known or name not in _every_option()}


def resolve_stored(values: Mapping[str, Any]) -> TaskOptions:
    """Return the checked options of a stored run, as `resolve` does, without what did nothing.

    Raises:
        OptionError, BatchError: as `resolve`.
    """
    values = still_options(values)
    options = assemble(options_class(str(values.get("task")), values.get("mask.method")), values)
    nothing = inert(options, changed(options))
    return resolve({name: value for name, value in values.items() if name not in nothing})


@cached
def _every_option() -> frozenset[str]:
    return frozenset(name for task in OPTIONS for method in METHODS for name in leaves(options_class(task, method)))


def check_method(task: str, cls: type, values: Mapping[str, Any]) -> None:
    """Raise OptionError for an option that the task has with another mask method alone."""
    for name in values:
        if name.startswith("mask.") and name not in leaves(cls) and hasattr(cls, "mask"):
            others = [other for other in METHODS if name in leaves(options_class(task, other))]
            if others:
                raise OptionError(
                    f"unknown option {name!r} of mask.method={cls.mask.method}; those that use it: {', '.join(others)}"
                )


def check_lengths(options: TaskOptions) -> None:
    """Raise OptionError where something would begin or end behind the end of the training that it is part of."""
    given = changed(options)
    for group in ("train", "mask", "transfer"):
        part = getattr(options, group, None)
        unit = "steps" if hasattr(part, "steps") else "epochs"
        last = getattr(part, unit, None)
        for name in (f"{group}.warmup", f"{group}.decay_at", "tuple.delay" if group == "train" else ""):
            for end in given.get(name, ()) if name.endswith("_at") else (given.get(name, 0),):
                if last is not None and end > last:
                    raise OptionError(f"{name}={end} is beyond the end of the training ({group}.{unit}={last})")


def check_batch(options: Any) -> None:
    """Raise BatchError unless the mask batch splits evenly into `mask.samples` chunks."""
    name = "train.batch_size" if options.mask.batch_size is None else "mask.batch_size"
    batch, k = options.mask.batch_size or options.train.batch_size, options.mask.samples
    if k < 1 or batch % k:
        below, above = batch // max(k, 1) * max(k, 1), -(-batch // max(k, 1)) * max(k, 1)
        raise BatchError(
            f"{name}={batch} is not divisible by mask.samples={k}; the nearest that are: "
            + " and ".join(str(n) for n in (below, above) if n > 0)
        )
