"""Cyclic weight transfer: the model goes from site to site, one a round, in the roster's order.

Chang, Balachandar, Lam et al.: Distributed deep learning networks among institutions for medical
imaging. JAMIA 25(8), 2018.
https://doi.org/10.1093/jamia/ocy017

w <- w + update_k, k = round modulo the number of sites
"""

from collections.abc import Sequence

from medfl_common.plan.algorithms import Algorithm, Choice, register
from medfl_common.plan.reference import Reference


def _next(roster: Sequence[str], round_: int) -> set[str]:
    return {roster[(round_ - 1) % len(roster)]}


CYCLIC = register(
    Algorithm(
        name="cyclic",
        paper="https://doi.org/10.1093/jamia/ocy017",
        reference=Reference(
            "Chang, Ken and Balachandar, Niranjan and Lam, Carson and others",
            "Distributed deep learning networks among institutions for medical imaging",
            2018,
            "JAMIA 25(8)",
            is_journal=True,
        ),
        strategy="cyclic",
        choice=Choice(_next, n=1),
    )
)
