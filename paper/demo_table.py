#!/usr/bin/env python3
"""Prints the results of `make demo`: the accuracy of each subnetwork of a small network, and what two masks share."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # started as paper/demo_table.py
    sys.path[0] = str(ROOT)

from paper.measure import aligned, measured  # noqa: E402
from paper.modularity import plot_performance  # noqa: E402
from paper.modularity.arithmetic import subtasks, word  # noqa: E402
from paper.results import Group, groups, load  # noqa: E402

SWEEP = "small/tuple_ff"
TEST_SETS = {"seen": "also trained on", "unseen_order": "never trained on in this order", "unseen": "never trained on"}


def main(runs: str = "runs", out: str = "paper/out") -> int:
    """Print the table of every group of runs of the demonstration's sweep; 1 when there is none."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    found = groups([run for run in load(Path(runs) / SWEEP) if run.sweep == SWEEP])
    if not found:
        sys.stdout.write(f"no finished runs of {SWEEP} in {runs}; ./run.py sweeps/{SWEEP}.yaml --all\n")
        return 1
    for group in found:
        sys.stdout.write("\n".join([*lines(group), *pictures(group, Path(out)), ""]))
    return 0


def lines(group: Group) -> list[str]:
    """Return the tables of one group as aligned lines."""
    runs, parts = group.runs, subtasks(group.runs)
    split = next((split for split in TEST_SETS if any(run.options.get("data.split") == split for run in runs)), "seen")
    rows = plot_performance.table(runs)
    columns = [column for column in rows[0] if column.startswith("accuracy")]
    texts = [[row["subnet"], *(row[column].text() for column in columns)] for row in rows]
    shared = [measured(runs, f"sharing/{part}/total") for part in parts]
    chance = [measured(runs, f"sharing_random/{part}/total") for part in parts]
    kept = [plot_performance.kept_share(runs, name) for name in ("control", *parts)]
    return [
        "",
        f"{group.label}: {group.count}; mean ± standard deviation over seeds",
        f"test set: operand pairs that were {TEST_SETS[split]}",
        "",
        *aligned([["", *columns], *texts]),
        "",
        *aligned(
            [
                ["share of the weights", "control", *(word(part) for part in parts)],
                ["kept by the mask", *(m.text() for m in kept)],
                ["of these, used by both pairs", "", *(m.text() for m in shared)],
                ["random masks of the same sizes", "", *(m.text() for m in chance)],
            ]
        ),
        "",
    ]


def pictures(group: Group, out: Path) -> list[str]:
    """Return the paths of the pictures that were drawn of this group."""
    found = sorted(out.glob(f"*/{group.name}.png")) + [path for path in [out / "index.html"] if path.exists()]
    return [f"{'figures:' if i == 0 else '':9}{path}" for i, path in enumerate(found)]


if __name__ == "__main__":
    sys.exit(main())
