"""One row per task: its options, and the class of its model, data and stages. A file of one's own is a task as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from core.option_groups import TaskOptions
from core.registry import Registry

if TYPE_CHECKING:
    from tasks.task import Task

# Modules are named from this folder.
# fmt: off
TABLE = {
    "tuple": ("modularity.arithmetic_options:TupleOptions", "modularity.tuple:Tuple"),
    "tuple_ff": ("modularity.arithmetic_options:TupleFeedForwardOptions", "modularity.tuple:TupleFeedForward"),
    "tuple_ff_copyweight": (
        "modularity.arithmetic_options:TupleFeedForwardOptions", "modularity.tuple:TupleCopiedWeights",
    ),
    "addmul": ("modularity.arithmetic_options:AddMulOptions", "modularity.addmul:AddMul"),
    "addmul_ff": ("modularity.arithmetic_options:AddMulFeedForwardOptions", "modularity.addmul:AddMulFeedForward"),
    "scan": ("modularity.scan_options:ScanOptions", "modularity.scan:Scan"),
    "trafo_scan": ("modularity.scan_options:TrafoScanOptions", "modularity.scan:TrafoScan"),
    "deepmind_math": ("modularity.deepmind_math_options:DeepMindMathOptions", "modularity.deepmind_math:DeepMindMath"),
    "cifar10_class_removal": ("modularity.class_options:ClassRemovalOptions", "modularity.class_removal:ClassRemoval"),
    "cifar10_resnet_hp_class_removal": (
        "modularity.class_options:ResNetRemovalOptions", "modularity.class_removal:ResNetClassRemoval",
    ),
    "cifar10_mask_stability": (
        "modularity.class_options:MaskStabilityOptions", "modularity.mask_stability:MaskStability",
    ),
    "cifar10_grad_cos_distance": (
        "modularity.class_options:GradientOptions", "modularity.gradient_similarity:GradientSimilarity",
    ),
    "permuted_mnist": ("modularity.permuted_mnist_options:PermutedOptions", "modularity.permuted_mnist:PermutedMNIST"),
    "cnn_elcn": ("untying.cnn_elcn_options:CNNtoLCNOptions", "untying.cnn_elcn:CNNtoLCN"),
    "edge_popup": ("edge_popup.edge_popup_options:EdgePopupOptions", "edge_popup.edge_popup:EdgePopupTask"),
    "supsup": ("supsup.supsup_options:SupSupOptions", "supsup.supsup:SupSup"),
    "supsup_nns": ("supsup.supsup_options:NNsOptions", "supsup.supsup_nns:NNs"),
    "induction_math": (
        "induction.induction_math_options:InductionMathOptions", "induction.induction_math:InductionMath",
    ),
    "hopsupsup": ("supsup.hopsupsup_options:HopSupSupOptions", "supsup.hopsupsup:HopSupSup"),
    "induction_vision": (
        "induction.induction_vision_options:InductionVisionOptions", "induction.induction_vision:InductionVision",
    ),
}
# fmt: on
Thing = TypeVar("Thing")


class Tasks(Registry[Thing]):
    """The table, and every file: a name that ends in .py.

    Args:
        entries: name -> "module:attribute".
        of_file: what makes of a file what the table has of a task.
    """

    def __init__(self, entries: dict[str, str], of_file: str):
        super().__init__("task", entries)
        self._of_file = Registry[Any]("function", {"of_file": of_file})

    def __getitem__(self, name: str) -> Thing:
        return cast(Thing, self._of_file["of_file"](name)) if is_file(name) else super().__getitem__(name)


def is_file(task: str) -> bool:
    """Return whether a task is an experiment of one's own."""
    return task.endswith(".py")


OPTIONS: Tasks[type[TaskOptions]] = Tasks(
    {name: f"tasks.{options}" for name, (options, _) in TABLE.items()}, "tasks.own.own_file:options_of"
)
TASKS: Tasks[type[Task[Any]]] = Tasks(
    {name: f"tasks.{task}" for name, (_, task) in TABLE.items()}, "tasks.own.own_file:task_of"
)
