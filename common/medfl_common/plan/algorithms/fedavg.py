"""Federated averaging: the mean of the updates, by images.

McMahan, Moore, Ramage, Hampson, Agueera y Arcas: Communication-Efficient Learning of Deep Networks
from Decentralized Data. AISTATS 2017.
https://arxiv.org/abs/1602.05629

w <- w + sum_k(n_k * update_k) / sum_k(n_k)
"""

from medfl_common.plan.algorithms import Algorithm, register

FEDAVG = register(
    Algorithm(
        name="fedavg",
        paper="https://arxiv.org/abs/1602.05629",
        strategy="fedavg",
        is_mean=True,
        bears_noise=True,
    )
)
