"""Similar tasks: images rotated by similar angles, inferred from one image or from a batch."""

from __future__ import annotations

from functools import partial

from paper.figure import Plot
from paper.supsup.many_tasks import HEADING, draw_inference, inference_table

table = partial(inference_table, kind="rotated")
draw = draw_inference


PLOT = Plot(
    table=table,
    draw=draw,
    title="Rotated images: similar tasks",
    caption=(
        "Each task has its own rotation angle, and one mask on the same random weights. Left: mean accuracy over the "
        "test sets of all tasks learned so far, when the task is inferred by halving the set of tasks and all answers "
        "for a wrong task count as wrong (GNu); dashes and dots: baselines that are given the task. Right: how often "
        "the task is inferred correctly, from one image or from a batch of the same task. Points: mean; error bars: "
        "sample standard deviation over seeds; small dots: single seeds."
    ),
    family=HEADING,
    order=2,
    sweeps=("supsup_rotated", "supsup_rotated_batch_ensemble", "supsup_rotated_rotation"),
    paper=(
        "36 rotations of MNIST by 10 degrees, FC1024, a whole batch of 128: the tasks are distinguished, and the "
        "accuracy is above those of PSP and BatchE, which are given the task. Curves only."
    ),
)
