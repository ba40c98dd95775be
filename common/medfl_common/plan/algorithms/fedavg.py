"""Federated averaging: the mean of the updates, by images.

McMahan, Moore, Ramage, Hampson, Agueera y Arcas: Communication-Efficient Learning of Deep Networks
from Decentralized Data. AISTATS 2017.
https://arxiv.org/abs/1602.05629

w <- w + sum_k(n_k * update_k) / sum_k(n_k)
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

FEDAVG = register(
    Algorithm(
        name="fedavg",
        paper="https://arxiv.org/abs/1602.05629",
        reference=Reference(
            "McMahan, H. Brendan and Moore, Eider and Ramage, Daniel and Hampson, Seth and "
            "Agüera y Arcas, Blaise",
            "Communication-Efficient Learning of Deep Networks from Decentralized Data",
            2017,
            "AISTATS",
        ),
        strategy="fedavg",
        is_mean=True,
        bears_noise=True,
    )
)
