"""The sweeps of induction_math: the repository Rock-Z/instilling-inductive-bias, folder math (configs and programs).

Its network is trained by the Trainer of transformers, whose defaults are here where a configuration is silent. 200,000
rows are 4,000 steps of 50, 50,000 are 100 of 500; lengths are steps here, but for the transfers'.
"""

from __future__ import annotations

from tests.published.table import Difference, Page, Published

NETWORK = {
    "task": "induction_math", "model": "gpt2", "width": 128, "heads": 4, "dropout": 0.1, "narrow": True,
    "loss": "published", "data.operands": 1000, "data.modulus": 7, "data.pool": "all", "data.held_out": 1000,
    "seed": "from the system",
}  # fmt: skip
BASE = {
    "train.rule": "a + ab", "train.rows": 200_000, "train.steps": 200_000, "train.batch_size": 50, "train.lr": 5e-4,
    "train.optimizer": "adamw", "train.beta2": 0.999, "train.eps": 1e-8, "train.weight_decay": 0.0, "train.warmup": 0,
    "train.schedule": "linear", "train.grad_clip": 1.0,
}  # fmt: skip
MASK = {
    "mask.rule": "ab", "mask.method": "continuous-sparsification", "mask.unit": "weight", "mask.init": -0.1,
    "mask.rows": 50_000, "mask.steps": 5000, "mask.batch_size": 500, "mask.samples": 1, "mask.lr": 1e-3,
    "mask.weight_decay": 0.01, "mask.warmup": 0, "mask.grad_clip": None, "mask.penalty": 1e-7, "mask.reduction": "sum",
    "mask.initial_temperature": 1.0, "mask.final_temperature": 100.0, "mask.bias": False, "mask.include": ("*",),
    "mask.exclude": ("*norm*", "*.ln_*"),
}  # fmt: skip
SAMPLES = (0, 10, 16, 25, 40, 64, 100, 160, 250, 400, 640, 1000, 1600, 2500, 4000, 6400)
FOUR = ("subnet", "random", "full", "scratch")
FIVE = ("subnet", "random", "complement", "full", "scratch")
ALL = ("subnet", "random", "complement", "inverse", "rest", "full", "scratch", "magnitude")
TRANSFER = {  # two configurations, frozen and trainable
    "transfer.rule": "a^2 + ab", "transfer.ambiguous": True, "transfer.conditions": FIVE,
    "transfer.donor": ("frozen", "trained"), "transfer.inherit": ("*",), "transfer.repeats": 1,
    "transfer.disambiguating": SAMPLES, "transfer.epochs": 100, "transfer.steps": None, "transfer.batch_size": 50,
    "transfer.lr": 2e-4, "transfer.weight_decay": 0.01, "transfer.evaluations": 100,
}  # fmt: skip
WHOLE = NETWORK | BASE | MASK | TRANSFER

SAME = Difference("model", "gpt2", "gpt", "the same network with the same logits, without the library; model=gpt2")
POOL = Difference("data.pool", "all", 0.7, "what is tested is never trained on")
SEEDS = Difference("seed", "from the system", [1, 2, 3], "a spread over base, mask and transfers")
STEPS = Difference(
    "train.steps", 200_000, 40_000,
    "theirs stops when the loss has not fallen for ten epochs; its best networks are from steps 18,000 to 32,000",
)  # fmt: skip
CONTROLS = Difference("transfer.conditions", FIVE, ALL, "what surrounds the subnet, and other masks of its size")
COMMON = (SAME, POOL, SEEDS, STEPS)

PAGE = Page(
    "docs/induction.md",
    {
        "induction_math": Published(
            "math/configs/base.yaml, ablate_base.yaml, transfer_base.yaml and those of the runs for each depth",
            WHOLE | {"layers": [2, 4, 6, 10, 12]}, differs=(*COMMON, CONTROLS),
        ),
        "induction_math_8_layers": Published(
            "the same for 8 layers", WHOLE | {"layers": 8, "mask.lr": 2e-3}, differs=(*COMMON, CONTROLS)
        ),
        "induction_math_repeats": Published(
            "math/configs of transfer_1e-7_run0 to run4",
            WHOLE | {
                "layers": 12, "transfer.conditions": FOUR, "transfer.donor": ("frozen",), "transfer.repeats": 5,
                "transfer.disambiguating": (*SAMPLES, 10_000),
            },
            differs=(*COMMON, Difference(
                "transfer.conditions", FOUR, (*FOUR, "rest"), "what embeddings, norms and biases do without the subnet"
            )),
        ),
        "induction_math_computations": Published(
            "math/transfer_additional_computations.py with transfer_base.yaml; no configuration of it is given",
            WHOLE | {
                "layers": 12, "transfer.ambiguous": False, "transfer.donor": ("frozen",), "transfer.rule": "to be given"
            },
            differs=(
                *COMMON, CONTROLS,
                Difference(
                    "transfer.rule", "to be given", ["a^2 + ab", "a^3 + ab", "a^2 + ab + b^2", "a^2 - b^2", "a + b"],
                    "three with the ab that the subnet computes, and two without",
                ),
                Difference("transfer.disambiguating", SAMPLES, SAMPLES[1:], "0 would leave nothing to learn from"),
            ),
        ),
        "induction_math_ambiguous": Published(
            "math/ambiguous.py",
            NETWORK | TRANSFER | {
                "layers": 12, "width": 64, "transfer.conditions": ("scratch",), "transfer.disambiguating": (0,),
                "transfer.lr": 2e-3, "transfer.weight_decay": 0.0, "transfer.donor": ("frozen",),
            },
            differs=(SAME, POOL, Difference("seed", "from the system", [1, 2, 3, 4, 5], "a spread")),
            free=("train.*", "mask.*"),
        ),
    },
    free={
        "run.*": "where a run is done",
        "log": "where it is shown",
        "parent": "base and mask are made in the run itself",
        "train.momentum": "of an optimiser that is not used",
        "train.decay*": "of a schedule that is not used",
        "train.eval_every": "how often base and mask are measured",
        "train.eval_batch_size": "how many questions at once; no number depends on it",
    },
    absent={
        "`ablate_12l` with a penalty of 1e-8": "none of the released transfers begins with it; `induction_math` with "
        "`--set layers=12 mask.penalty=1e-8`",
    },
)  # fmt: skip
