"""Floor 4: one file per task: data, model, stages. `TASKS` finds them by name."""

from core.registry import Registry

TASKS = Registry(
    "task",
    {
        "tuple": "tasks.modularity.tuple:Tuple",
        "tuple_ff": "tasks.modularity.tuple:TupleFeedForward",
        "tuple_ff_copyweight": "tasks.modularity.tuple:TupleCopiedWeights",
        "addmul": "tasks.modularity.addmul:AddMul",
        "addmul_ff": "tasks.modularity.addmul:AddMulFeedForward",
        "scan": "tasks.modularity.scan:Scan",
        "trafo_scan": "tasks.modularity.scan:TrafoScan",
        "deepmind_math": "tasks.modularity.deepmind_math:DeepMindMath",
        "cifar10_class_removal": "tasks.modularity.class_removal:ClassRemoval",
        "cifar10_resnet_hp_class_removal": "tasks.modularity.class_removal:ResNetClassRemoval",
        "cifar10_mask_stability": "tasks.modularity.mask_stability:MaskStability",
        "cifar10_grad_cos_distance": "tasks.modularity.gradient_similarity:GradientSimilarity",
        "permuted_mnist": "tasks.modularity.permuted_mnist:PermutedMNIST",
        "cnn_elcn": "tasks.untying.cnn_elcn:CNNtoLCN",
        "edge_popup": "tasks.edge_popup.edge_popup:EdgePopupTask",
        "supsup": "tasks.supsup.supsup:SupSup",
        "supsup_nns": "tasks.supsup.supsup_nns:NNs",
        "hopsupsup": "tasks.supsup.hopsupsup:HopSupSup",
    },
)
