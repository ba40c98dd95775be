"""The median of the sites' updates, weight by weight.

Yin, Chen, Ramchandran, Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates. ICML 2018.
https://arxiv.org/abs/1803.01498

w <- w + median_k(update_k)
"""

from medfl_common.plan.algorithms import Algorithm, register
from medfl_common.plan.reference import Reference

MEDIAN = register(
    Algorithm(
        name="median",
        paper="https://arxiv.org/abs/1803.01498",
        reference=Reference(
            "Yin, Dong and Chen, Yudong and Ramchandran, Kannan and Bartlett, Peter",
            "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates",
            2018,
            "ICML",
        ),
        strategy="median",
        settings=("bad_sites",),
        bears_noise=True,
    )
)
