"""FedBN: norm layers stay at their site, where scanners differ; the rest is FedAvg.

Li, Jiang, Zhang, Kamp, Dou: FedBN: Federated Learning on Non-IID Features via Local Batch
Normalization. ICLR 2021.
https://arxiv.org/abs/2102.07623

w <- FedAvg's, of all layers but the norm layers
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

FEDBN = register(
    Algorithm(
        name="fedbn",
        paper="https://arxiv.org/abs/2102.07623",
        reference=Reference(
            "Li, Xiaoxiao and Jiang, Meirui and Zhang, Xiaofei and Kamp, Michael and Dou, Qi",
            "FedBN: Federated Learning on Non-IID Features via Local Batch Normalization",
            2021,
            "ICLR",
        ),
        strategy="fedavg",
        objective="fedbn",
        local_layers="norm",
        is_mean=True,
    )
)
