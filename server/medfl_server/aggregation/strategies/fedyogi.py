"""Yogi at the coordinator: Adam whose learning rates change more slowly.

Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan: Adaptive Federated Optimization.
ICLR 2021. https://arxiv.org/abs/2003.00295
"""

from flwr.serverapp.strategy import FedYogi

from medfl_common.plan.algorithms.fedyogi import FedYogiOptions
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower_optimizer import FlowerOptimizer


@STRATEGIES.register("fedyogi")
def fedyogi(context: AggregationContext) -> FlowerOptimizer:
    """Make v <- v - (1 - b2) d^2 sign(v - d^2), w <- w + eta m / (sqrt(v) + tau); m as FedAdam.

    d: the mean update; eta: adaptive_lr.
    """
    o = context.federation.own(FedYogiOptions)
    return FlowerOptimizer(
        context, lambda: FedYogi(eta=o.adaptive_lr, beta_1=o.beta_1, beta_2=o.beta_2, tau=o.tau)
    )
