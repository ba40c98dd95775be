"""Multi-Krum: the mean of the updates that lie closest to their nearest neighbours.

Blanchard, El Mhamdi, Guerraoui, Stainer: Machine Learning with Adversaries: Byzantine Tolerant
Gradient Descent. NeurIPS 2017.
https://arxiv.org/abs/1703.02757

w <- w + mean of the n - f - 2 updates with Krum's smallest sums
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

MULTI_KRUM = register(
    Algorithm(
        name="multi_krum",
        paper="https://arxiv.org/abs/1703.02757",
        reference=Reference(
            "Blanchard, Peva and El Mhamdi, El Mahdi and Guerraoui, Rachid and Stainer, Julien",
            "Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent",
            2017,
            "NeurIPS",
        ),
        strategy="multi_krum",
        settings=("bad_sites",),
        bears_noise=True,
    )
)
