"""FedNova: sites that make more steps do not pull the model their way.

Wang, Liu, Liang, Joshi, Poor: Tackling the Objective Inconsistency Problem in Heterogeneous
Federated Optimization. NeurIPS 2020.
https://arxiv.org/abs/2007.07481

w <- w + tau * sum_k(p_k * update_k / a_k), p_k = n_k / n, tau = sum_k(p_k * a_k)
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

FEDNOVA = register(
    Algorithm(
        name="fednova",
        paper="https://arxiv.org/abs/2007.07481",
        reference=Reference(
            "Wang, Jianyu and Liu, Qinghua and Liang, Hao and Joshi, Gauri and Poor, H. Vincent",
            "Tackling the Objective Inconsistency Problem in Heterogeneous Federated Optimization",
            2020,
            "NeurIPS",
        ),
        strategy="fednova",
        needs_sgd=True,
        weighs_steps_out=True,
    )
)
