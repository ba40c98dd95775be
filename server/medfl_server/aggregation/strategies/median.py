"""The median of the sites' updates, weight by weight.

Yin, Chen, Ramchandran, Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates. ICML 2018. https://arxiv.org/abs/1803.01498
Memory is O(sites x model).
"""

from flwr.serverapp.strategy import FedMedian

from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower import FlowerAggregation


@STRATEGIES.register("median")
def median(context: AggregationContext) -> FlowerAggregation:
    """Make w <- w + median_k(update_k); it withstands f bad sites out of 2 f + 1."""
    return FlowerAggregation(2 * context.federation.bad_sites + 1, lambda n: FedMedian())
