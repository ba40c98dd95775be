"""Bulyan: Multi-Krum's choice of updates, then the mean of the values nearest to their median.

El Mhamdi, Guerraoui, Rouault: The Hidden Vulnerability of Distributed Learning in Byzantium.
ICML 2018. https://arxiv.org/abs/1802.07927
Flower chooses n - 2 f updates at once; the paper chooses them one after the other.
Memory is O(sites x model).
"""

from flwr.serverapp.strategy import Bulyan

from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower import FlowerAggregation


@STRATEGIES.register("bulyan")
def bulyan(context: AggregationContext) -> FlowerAggregation:
    """Make w <- w + mean of the n - 4 f values nearest to the median of the n - 2 f chosen updates.

    It withstands f bad sites out of 4 f + 3.
    """
    bad = context.federation.bad_sites
    return FlowerAggregation(4 * bad + 3, lambda n: Bulyan(num_malicious_nodes=bad))
