"""Adam at the coordinator: each weight has a learning rate of its own.

Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan: Adaptive Federated Optimization.
ICLR 2021. https://arxiv.org/abs/2003.00295
"""

from flwr.serverapp.strategy import FedAdam

from medfl_common.plan.algorithms.fedadam import FedAdamOptions
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower_optimizer import FlowerOptimizer


@STRATEGIES.register("fedadam")
def fedadam(context: AggregationContext) -> FlowerOptimizer:
    """Make m <- b1 m + (1 - b1) d, v <- b2 v + (1 - b2) d^2, w <- w + eta m / (sqrt(v) + tau).

    d: the mean update; eta: adaptive_lr, which Flower corrects for the moments' start at 0.
    """
    o = context.federation.own(FedAdamOptions)
    return FlowerOptimizer(
        context, lambda: FedAdam(eta=o.adaptive_lr, beta_1=o.beta_1, beta_2=o.beta_2, tau=o.tau)
    )
