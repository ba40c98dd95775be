"""The mean of the sites' updates without the largest and smallest values, weight by weight.

Yin, Chen, Ramchandran, Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates. ICML 2018.
https://arxiv.org/abs/1803.01498

w <- w + mean of update_k without trim times n of the values at each end
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan


def _why_unfit(plan: Plan) -> str:
    if plan.federation.trim == 0 < plan.federation.bad_sites:
        return "trim: 0 withstands no bad site; give bad_sites: 0, or a larger trim"
    return ""


TRIMMED_MEAN = register(
    Algorithm(
        name="trimmed_mean",
        paper="https://arxiv.org/abs/1803.01498",
        reference=Reference(
            "Yin, Dong and Chen, Yudong and Ramchandran, Kannan and Bartlett, Peter",
            "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates",
            2018,
            "ICML",
        ),
        strategy="trimmed_mean",
        settings=("bad_sites", "trim"),
        why_unfit=_why_unfit,
        bears_noise=True,
    )
)
