"""Settings that tests share, without what plays no part in one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.conditions import inert
from core.options import assemble, changed
from tasks.options import options_class


def active(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values but for those that `resolve` would refuse because they would do nothing."""
    options = assemble(options_class(str(values["task"]), values.get("mask.method")), values)
    nothing = inert(options, changed(options))
    return {name: value for name, value in values.items() if name not in nothing}
