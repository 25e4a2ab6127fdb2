"""Shared by the figures of random networks: names of networks and their initialisations."""

from __future__ import annotations

from core.store import Run
from paper.figure import BLUE, ORANGE, SKY, VERMILLION
from paper.names import short

HEADING = "What's hidden in a randomly weighted neural network?"
RANDOM, DENSE, ADAM = "random masks", "trained weights, no mask", "trained weights (Adam), no mask"
DASHES = {DENSE: (0, (3, 1.5)), ADAM: (0, (1, 1.5))}
COLOURS = {
    "signed constant": BLUE, "signed constant, scaled": ORANGE,
    "kaiming normal": SKY, "kaiming normal, scaled": VERMILLION,
}  # fmt: skip


def network(run: Run, width: bool = True) -> str:
    """Return the network and the images of a run in a few words, with or without its width."""
    name, factor = str(run.options["model"]), float(run.options["width"]) if width else 1.0
    if name == "fc":
        words = "fully connected " + short(",".join(str(int(n * factor)) for n in run.options["layer_sizes"]))
    else:
        words = name.replace("_", " ").replace("resnet", "ResNet-").replace("conv", "Conv-")
        words = words[0].upper() + words[1:]
        words += f", {factor:g} of the width" if factor != 1 else ""
    return f"{words}, {run.options['data.name']}"


def trained(run: Run) -> str:
    """Return how the weights of a run without a mask were trained."""
    return ADAM if run.options["train.optimizer"] == "adam" else DENSE


def drawn(run: Run) -> str:
    """Return how the weights of a run were drawn."""
    scale = {"none": "", "keep": ", scaled", "published": ", scaled as published"}[str(run.options["scale"])]
    return str(run.options["init"]).replace("_", " ") + scale
