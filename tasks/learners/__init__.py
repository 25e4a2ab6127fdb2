"""Ways to learn many tasks in one network: what each task adds to it, and what is trained for it."""

from core.registry import Registry

LEARNERS = Registry(
    "learner",
    {
        "masks": "tasks.learners.masks:MaskLearner",
        "batch_ensemble": "tasks.learners.batch_ensemble:BatchEnsemble",
        "heads": "tasks.learners.heads:Heads",
        "rotation": "tasks.learners.rotation:Rotation",
    },
)
