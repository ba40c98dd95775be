"""The median of the sites' updates, weight by weight.

Yin, Chen, Ramchandran, Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates. ICML 2018.
https://arxiv.org/abs/1803.01498

w <- w + median_k(update_k)
"""

from medfl_common.plan.algorithms import Algorithm, register

MEDIAN = register(
    Algorithm(
        name="median",
        paper="https://arxiv.org/abs/1803.01498",
        strategy="median",
        settings=("bad_sites",),
        bears_noise=True,
    )
)
