"""The mean of the sites' updates without the largest and smallest values, weight by weight.

Yin, Chen, Ramchandran, Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates. ICML 2018. https://arxiv.org/abs/1803.01498
Memory is O(sites x model).
"""

from itertools import count

from flwr.serverapp.strategy import FedTrimmedAvg

from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower import FlowerAggregation


@STRATEGIES.register("trimmed_mean")
def trimmed_mean(context: AggregationContext) -> FlowerAggregation:
    """Make w <- w + mean of update_k without the m largest and smallest values, m = floor(trim n).

    It withstands m bad sites out of n.
    """
    part = context.federation.trim
    needs = next(n for n in count(1) if int(part * n) >= context.federation.bad_sites)
    return FlowerAggregation(needs, lambda n: FedTrimmedAvg(beta=part))
