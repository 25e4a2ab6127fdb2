"""Options limited by the size of a task's data: checked as soon as the data is known, before any training."""

from __future__ import annotations

import logging

from core.errors import OptionError
from core.option_groups import TaskOptions
from core.options import flatten, leaves

log = logging.getLogger("sieve")


def check_at_most(options: TaskOptions, name: str, there: int, what: str) -> None:
    """Refuse an option that asks for more than there is; where it is just the default, say so in the log.

    Args:
        options: of the task.
        name: dotted name of a number among them; None passes.
        there: how many there are.
        what: of what, such as "training images".

    Raises:
        OptionError: it was chosen, and is more.
    """
    value = flatten(options)[name]
    if value is None or value <= there:
        return
    if value != leaves(type(options))[name].default:
        raise OptionError(f"{name}={value} is more than the {there} {what} there are")
    log.info("%s=%s, its default, is more than the %d %s there are", name, value, there, what)
