"""Time of `--evaluate` compared with a bare loop over the same images.

    python benchmarks/evaluate.py [--model imagenet_resnet18] [--images 128] [--seconds 60] [--json FILE]

A .pth as edge-popup's authors write it, and a folder of thumbnails laid out as ImageNet, are made. In each round:

    bare       a network that has its masked weights already: batches of images forward, top-1 and top-5
    evaluate   main.py --evaluate=FILE.pth, from its command line to its summary (in this process: no imports)

The answers are compared. Both read the images with data.image_folder, in batches of one size.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import main as sieve
from benchmarks.rounds import arguments, measure, over, write
from core.malloc import keep_freed_memory
from core.rng import stream
from core.store import Run
from data.image_folder import folder_images
from models.random_nets import random_net

CLASSES, SIDE, KEEP, BATCH = 10, 96, 0.3, 32


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(
        __doc__, 60.0, "network", model={"default": "imagenet_resnet18"}, images={"type": int, "default": 128}
    )
    keep_freed_memory()
    torch.use_deterministic_algorithms(True, warn_only=True)  # as a run does
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a module with a property
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        thumbnails(root / "cache" / "imagenet", args.images)
        file = published(root / "model_best.pth", args.model)
        network = prepared(file, args.model)
        answers: dict[str, list[tuple[float, float]]] = {"bare": [], "evaluate": []}
        steps = {
            "bare": lambda: answers["bare"].append(bare(network, root / "cache" / "imagenet")),
            "evaluate": lambda: answers["evaluate"].append(evaluate(file, args.model, root, len(answers["evaluate"]))),
        }
        times = measure(steps, args.seconds, args.clock)
        if len({answer for found in answers.values() for answer in found}) > 1:
            sys.exit(f"the answers differ: {answers}")
    ours, theirs = (statistics.median(times[name]) / 1e3 for name in ("evaluate", "bare"))
    ratio = over(times["evaluate"], times["bare"])
    print(f"{args.model}, {args.images} images: evaluate {ours:.1f} s, bare {theirs:.1f} s: evaluate / bare {ratio}")
    write(args.json, cells=[{"model": args.model, "images": args.images, "milliseconds": times}])


def thumbnails(folder: Path, count: int) -> None:
    """Write as many JPEGs for the test, and a few for training, which the folder must have."""
    from torchvision.io import write_jpeg

    rng = stream(0, "thumbnails")
    for part, number in (("train", 10 * CLASSES), ("val", count)):
        for i in range(number):
            path = folder / part / f"n{i % CLASSES:02d}" / f"{i}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_jpeg(torch.randint(0, 256, (3, SIDE, SIDE), generator=rng, dtype=torch.uint8), str(path))


def published(path: Path, model: str) -> Path:
    """Write a .pth as the authors' program does, with random scores."""
    network, rng, state = network_of(model, 1), stream(0, "scores"), {}
    for name, tensor in network.state_dict().items():
        state[f"module.{name}"] = tensor
        if name.endswith("weight"):
            state[f"module.{name.removesuffix('weight')}scores"] = torch.randn(tensor.shape, generator=rng)
    torch.save({"state_dict": state}, path)
    return path


def network_of(model: str, seed: int) -> nn.Module:
    """Return the network."""
    return random_net(model, (3, 224, 224), CLASSES, stream(seed, "init"), "kaiming_normal")


def prepared(file: Path, model: str) -> nn.Module:
    """Return the network with the weights of the file under masks of the largest scores."""
    state = {k.removeprefix("module."): t for k, t in torch.load(file, weights_only=True)["state_dict"].items()}
    network = network_of(model, 0).eval()
    network.load_state_dict({name: t for name, t in state.items() if not name.endswith("scores")})
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.mul_(mask_of(state[name.removesuffix("weight") + "scores"]))
    return network


def bare(network: nn.Module, folder: Path) -> tuple[float, float]:
    """Return top-1 and top-5 by a plain loop."""
    images, labels = folder_images(folder)["test"]
    with torch.no_grad():
        logits = torch.cat([network(images[i : i + BATCH]) for i in range(0, len(labels), BATCH)])
    right = logits.topk(5).indices == labels[:, None]
    return right[:, 0].double().mean().item(), right.any(1).double().mean().item()


def mask_of(scores: Tensor) -> Tensor:
    """Return the mask of the largest |score|."""
    dropped = int((1 - KEEP) * scores.numel())
    mask = torch.ones(scores.numel())
    mask[scores.abs().flatten().argsort()[:dropped]] = 0
    return mask.view(scores.shape)


def evaluate(file: Path, model: str, root: Path, number: int) -> tuple[float, float]:
    """Return top-1 and top-5 as main.py finds them."""
    options = {
        "task": "edge_popup", "model": model, "data.name": "imagenet", "run.cache": root / "cache", "evaluate": file,
        "mask.keep": KEEP, "train.eval_batch_size": BATCH, "log": "none", "run.quiet": True,
        "run.dir": root / str(number),
    }  # fmt: skip
    if sieve.main([f"--{name}={value}" for name, value in options.items()]):
        sys.exit("main.py failed")
    (run,) = Run.query(root / str(number))
    return tuple(run.summary[f"final/test/{kind}"] for kind in ("accuracy", "top5"))


if __name__ == "__main__":
    main()
