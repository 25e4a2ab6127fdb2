"""`metric:` of a sweep: a number that its task logs."""

from __future__ import annotations

from collections.abc import Iterable

from launch.points import Point
from launch.sweep import Sweep
from tasks.logged_keys import never_logged, only_summarised


def check_metrics(sweep: Sweep, points: Iterable[Point]) -> None:
    """Raise SweepError where `metric:` (or one of `metrics:`) names a key that a task of the points never logs.

    `early_terminate:` compares rows of the history, so it needs a key that they have.
    """
    root = sweep.document.root
    several = root["metrics"].value if "metrics" in root else []
    tasks = sorted({point.options.task for point in points})
    for metric in [*([root["metric"]] if "metric" in root else []), *several]:
        name, line = metric.value["name"]
        for task in tasks:
            if why := never_logged(task, name):
                raise sweep.document.error(line, f"metric: name: {why}")
            if "early_terminate" in root and (why := only_summarised(task, name)):
                raise sweep.document.error(line, f"metric: name: early_terminate: would end no run: {why}")
