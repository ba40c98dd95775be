"""Krum: the one update that lies closest to its nearest neighbours.

Blanchard, El Mhamdi, Guerraoui, Stainer: Machine Learning with Adversaries: Byzantine Tolerant
Gradient Descent. NeurIPS 2017.
https://arxiv.org/abs/1703.02757

w <- w + update_i, i = argmin_i sum of |update_i - update_j|^2 over its n - f - 2 nearest j
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

KRUM = register(
    Algorithm(
        name="krum",
        paper="https://arxiv.org/abs/1703.02757",
        reference=Reference(
            "Blanchard, Peva and El Mhamdi, El Mahdi and Guerraoui, Rachid and Stainer, Julien",
            "Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent",
            2017,
            "NeurIPS",
        ),
        strategy="krum",
        settings=("bad_sites",),
        bears_noise=True,
    )
)
