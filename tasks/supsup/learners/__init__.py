"""Learners of many tasks in one network: the parameters each task adds, and what is trained for it."""

from __future__ import annotations

from core.registry import Registry
from tasks.supsup.learners.learner import Learner

LEARNERS: Registry[type[Learner]] = Registry(
    "learner",
    {
        "masks": "tasks.supsup.learners.masks:MaskLearner",
        "batch_ensemble": "tasks.supsup.learners.batch_ensemble:BatchEnsemble",
        "heads": "tasks.supsup.learners.heads:Heads",
        "rotation": "tasks.supsup.learners.rotation:Rotation",
    },
)
