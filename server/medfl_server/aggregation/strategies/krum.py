"""Krum: the one update that lies closest to its nearest neighbours.

Blanchard, El Mhamdi, Guerraoui, Stainer: Machine Learning with Adversaries: Byzantine Tolerant
Gradient Descent. NeurIPS 2017. https://arxiv.org/abs/1703.02757
Memory is O(sites x model).
"""

from flwr.serverapp.strategy import Krum

from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower import FlowerAggregation


@STRATEGIES.register("krum")
def krum(context: AggregationContext) -> FlowerAggregation:
    """Make w <- w + update_i with the least sum of |update_i - update_j|^2 over its nearest j.

    Those are n - f - 2 of n updates. It withstands f bad sites out of 2 f + 3.
    """
    bad = context.federation.bad_sites
    return FlowerAggregation(2 * bad + 3, lambda n: Krum(num_malicious_nodes=bad))
