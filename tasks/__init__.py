"""Floor 4: one file per task: data, model, stages. `TASKS` finds them by name."""

from core.registry import Registry

TASKS = Registry(
    "task",
    {
        "tuple": "tasks.tuple:Tuple",
        "tuple_ff": "tasks.tuple:TupleFeedForward",
        "tuple_ff_copyweight": "tasks.tuple:TupleCopiedWeights",
        "addmul": "tasks.addmul:AddMul",
        "addmul_ff": "tasks.addmul:AddMulFeedForward",
        "scan": "tasks.scan:Scan",
        "trafo_scan": "tasks.scan:TrafoScan",
        "deepmind_math": "tasks.deepmind_math:DeepMindMath",
        "cifar10_class_removal": "tasks.class_removal:ClassRemoval",
        "cifar10_resnet_hp_class_removal": "tasks.class_removal:ResNetClassRemoval",
        "cifar10_mask_stability": "tasks.mask_stability:MaskStability",
        "cifar10_grad_cos_distance": "tasks.gradient_similarity:GradientSimilarity",
        "permuted_mnist": "tasks.permuted_mnist:PermutedMNIST",
        "cnn_elcn": "tasks.cnn_elcn:CNNtoLCN",
        "edge_popup": "tasks.edge_popup:EdgePopupTask",
        "supsup": "tasks.supsup:SupSup",
        "supsup_nns": "tasks.supsup_nns:NNs",
        "hopsupsup": "tasks.hopsupsup:HopSupSup",
    },
)
