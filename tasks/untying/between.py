"""Loss and accuracy along paths between any two networks saved by runs of cnn_elcn.

    python -m tasks.untying.between FIRST.npz LAST.npz [--methods linear,string] [--points 9] [--out between.npz]

FIRST and LAST are files of weights in the tensors/ of runs, of one run or of two. A network with convolutions is untied
where the other end is, so a CNN can be joined with an eLCN, and that with an eFCN. The images are those of the runs.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from analysis.locality import untied_layers
from core.errors import CheckpointError, OptionError, SieveError
from core.files import write_atomic
from core.fit import make_optimizer, train_step
from core.options import build, flatten
from core.store import Run
from core.trackers import Mirrors
from layers import LocallyConnected2d
from models.foreign_checkpoints import load_weights, read_tensors
from models.stacked_models import Stack
from tasks.branch_string import relaxed
from tasks.options import resolve
from tasks.untying.branch_paths import Path as Way
from tasks.untying.branch_paths import interpolated, rise
from tasks.untying.cnn_elcn import CNNtoLCN
from tasks.untying.cnn_elcn_options import CNNtoLCNOptions, PathOptions

FORMS = ("cnn", "elcn", "efcn")  # each can be brought into those after it
ALIKE = ("task", "data.", "model", "channels", "split.layers")  # what two runs must have in common


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the ways, print a table of each and write them into a file."""
    usual = PathOptions()
    parser = argparse.ArgumentParser(prog="tasks.untying.between", description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path, help="weights at 0, runs/.../tensors/NAME.npz")
    parser.add_argument("last", type=Path, help="weights at 1")
    parser.add_argument("--methods", default=",".join(usual.methods), help="default: %(default)s")
    parser.add_argument("--points", default=usual.points, help="of a way, ends included; default: %(default)s")
    parser.add_argument("--epochs", default=usual.epochs, help="of relaxing the string; default: %(default)s")
    parser.add_argument("--stiffness", default=usual.stiffness, help="of the string; default: %(default)s")
    parser.add_argument("--lr", default=None, help="of the string; default: train.lr of the first run")
    parser.add_argument("--out", type=Path, default=Path("between.npz"), help="default: %(default)s")
    given = vars(parser.parse_args(argv))
    ends, out = (given.pop("first"), given.pop("last")), given.pop("out")
    try:
        paths = build(PathOptions, given)
        ways = between(*ends, paths)
        arrays = {f"{method}_{name}": values for method, way in ways.items() for name, values in way.items()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
        write_atomic(out, buffer.getvalue())
    except SieveError as error:
        sys.stderr.write(f"tasks.untying.between: {error}\n")
        return 2
    for method, way in ways.items():
        sys.stdout.write(table(method, way))
    sys.stdout.write(f"\n{out}\n")
    return 0


def between(first: Path, last: Path, paths: PathOptions) -> dict[str, Way]:
    """Return the ways between two saved networks, by method.

    Args:
        first, last: files in the tensors/ of runs of cnn_elcn.
        paths: methods, points, and how the string is relaxed; without a learning rate it has the first run's train.lr.

    Raises:
        SieveError: a file is of no such run, or the two runs have other images or networks.
    """
    runs = [_run_of(path) for path in (first, last)]
    _alike(*runs)
    options = resolve(runs[0].options)
    assert isinstance(options, CNNtoLCNOptions)
    task = CNNtoLCN(dataclasses.replace(options, start=None, paths=paths), runs[0], Mirrors((), runs[0]))
    networks = [_network(task, path) for path in (first, last)]
    form = max((form for form, _ in networks), key=FORMS.index)
    lifted = [_lifted(task, network, form) for _, network in networks]
    stacks = [Stack.of([network], 1) for network in lifted]
    found: dict[str, Way] = {
        method: interpolated(task.measures, method, stacks[0], stacks[1], paths.points)[0]
        for method in paths.methods
        if method != "string"
    }
    if "string" in paths.methods:
        found["string"] = _string(task, lifted, options.train.lr if paths.lr is None else paths.lr)
    return found


def table(method: str, way: Way) -> str:
    """Return a way as text, and the barrier of its training loss."""
    columns = [name for name in way if name != "alpha"]
    lines = ["", f"{method:<10}" + "".join(f"{name.replace('_', ' '):>16}" for name in columns)]
    for i, alpha in enumerate(way["alpha"]):
        lines.append(f"{alpha:<10.3f}" + "".join(f"{way[name][i]:>16.4f}" for name in columns))
    barrier = rise(way)
    lines.append("barrier of the training loss: " + ("no number" if barrier is None else f"{barrier:.4f}"))
    return "\n".join(lines) + "\n"


def _run_of(path: Path) -> Run:
    if not path.is_file():
        raise CheckpointError(f"there is no file {str(path)!r} with weights; a run's are in tensors/*.npz")
    run = Run.load(path.resolve().parent.parent)
    if run.task != "cnn_elcn":
        raise OptionError(f"{path} is of a run of task {run.task}, not cnn_elcn")
    return run


def _alike(first: Run, last: Run) -> None:
    both = [flatten(resolve(run.options)) for run in (first, last)]
    for name in both[0]:
        if name.startswith(ALIKE) and both[0][name] != both[1][name]:
            raise OptionError(
                f"the runs have other images or networks: {name} is {both[0][name]} in {first.folder} and "
                f"{both[1][name]} in {last.folder}"
            )


def _network(task: CNNtoLCN, path: Path) -> tuple[str, nn.Module]:
    """Return the form of a saved network, and the network."""
    shapes = {name: tensor.shape for name, tensor in read_tensors(path).items()}
    for form in FORMS:
        network = task.untied(form, task.cnn)
        if {name: p.shape for name, p in network.named_parameters()} == shapes:
            load_weights(path, network)
            return form, copy.deepcopy(network)  # a CNN is the task's own
    raise CheckpointError(f"{path} holds the weights of another network than those of its run")


def _lifted(task: CNNtoLCN, network: nn.Module, form: str) -> nn.Module:
    """Return the network in another form that can hold it."""
    layers = untied_layers(network)
    if not layers:
        return task.untied(form, network)
    for name, layer in layers.items():
        if form == "efcn" and isinstance(layer, LocallyConnected2d):
            network.set_submodule(name, layer.to_dense())
    return network


def _string(task: CNNtoLCN, ends: Sequence[nn.Module], lr: float) -> Way:
    """Return the string between two networks of one form, relaxed."""
    found: list[Way] = []

    def weights() -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        first, last = ({name: p.detach() for name, p in network.named_parameters()} for network in ends)
        return first, last

    def keep(way: Way) -> dict[str, float | None]:
        found.append(way)
        return {}

    stage = relaxed(task, "string", weights, lambda: ends[1], lr, keep)
    optimizer = make_optimizer(stage)
    assert optimizer is not None  # a string has points
    for step in range(stage.steps):
        train_step(stage, optimizer, task.options.seed, step)
    stage.on_end()
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
