"""FedPer: each site has a head of its own on the common layers, both trained together.

Arivazhagan, Aggarwal, Singh, Choudhary: Federated Learning with Personalization Layers. 2019.
https://arxiv.org/abs/1912.00818

w <- FedAvg's, of all layers but the head
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

FEDPER = register(
    Algorithm(
        name="fedper",
        paper="https://arxiv.org/abs/1912.00818",
        reference=Reference(
            "Arivazhagan, Manoj Ghuhan and Aggarwal, Vinay and Singh, Aaditya Kumar and "
            "Choudhary, Sunav",
            "Federated Learning with Personalization Layers",
            2019,
        ),
        strategy="fedavg",
        objective="fedper",
        local_layers="head",
        is_mean=True,
        bears_noise=True,
    )
)
