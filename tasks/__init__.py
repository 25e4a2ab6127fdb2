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
        "cnn_elcn": "tasks.cnn_elcn:CNNtoLCN",
        "edge_popup": "tasks.edge_popup:EdgePopupTask",
        "supsup": "tasks.supsup:SupSup",
        "supsup_nns": "tasks.supsup_nns:NNs",
        "hopsupsup": "tasks.hopsupsup:HopSupSup",
    },
)
