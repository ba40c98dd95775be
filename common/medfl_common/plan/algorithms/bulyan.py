"""Bulyan: Multi-Krum's choice of updates, then the mean of the values nearest to their median.

El Mhamdi, Guerraoui, Rouault: The Hidden Vulnerability of Distributed Learning in Byzantium.
ICML 2018.
https://arxiv.org/abs/1802.07927

w <- w + mean of the n - 4 f values nearest to the median of the n - 2 f chosen updates
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

BULYAN = register(
    Algorithm(
        name="bulyan",
        paper="https://arxiv.org/abs/1802.07927",
        reference=Reference(
            "El Mhamdi, El Mahdi and Guerraoui, Rachid and Rouault, Sébastien",
            "The Hidden Vulnerability of Distributed Learning in Byzantium",
            2018,
            "ICML",
        ),
        strategy="bulyan",
        settings=("bad_sites",),
        bears_noise=True,
    )
)
