"""How many tasks a frozen network can hold, and how often the task of an image is inferred correctly."""

from __future__ import annotations

from functools import partial

from paper.figure import Plot
from paper.supsup.many_tasks import HEADING, draw_inference, inference_table

table = partial(inference_table, kind="permuted")
draw = draw_inference


PLOT = Plot(
    table=table,
    draw=draw,
    title="Many tasks in one frozen network",
    caption=(
        "Permuted images: each task has its own pixel permutation, and one mask on the same random weights. Left: "
        "mean accuracy over the test sets of all tasks learned so far, when the task is inferred and all answers for "
        "a wrong task count as wrong (GNu); dashes and dots: baselines that are given the task. Right: how often the "
        "task is inferred correctly; by objective, number of images, and number of outputs (those beyond the ten "
        "classes are superfluous). Points: mean; error bars: sample standard deviation over seeds; small dots: single "
        "seeds."
    ),
    family=HEADING,
    order=1,
    sweeps=("supsup_gnu", "supsup_gnu_fc", "supsup_gnu_2500", "supsup_batch_ensemble", "supsup_rotation"),
    paper=(
        "PermutedMNIST: 94.91 % after 250 tasks without task identities; 2,500 tasks on a 784-300-100-500 network "
        "without visible forgetting. With few superfluous outputs, inference is much worse. Curves only."
    ),
)
