"""FedNova: sites that make more steps do not pull the model their way.

Wang, Liu, Liang, Joshi, Poor: Tackling the Objective Inconsistency Problem in Heterogeneous
Federated Optimization. NeurIPS 2020.
https://arxiv.org/abs/2007.07481

w <- w + tau * sum_k(p_k * update_k / a_k), p_k = n_k / n, tau = sum_k(p_k * a_k)
"""

from medfl_common.plan.algorithms import Algorithm, register

FEDNOVA = register(
    Algorithm(
        name="fednova",
        paper="https://arxiv.org/abs/2007.07481",
        strategy="fednova",
        needs_sgd=True,
        weighs_steps_out=True,
    )
)
