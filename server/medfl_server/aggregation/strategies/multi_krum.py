"""Multi-Krum: the mean of the updates that lie closest to their nearest neighbours.

Blanchard, El Mhamdi, Guerraoui, Stainer: Machine Learning with Adversaries: Byzantine Tolerant
Gradient Descent. NeurIPS 2017. https://arxiv.org/abs/1703.02757
Of n updates with f bad ones n - f - 2 are taken: as many as each is compared with.
Memory is O(sites x model).
"""

from flwr.serverapp.strategy import MultiKrum

from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower import FlowerAggregation


@STRATEGIES.register("multi_krum")
def multi_krum(context: AggregationContext) -> FlowerAggregation:
    """Make w <- w + mean of the n - f - 2 updates with Krum's smallest sums.

    It withstands f bad sites out of 2 f + 3.
    """
    bad = context.federation.bad_sites
    return FlowerAggregation(
        2 * bad + 3,
        lambda n: MultiKrum(num_malicious_nodes=bad, num_nodes_to_select=n - bad - 2),
    )
